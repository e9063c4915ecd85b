"""From images to batches: sources, images, records, prepare and batches.

This package imports nothing of `alexnet_tf`, and importing it does not import TensorFlow.
"""
