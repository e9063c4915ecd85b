"""Floor 2: what a training run needs."""
