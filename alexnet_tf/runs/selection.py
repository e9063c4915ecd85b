"""What a command evaluates: which split, how many views of an image, which ensemble weights."""

from collections.abc import Sequence

from alexnet_tf.config import fields, schema
from alexnet_tf.models import outputs
from input_pipeline.records import manifests


def select_views(config: schema.Config, default: Sequence[str] = ('1', '10')) -> list[int]:
    """Returns the numbers of views that `--views` names, each once; `default` without the flag."""
    return [outputs.VIEWS[name] for name in dict.fromkeys(config.evaluation.views or default)]


def select_ensemble_weights(config: schema.Config) -> list[float]:
    """Returns `--ensemble_weights`; equal weights without the flag."""
    options = config.evaluation
    members = max(len(options.ensemble), 1)
    return [float(weight) for weight in options.ensemble_weights] or [1.0] * members


def check_split(manifest: manifests.Manifest, split: str, flag: str) -> None:
    """Checks that the records have a split.

    Raises:
        UsageError: They do not; the message names `flag`.
    """
    if split not in manifest.splits and split != manifests.ALL:
        raise fields.UsageError(
            f'{flag}={split}: the records in {manifest.directory} have no such split. Choose from '
            f'{", ".join(manifest.splits)}.'
        )
