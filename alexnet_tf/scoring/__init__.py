"""Probabilities of whole splits: their scores, their files, their averages. NumPy only."""
