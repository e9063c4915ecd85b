"""From images to batches: sources, images, records, prepare and batches.

Nothing here imports `alexnet_tf`, and importing this package does not import TensorFlow.
"""
