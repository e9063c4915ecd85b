"""The same network as a careful user of stock Keras would write it, for comparison.

    python benchmarks/stock_keras.py --benchmark train_step --runs 5

Grouped convolutions, TensorFlow's own normalisation, Keras' SGD. Prints one JSON object.
"""

import argparse
import json
import statistics
import time

import keras
import numpy as np
import tensorflow as tf

L = keras.layers


def build() -> keras.Model:
    """60,965,224 parameters; images (batch, 224, 224, 3) -> logits (batch, 1000)."""

    def normalised(x):
        return L.Lambda(lambda y: tf.nn.local_response_normalization(y, 2, 2.0, 1e-4, 0.75))(x)

    images = keras.Input((224, 224, 3))
    x = L.ZeroPadding2D(((0, 3), (0, 3)))(images)
    x = L.Conv2D(96, 11, 4, activation='relu')(x)
    x = L.MaxPooling2D(3, 2)(normalised(x))
    x = L.Conv2D(256, 5, padding='same', groups=2, activation='relu')(x)
    x = L.MaxPooling2D(3, 2)(normalised(x))
    x = L.Conv2D(384, 3, padding='same', activation='relu')(x)
    x = L.Conv2D(384, 3, padding='same', groups=2, activation='relu')(x)
    x = L.Conv2D(256, 3, padding='same', groups=2, activation='relu')(x)
    x = L.Flatten()(L.MaxPooling2D(3, 2)(x))
    for _ in range(2):
        x = L.Dropout(0.5)(L.Dense(4096, activation='relu')(x))
    model = keras.Model(images, L.Dense(1000)(x))
    assert model.count_params() == 60_965_224
    return model


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser()
    parser.add_argument('--benchmark', choices=('train_step', 'inference'), default='train_step')
    parser.add_argument('--batch_size', type=int, default=128)
    parser.add_argument('--runs', type=int, default=5)
    given = parser.parse_args()
    model = build()
    model.compile(
        optimizer=keras.optimizers.SGD(1e-6, momentum=0.9, weight_decay=0.0005),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    images = np.random.default_rng(0).normal(0, 60, (given.batch_size, 224, 224, 3))
    images, labels = tf.constant(images, tf.float32), tf.range(given.batch_size) % 1000
    forward = tf.function(lambda: model(images, training=False))

    def call():
        if given.benchmark == 'inference':
            return forward().numpy()
        return model.train_on_batch(images, labels)

    taken = []
    for number in range(2 + given.runs):
        start = time.perf_counter()
        call()
        if number >= 2:
            taken.append(time.perf_counter() - start)
    rate = given.batch_size / statistics.median(taken)
    print(json.dumps({'images_per_sec': rate, 'version': keras.__version__}))


if __name__ == '__main__':
    main()
