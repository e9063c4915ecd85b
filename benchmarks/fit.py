"""Compares Keras' `fit` on `alexnet_tf.AlexNet` with the training step of `--mode=train`.

    python benchmarks/fit.py --precision bfloat16 --runs 3

Both train the same network on one batch in memory, and take turns in one process, so that a change
of the machine's speed affects both. Prints one JSON object: the median images per second of each,
and the median of the ratios of each round, with their range.
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
    dataset = tf.data.Dataset.from_tensors((images, labels)).repeat()

    def train(count: int) -> None:
        model.fit(dataset, steps_per_epoch=count, shuffle=False, verbose=0)

    return train


def measure(train: Callable[[int], None], count: int, batch_size: int) -> float:
    """Measures images per second of some steps."""
    start = time.perf_counter()
    train(count)
    return count * batch_size / (time.perf_counter() - start)


def main() -> None:
    """Measures both and prints the result."""
    parser = measuring.create_parser(__doc__)
    parser.add_argument('--recipe', default='source2012', help='hyperparameters')
    parser.add_argument('--precision', default='float32', help='dtype of activations')
    parser.add_argument('--batch_size', type=int, default=128, help='images in a batch')
    parser.add_argument('--steps', type=int, default=3, help='batches of a measurement')
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
    ratios = [rates['fit'] / rates['own'] for rates in rounds]
    result = {
        f'{name}_images_per_sec': statistics.median(rates[name] for rates in rounds)
        for name in ways
    }
    result |= {'ratio': statistics.median(ratios), 'ratio_range': [min(ratios), max(ratios)]}
    print(json.dumps(result | {'keras': keras.__version__}))


if __name__ == '__main__':
    main()
