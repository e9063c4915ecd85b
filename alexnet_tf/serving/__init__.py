"""Floor 2: the served graph."""
