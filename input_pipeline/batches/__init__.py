"""From records to batches for training and evaluation."""
