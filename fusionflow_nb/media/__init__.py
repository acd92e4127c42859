"""Port types and the handles that user code holds: Image, Mask, Video, Audio; plain values are plain Python."""
