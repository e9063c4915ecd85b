"""Floor 3: one file a mode, each a plain run(config)."""
