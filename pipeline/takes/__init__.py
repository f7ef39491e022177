"""Text becomes sound: chunks, their keys, the render loop, and the store of finished takes."""
