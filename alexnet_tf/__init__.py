"""AlexNet (Krizhevsky, Sutskever and Hinton, NIPS 2012) in Keras 3 on TensorFlow."""
