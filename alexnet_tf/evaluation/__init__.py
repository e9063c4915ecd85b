"""Metrics, cached predictions, ensembles and error analysis, in NumPy."""
