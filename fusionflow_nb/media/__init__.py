"""Port types, values, and the handles for user code: Image, Mask, Video, Audio."""
