"""One module or package for each --mode, each with a `run(config)`."""
