"""Units that no picture wakes."""

from collections.abc import Sequence

import keras
import numpy as np

from alexnet_tf.models import topology
from alexnet_tf.models.layers import on_device


class Units:
    """The maps and units of a network that a ReLU can set to 0 for every picture.

    Args:
        model: From `alexnet.build`.

    Attributes:
        outputs: Of its ReLU layers, as `steps.evaluation_step` watches them; none for a network of
            other units.
    """

    def __init__(self, model: keras.Model):
        relus = [layer for layer in model.layers if isinstance(layer, on_device.ReLU)]
        self.outputs = [layer.output for layer in relus]
        self._names = [_layer_before(layer) for layer in relus]

    def dead_shares(self, awake: Sequence[float]) -> dict[str, float]:
        """By layer, the share that was never above 0: both columns' together, as {'conv1': 0.02}.

        Args:
            awake: For each unit, in the order of outputs, how often it was; or whether.
        """
        ends = np.cumsum([each.shape[-1] for each in self.outputs])
        dead: dict[str, list[np.ndarray]] = {}
        for name, part in zip(self._names, np.split(np.asarray(awake), ends[:-1]), strict=False):
            dead.setdefault(name, []).append(part == 0)
        return {name: float(np.concatenate(each).mean()) for name, each in dead.items()}


def _layer_before(layer: keras.Layer) -> str:
    """The paper's name of the layer with weights that a ReLU belongs to."""
    while not hasattr(layer, 'kernel'):
        layer = next(topology.list_inbound_layers(layer))
    return layer.name.split('_')[0]
