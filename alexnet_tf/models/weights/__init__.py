"""Readers of public weight files."""
