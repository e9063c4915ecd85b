"""AlexNet (Krizhevsky, Sutskever and Hinton, NIPS 2012) in Keras 3 on TensorFlow."""

import os

# TensorFlow reads this when it is imported. By default it uses oneDNN's convolutions only on
# processors with AVX-512 VNNI; with AVX2 alone they train these networks 1.3 to 2 times as fast.
os.environ.setdefault('TF_ENABLE_ONEDNN_OPTS', '1')
