"""Figures; most modules need matplotlib, the extra [plots]."""
