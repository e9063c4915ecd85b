"""Training steps, the optimizer, schedules, checkpoints and distribution."""
