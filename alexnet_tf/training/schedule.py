"""Learning rates as functions of the epochs done and the validation errors so far."""

import math
import re
from collections.abc import Sequence

from alexnet_tf.models import recipes

# Schedules that change the learning rate at every step, down to 0 at the end.
ENDING = ('cosine', 'polynomial')
FACTOR = 10.0
MAX_DROPS = 3
# Of the geometric schedule: the first learning rate over the last, and how many there are.
_GEOMETRIC_RANGE, _GEOMETRIC_STAGES = 250.0, 4
_LAYER_RATE = re.compile(r'(\w+)=([\d.]+)(?:@(\d+))?')


def compute_learning_rate(
    recipe: recipes.Recipe,
    validation_errors: Sequence[float],
    *,
    patience_epochs: int,
    share_done: float = 0.0,
) -> float | None:
    """Computes the learning rate of the next step; None after the last drop of a plateau.

    Args:
        recipe: Names the schedule and its hyperparameters.
        validation_errors: Top-1 error in [0, 1] after each epoch done.
        patience_epochs: See `plateau`.
        share_done: The share of all steps that is done; only ENDING change within an epoch.
    """
    epochs_done, initial = len(validation_errors), scale_learning_rate(recipe)
    match recipe.schedule:
        case 'cosine':
            return cosine(initial, share_done, recipe.warmup)
        case 'polynomial':
            return polynomial(initial, share_done, recipe.warmup, power=recipe.decay_power)
        case 'list':
            return step_decay(initial, recipe.drop_epochs, epochs_done)
        case 'geometric':
            return geometric(initial, epochs_done, recipe.epochs)
        case _:
            return plateau(initial, validation_errors, patience_epochs)


def scale_learning_rate(recipe: recipes.Recipe) -> float:
    """Scales the learning rate in proportion to the batch size (Goyal et al., 2017).

    >>> recipe = recipes.PAPER.replace(learning_rate=0.02, base_batch_size=128)
    >>> scale_learning_rate(recipe.replace(batch_size=512))
    0.08
    """
    if not recipe.base_batch_size:
        return recipe.learning_rate
    return recipe.learning_rate * recipe.batch_size / recipe.base_batch_size


