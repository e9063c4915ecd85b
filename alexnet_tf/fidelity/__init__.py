"""Reference values of the paper and its source, and probes of a built network."""
