"""The layers that Keras does not have."""
