"""Plots; all modules but `availability` and `kernels` require matplotlib, the extra [plots]."""
