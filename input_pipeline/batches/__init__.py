"""From records to batches: shuffling, augmentation, training and evaluation datasets."""
