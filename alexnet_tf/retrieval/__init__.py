"""Indexes of image features, binary codes, and nearest-neighbour search."""
