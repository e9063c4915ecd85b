"""Image headers, decoding and resizing, in Python and in TensorFlow graphs."""
