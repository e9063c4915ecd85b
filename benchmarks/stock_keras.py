"""The same network as a careful user of stock Keras would write it, for comparison.

    python benchmarks/stock_keras.py --benchmark train_step --runs 5

It has grouped convolutions, TensorFlow's own normalization and Keras' SGD. Prints one JSON object.
"""

import json

import keras
import measuring
import numpy as np
import tensorflow as tf


def build() -> keras.Model:
    """Builds 60,965,224 parameters; images (batch, 224, 224, 3) -> logits (batch, 1000)."""

    def normalize(x):
        return keras.layers.Lambda(
            lambda y: tf.nn.local_response_normalization(y, 2, 2.0, 1e-4, 0.75)
        )(x)

    def convolve(x, filters, size, strides=1, *, groups=1, padding='same'):
        return keras.layers.Conv2D(
            filters, size, strides, padding=padding, groups=groups, activation='relu'
        )(x)

    images = keras.Input((224, 224, 3))
    x = keras.layers.ZeroPadding2D(((0, 3), (0, 3)))(images)
    x = convolve(x, 96, 11, 4, padding='valid')
    x = keras.layers.MaxPooling2D(3, 2)(normalize(x))
    x = convolve(x, 256, 5, groups=2)
    x = keras.layers.MaxPooling2D(3, 2)(normalize(x))
    x = convolve(x, 384, 3)
    x = convolve(x, 384, 3, groups=2)
    x = convolve(x, 256, 3, groups=2)
    x = keras.layers.Flatten()(keras.layers.MaxPooling2D(3, 2)(x))
    for _ in range(2):
        x = keras.layers.Dropout(0.5)(keras.layers.Dense(4096, activation='relu')(x))
    model = keras.Model(images, keras.layers.Dense(1000)(x))
    assert model.count_params() == 60_965_224
    return model


def main() -> None:
    """Measures training or inference and prints the result."""
    parser = measuring.create_parser(__doc__)
    measuring.add_network_arguments(parser)
    args = parser.parse_args()
    model = build()
    model.compile(
        optimizer=keras.optimizers.SGD(1e-6, momentum=0.9, weight_decay=0.0005),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    images = np.random.default_rng(0).normal(0, 60, (args.batch_size, 224, 224, 3))
    images, labels = tf.constant(images, tf.float32), tf.range(args.batch_size) % 1000
    forward = tf.function(lambda: model(images, training=False))

    def train():
        return model.train_on_batch(images, labels)

    def infer():
        return forward().numpy()

    call = train if args.benchmark == 'train_step' else infer
    rate = measuring.measure_calls(call, args.batch_size, args.runs)
    print(json.dumps({'images_per_sec': rate, 'version': keras.__version__}))


if __name__ == '__main__':
    main()
