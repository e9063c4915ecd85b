"""Floor 1: the network of the paper."""
