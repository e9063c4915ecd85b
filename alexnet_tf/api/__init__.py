"""The public API of `alexnet_tf`."""
