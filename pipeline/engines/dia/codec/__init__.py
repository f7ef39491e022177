"""The Descript Audio Codec: codes to sound and back."""
