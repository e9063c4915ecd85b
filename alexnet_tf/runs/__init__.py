"""Run directories: created, loaded, resumed."""
