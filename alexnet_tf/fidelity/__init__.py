"""Floor 2: what the paper and its source say, and what the built network does."""
