"""Layers that Keras does not have, and Keras layers that live on a device."""