def count_steps(recipe: recipes.Recipe, examples: int) -> int:
    """Counts the steps of a whole run, at most.

    >>> count_steps(recipes.PAPER.replace(epochs=3, batch_size=4), examples=9)
    9
    """
    steps = recipe.epochs * -(-examples // recipe.batch_size)
    return min(steps, recipe.max_steps or steps)


def compute_multipliers(recipe: recipes.Recipe, epochs_done: int) -> tuple[float, dict[str, float]]:
    """Computes the multiples of the learning rate in the next epoch: (of biases, by layer)."""
    biases = recipe.bias_rate_multiplier
    if recipe.schedule == 'geometric':
        biases = geometric_bias_multiplier(biases, epochs_done, recipe.epochs)
    return biases, layer_multipliers(recipe.layer_rates, epochs_done)


def step_decay(initial: float, drop_epochs: Sequence[int], epochs_done: int) -> float:
    """Divides the learning rate by 10 after each of `drop_epochs`.

    >>> [step_decay(0.01, (2, 3), epoch) for epoch in range(4)]
    [0.01, 0.01, 0.001, 0.0001]
    """
    return initial / FACTOR ** sum(epochs_done >= epoch for epoch in drop_epochs)


def plateau(initial: float, validation_errors: Sequence[float], patience: int) -> float | None:
    """Divides the learning rate by 10 when the validation error stops improving; then None.

    This is the paper's heuristic (section 5): the learning rate is divided three times, and the
    plateau after that ends training. An epoch improves if its error is lower than in all earlier
    epochs; a plateau is `patience` epochs in a row without improvement. The count restarts after
    each division.

    >>> plateau(0.01, [0.9, 0.8, 0.8, 0.8], patience=2)
    0.001
    """
    best, waited, drops = float('inf'), 0, 0
    for error in validation_errors:
        waited = 0 if error < best else waited + 1
        best = min(best, error)
        if waited == patience:
            waited, drops = 0, drops + 1
    return initial / FACTOR**drops if drops <= MAX_DROPS else None


def cosine(peak: float, share_done: float, warmup: float = 0.0) -> float:
    """Raises the learning rate from 0 along a line, then lowers it to 0 along half a cosine.

    Args:
        peak: The largest learning rate.
        share_done: The share of training that is done, in [0, 1].
        warmup: The share of training in which it rises.

    >>> [round(cosine(1.0, share, warmup=0.2), 3) for share in (0.1, 0.2, 0.6, 1.0)]
    [0.5, 1.0, 0.5, 0.0]
    """
    if share_done < warmup:
        return peak * share_done / warmup
    return peak * 0.5 * (1.0 + math.cos(math.pi * (share_done - warmup) / (1.0 - warmup)))


def polynomial(peak: float, share_done: float, warmup: float = 0.0, *, power: float = 2.0) -> float:
    """Raises the learning rate from 0 along a line, then lowers it to 0 along a power.

    Args:
        peak: The largest learning rate.
        share_done: The share of training that is done, in [0, 1].
        warmup: The share of training in which it rises.
        power: The exponent of the share that is left: 1 is a line, 2 a parabola.

    >>> [round(polynomial(1.0, share, warmup=0.2), 3) for share in (0.1, 0.2, 0.6, 1.0)]
    [0.5, 1.0, 0.25, 0.0]
    """
    if share_done < warmup:
        return peak * share_done / warmup
    return peak * ((1.0 - share_done) / (1.0 - warmup)) ** power


def geometric(initial: float, epochs_done: int, epochs: int) -> float:
    """Divides the learning rate by the cube root of 250 after each quarter of `epochs`.

    The author's later substitute for the plateau (the dexp schedule of cuda-convnet2).

    >>> [round(geometric(0.01, epoch, 8), 8) for epoch in (0, 2, 4, 6)]
    [0.01, 0.0015874, 0.00025198, 4e-05]
    """
    stage = min(_GEOMETRIC_STAGES * epochs_done // epochs, _GEOMETRIC_STAGES - 1)
    return initial / _GEOMETRIC_RANGE ** (stage / (_GEOMETRIC_STAGES - 1))


def geometric_bias_multiplier(multiplier: float, epochs_done: int, epochs: int) -> float:
    """Computes the biases' multiple of the weights' learning rate in a geometric schedule.

    The learning rate of biases is divided by 10 once, after half of the epochs.

    >>> rates = [geometric_bias_multiplier(2.0, at, 8) * geometric(0.01, at, 8) for at in (2, 4)]
    >>> [round(rate, 6) for rate in rates]
    [0.02, 0.002]
    """
    dropped = FACTOR if 2 * epochs_done >= epochs else 1.0
    return multiplier / dropped / geometric(1.0, epochs_done, epochs)


def layer_multipliers(layer_rates: Sequence[str], epochs_done: int) -> dict[str, float]:
    """Returns the multiple of the learning rate of each layer named.

    Args:
        layer_rates: 'LAYER=MULTIPLIER', or 'LAYER=MULTIPLIER@EPOCHS': after so many epochs. The
            last one that applies to a layer counts.
        epochs_done: Epochs done.

    >>> layer_multipliers(('fc8=10', 'conv1=0.1@2', 'conv1=0@3'), 2)
    {'fc8': 10.0, 'conv1': 0.1}
    """
    multipliers = {}
    for layer_rate in layer_rates:
        layer, multiplier, since = _LAYER_RATE.fullmatch(layer_rate).groups()
        if epochs_done >= int(since or 0):
            multipliers[layer] = float(multiplier)
    return multipliers
