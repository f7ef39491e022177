"""Kokoro-82M: a small network that speaks English well on a CPU, through kokoro-onnx and onnxruntime."""
