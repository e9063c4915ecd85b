"""Signs that training goes wrong: NaN, chance level, dead ReLUs, slow arithmetic, late input."""

import contextlib
import dataclasses
import math
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence

import keras
import numpy as np

from alexnet_tf.models import recipes, topology
from alexnet_tf.models.layers import on_device
from alexnet_tf.training import schedule

_GRACE_EPOCHS, _GRACE_STEPS = 3, 2000  # before a network must be above chance level
_CHANCE_SHARE = 0.97  # of the loss at chance level that counts as chance level
_TOLERANCE = 1e-6  # of an accuracy
_NEAR_CHANCE = 0.2  # of the way from chance to 1
_FEW_STEPS_ADVICE = (
    'For few images give --recipe=modern --minutes=10 and another '
    '--run_dir, or start from the weights of a run with --init_weights.'
)
_MANY_DEAD = 0.5
_GOOD_SD_MIDDLE = 0.03
_LATE_SECS = 60.0


class NonFiniteError(Exception):
    """The loss or a gradient is NaN or inf; that step changed no weight."""

    exit_code = 4

    def __init__(self, step: int, epoch: int, learning_rate: float, *, file: str, rollbacks: int):
        advice = 'Run again with --on_nonfinite=rollback, or'
        if rollbacks:
            advice = f'{rollbacks} batches were skipped already, the most in a run. Run again'
        super().__init__(
            f'step {step:,} (epoch {epoch + 1}, learning rate {learning_rate:g}) gave a loss or '
            f'gradient that is NaN or inf; it was not applied. {file} lists the examples and the '
            f'norms by layer. {advice} with a lower --learning_rate and another --run_dir.'
        )


class DivergedError(Exception):
    """The network predicts NaN on validation images."""

    exit_code = 4

    def __init__(self, step: int, epoch: int, learning_rate: float):
        super().__init__(
            f'after step {step:,} (epoch {epoch + 1}, learning rate {learning_rate:g}) the '
            'validation loss is NaN. The end of this epoch has no checkpoint. Run again with a '
            'lower --learning_rate and another --run_dir.'
        )


@dataclasses.dataclass(frozen=True)
class Chance:
    """The chance level: the results of a network that has learned nothing from images.

    Attributes:
        loss: Loss of equal probabilities for all classes, in nats.
        accuracy: Accuracy of always predicting the commonest class, in [0, 1].
    """

    loss: float
    accuracy: float

    @classmethod
    def from_labels(cls, labels: np.ndarray, num_classes: int) -> 'Chance':
        """Computes chance level for the labels of a split, (examples,) int.

        >>> Chance.from_labels(np.array([0, 1, 1, 1]), num_classes=2).accuracy
        0.75
        """
        return cls(math.log(num_classes), float(np.bincount(labels).max() / len(labels)))

    def is_reached(self, loss: float, accuracy: float) -> bool:
        """Whether a training loss and a validation accuracy are no better than chance."""
        # Strong augmentation keeps the training loss high in a network that has learned well.
        is_low = accuracy < self.accuracy + _NEAR_CHANCE * (1.0 - self.accuracy)
        has_chance_loss = loss > _CHANCE_SHARE * self.loss
        return accuracy < self.accuracy + _TOLERANCE or (has_chance_loss and is_low)


def is_early(epoch: int, step: int, epochs: int) -> bool:
    """Returns whether it is too early to judge: under 2,000 steps and max(3, a tenth) epochs."""
    return epoch < max(_GRACE_EPOCHS, epochs / 10) and step < _GRACE_STEPS


def describe_chance_level(
    step: int,
    loss: float,
    *,
    accuracy: float,
    chance: Chance,
    steps_in_all: int,
    initial_sd_middle: float | None,
    dead_units: Mapping[str, float],
) -> str:
    """Returns the warning that a network is still at chance level, and what helps.

    Args:
        step: Steps done.
        loss: Mean training loss of the last epoch, in nats.
        accuracy: Validation accuracy after it, in [0, 1].
        chance: Chance level of the validation images.
        steps_in_all: Steps of the whole run.
        initial_sd_middle: Standard deviation of the initial weights of conv3 to conv5; None for a
            network without these layers.
        dead_units: Share of dead units, by layer.
    """
    warning = (
        f'still at chance level after {step:,} steps: validation accuracy {100 * accuracy:.1f} % '
        f'(always the commonest class: {100 * chance.accuracy:.1f} %), training loss {loss:.3f} '
        f'(chance: {chance.loss:.3f})'
    )
    if any(dead_units.values()):
        shares = ', '.join(f'{layer} {100 * share:.0f} %' for layer, share in dead_units.items())
        warning += f'; dead units: {shares}'
    if any(share > _MANY_DEAD for share in dead_units.values()):
        return f'{warning}. Most units of a layer are dead: the learning rate was too high.'
    if initial_sd_middle is not None and initial_sd_middle < _GOOD_SD_MIDDLE:
        return (
            f'{warning}. Initial weights with a standard deviation of {initial_sd_middle:g} in '
            f'conv3 to conv5 pass on little signal; --initial_sd_middle={_GOOD_SD_MIDDLE} (as in '
            '--recipe=source2012) leaves this plateau sooner.'
        )
    if steps_in_all < _GRACE_STEPS:
        return f'{warning}. The whole run has only {steps_in_all:,} steps. {_FEW_STEPS_ADVICE}'
    return f'{warning}. Check the labels, or try another --learning_rate.'


