"""Dia-1.6B: text and a voice prompt in, speech out. `engine.py` is the door; the line runs through `runtime.py`."""
