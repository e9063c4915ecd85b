"""The network of the paper, its recipes, its layers and its relatives."""
