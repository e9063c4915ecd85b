"""How fast a network trains on this machine, with its input."""

import dataclasses
import time

import tensorflow as tf

from alexnet_tf.config import schema
from alexnet_tf.models import placement
from alexnet_tf.runs import build, training_data
from alexnet_tf.training import distribution
from input_pipeline.records import manifests

_WARM_STEPS, _MEASURED_SECS, _MANY_EPOCHS = 3, 2.5, 1_000_000


@dataclasses.dataclass(frozen=True)
class Speed:
    """How fast a network trains here.

    Attributes:
        step_secs: Seconds of a step, with its input.
        start_secs: Seconds until the first steps were done.
        gpus: Of this host that share a step; validation uses one.
    """

    step_secs: float
    start_secs: float
    gpus: int = 1


def measure(
    config: schema.Config, manifest: manifests.Manifest, replicas: distribution.SingleReplica
) -> Speed:
    """Measures some steps, with their input, of a network that is then discarded.

    Args:
        config: Settings of the command.
        manifest: Of the records.
        replicas: Of the network.

    Raises:
        DataError: A record cannot be read, or the data service has no batch.
    """
    begin, recipe = time.monotonic(), build.resolve_recipe(config)
    augment = build.build_augmentation(manifests.load_statistics(manifest), recipe)
    stream = training_data.create_stream(config, recipe, manifest, augment)
    finish = augment.finish_on_device if stream.on_accelerator else None
    learner = build.build_learner(
        config, recipe, len(manifest.classes), replicas=replicas, finish_on_device=finish
    )
    batches = training_data.read_batches(config, stream, (0, 0), _MANY_EPOCHS)
    for number in range(_WARM_STEPS):
        learner.step(*next(batches), tf.constant(number)).finite.numpy()
    warm, steps = time.monotonic(), 0
    while time.monotonic() - warm < _MEASURED_SECS:
        learner.step(*next(batches), tf.constant(steps)).finite.numpy()
        steps += 1
    has_gpus = 'GPU' in placement.get_default_device()
    gpus = replicas.number // replicas.workers if has_gpus else 1
    return Speed((time.monotonic() - warm) / steps, warm - begin, gpus)