def describe_late_drops(recipe: recipes.Recipe) -> str:
    """Returns a warning if no drop of the learning rate comes before the last epoch; or ''.

    >>> describe_late_drops(recipes.SOURCE2012)
    ''
    """
    drops, epochs = recipe.drop_epochs, recipe.epochs
    if recipe.schedule != 'list' or not 1 < epochs <= min(drops, default=epochs):
        return ''
    if not drops and not {'schedule', 'drop_epochs'} & recipe.list_overrides().keys():
        return ''  # as of figure1
    return (
        f'the learning rate stays {schedule.scale_learning_rate(recipe):g} to the end: '
        f'--drop_epochs={",".join(map(str, drops))}, and no epoch comes after {epochs}. Give '
        'others, or --schedule=cosine, and another --run_dir.'
    )


def describe_inherited_epochs(recipe: recipes.Recipe) -> str:
    """Names settings that keep a recipe's epochs although its schedule was changed; or ''.

    >>> describe_inherited_epochs(recipes.SOURCE2012)
    ''
    """
    changed = recipe.list_overrides()
    if not {'schedule', 'epochs', 'drop_epochs'} & changed.keys():
        return ''
    parts = []
    late = [rate for rate in recipe.layer_rates if '@' in rate]
    if late and 'layer_rates' not in changed:
        parts.append((int(late[0].partition('@')[2]), f'--layer_rates={",".join(late)}'))
    shifted = recipe.colour_shift_epochs
    if shifted and 'colour_shift_epochs' not in changed and recipe.colour_shift_sd:
        parts.append((shifted, f'--colour_shift_epochs={shifted}'))
    texts = [text for epoch, text in parts if epoch < recipe.epochs]
    if not texts:
        return ''
    return (
        f'--recipe={recipe.name} still has {" and ".join(texts)}, whose epochs belong to its own '
        'schedule. Give others if they do not suit this one.'
    )


def precision_warning(precision: str) -> str:
    """Returns the warning for a device that emulates a precision."""
    return (
        f'this device has no {precision} arithmetic and emulates it, which can take ten times '
        'as long as float32 (docs/results/what-to-expect.md). Try --precision=float32 and another '
        '--run_dir.'
    )


@contextlib.contextmanager
def warn_if_input_is_late(
    log: Callable[[str], None], data_service: str = '', *, patience_secs: float = _LATE_SECS
) -> Iterator[None]:
    """Logs a warning, once, if the block waits long for a batch.

    Args:
        log: Called in another thread with the warning.
        data_service: Address of the data service that batches come from, if one is used.
        patience_secs: How long the block may take.
    """
    if data_service:
        reason = f'--data_service={data_service} has no workers, or slow ones.'
    else:
        reason = 'the storage of --data_dir is slow. --cache=disk copies the records here first.'
    warning = f'train: warning: no batch for {patience_secs:.0f} seconds: {reason}'
    timer = threading.Timer(patience_secs, log, (warning,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


class ReluUnits:
    """The channels and units of a network that a ReLU may set to 0 for every image.

    Args:
        model: From `alexnet.build`.

    Attributes:
        outputs: Outputs of its ReLU layers, for `steps.create_evaluation_step`; none for a
            network with another activation.
    """

    def __init__(self, model: keras.Model):
        relus = [layer for layer in model.layers if isinstance(layer, on_device.ReLU)]
        self.outputs = [layer.output for layer in relus]
        self._names = [_find_layer_before(layer) for layer in relus]

    def compute_dead_shares(self, active: Sequence[float]) -> dict[str, float]:
        """Computes the share of dead units of each layer, as {'conv1': 0.02}.

        Args:
            active: For each unit, in the order of `outputs`: nonzero if it was ever above 0.
        """
        ends = np.cumsum([output.shape[-1] for output in self.outputs])
        dead: dict[str, list[np.ndarray]] = {}
        for name, units in zip(self._names, np.split(np.asarray(active), ends[:-1]), strict=False):
            dead.setdefault(name, []).append(units == 0)
        return {name: float(np.concatenate(columns).mean()) for name, columns in dead.items()}


def _find_layer_before(layer: keras.Layer) -> str:
    """Returns the paper's name of the layer with weights that a ReLU follows."""
    while not hasattr(layer, 'kernel'):
        layer = next(topology.list_inbound_layers(layer))
    return layer.name.split('_')[0]
