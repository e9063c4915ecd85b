"""Floor 2: what a person reads and looks at."""
