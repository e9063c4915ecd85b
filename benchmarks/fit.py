"""Compares Keras' `fit` on `alexnet_tf.AlexNet` with the training step of `--mode=train`.

    python benchmarks/fit.py --precision bfloat16 --runs 3

Both train the same network on one batch in memory, and take turns in one process, so that a change
of the machine's speed affects both. Prints one JSON object: the median images per second of each,
the median of their ratios, and the same of images per second of processor time, which other
programs disturb less.
"""

import json
import statistics
import time
from collections.abc import Callable

import keras
import measuring
import numpy as np
import tensorflow as tf

import alexnet_tf
from alexnet_tf.models import alexnet, recipes
from alexnet_tf.training import optimizer, steps

_LEARNING_RATE = 1e-6  # so small that losses stay finite on random images
_CLASSES = 1000


def create_own(recipe: recipes.Recipe, precision: str, images, labels) -> Callable[[int], None]:
    """Creates the function that trains for some steps as `--mode=train` does."""
    model = alexnet.build(recipe, num_classes=_CLASSES, precision=precision, compiled=True)
    sgd = optimizer.PaperSGD(_LEARNING_RATE)
    sgd.build(model.trainable_variables)
    step = steps.create_training_step(model, sgd)
    images, mask = tf.cast(images, model.input.dtype), tf.ones(len(labels))

    def train(count: int) -> None:
        for _ in range(count):
            step(images, labels, mask).metrics.numpy()

    return train


def create_fit(recipe: recipes.Recipe, precision: str, images, labels) -> Callable[[int], None]:
    """Creates the function that trains for some steps by `fit`."""
    model = alexnet_tf.AlexNet(recipe=recipe, classes=_CLASSES, precision=precision)
    sgd = alexnet_tf.PaperSGD(_LEARNING_RATE)
    model.compile(sgd, 'sparse_categorical_crossentropy', metrics=['accuracy'])
    # Before TensorFlow lets go of a data set that has not ended, it may wait for its tuner, which
    # sleeps for up to as long as the data set has run: once a `fit`, which here is some steps only.
    options = tf.data.Options()
    options.autotune.enabled = False
    dataset = tf.data.Dataset.from_tensors((images, labels)).repeat().with_options(options)

    def train(count: int) -> None:
        model.fit(dataset, steps_per_epoch=count, shuffle=False, verbose=0)

    return train


def measure(train: Callable[[int], None], count: int, batch_size: int) -> tuple[float, float]:
    """Measures images per second of some steps, and per second of processor time."""
    start, start_cpu = time.perf_counter(), time.process_time()
    train(count)
    images = count * batch_size
    return images / (time.perf_counter() - start), images / (time.process_time() - start_cpu)


def summarize(rounds: list[dict[str, tuple[float, float]]]) -> dict[str, float]:
    """Computes medians over the rounds."""
    result = {}
    for index, unit in enumerate(('images_per_sec', 'images_per_cpu_sec')):
        rates = {name: [values[name][index] for values in rounds] for name in rounds[0]}
        result |= {f'{name}_{unit}': statistics.median(values) for name, values in rates.items()}
        ratios = [fit / own for fit, own in zip(rates['fit'], rates['own'], strict=True)]
        result[f'ratio_of_{unit}'] = statistics.median(ratios)
    return result


def main() -> None:
    """Measures both and prints the result."""
    parser = measuring.create_parser(__doc__)
    parser.add_argument('--recipe', default='source2012', help='hyperparameters')
    parser.add_argument('--precision', default='float32', help='dtype of activations')
    parser.add_argument('--batch_size', type=int, default=128, help='images in a batch')
    parser.add_argument('--steps', type=int, default=5, help='batches of a measurement')
    parser.add_argument('--runs', type=int, default=5, help='rounds of one measurement of each')
    args = parser.parse_args()
    recipe = recipes.Recipe.from_name(args.recipe)
    size = (args.batch_size, recipe.crop_size, recipe.crop_size, 3)
    images = tf.constant(np.random.default_rng(0).normal(0, 60, size), tf.float32)
    labels = tf.range(args.batch_size, dtype=tf.int64) % _CLASSES
    ways = {
        name: create(recipe, args.precision, images, labels)
        for name, create in (('fit', create_fit), ('own', create_own))
    }
    for train in ways.values():
        train(2)  # traces
    rounds = [
        {name: measure(train, args.steps, args.batch_size) for name, train in ways.items()}
        for _ in range(args.runs)
    ]
    settings = {'precision': args.precision, 'batch_size': args.batch_size}
    print(json.dumps(settings | summarize(rounds) | {'keras': keras.__version__}))


if __name__ == '__main__':
    main()
