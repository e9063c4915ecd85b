"""AlexNet (Krizhevsky, Sutskever and Hinton, NIPS 2012) in Keras 3 on TensorFlow."""

import os

# TensorFlow reads it while it is imported. By itself it uses oneDNN's convolutions only where a
# processor has AVX-512 VNNI; with AVX2, too, they train these networks at 1.3 to 2 times the speed.
os.environ.setdefault('TF_ENABLE_ONEDNN_OPTS', '1')
