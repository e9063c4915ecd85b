"""Image retrieval: indexes of features, binary codes, nearest-neighbour search, metrics."""
