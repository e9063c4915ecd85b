"""Reads image headers, decodes and resizes images, in Python and in TensorFlow graphs."""
