"""What a command evaluates: which split, how many views of an image, which ensemble weights."""

from collections.abc import Mapping, Sequence
from typing import Any

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
    if split not in (*manifest.splits, manifests.ALL):
        raise fields.UsageError(
            f'{flag}={split}: the records in {manifest.directory} have no such split. Choose from '
            f'{", ".join((*manifest.splits, manifests.ALL))}.'
        )


def describe_part(manifest: manifests.Manifest, split: str, data: Mapping[str, Any]) -> str:
    """Says that a split is a part of images that a run was not trained on; '' if it is not.

    Args:
        manifest: Of the records.
        split: That is evaluated.
        data: What the run keeps about its training records.
    """
    examples, total = manifest.count_examples(split), manifest.count_examples(manifests.ALL)
    if examples == total or data['manifest_sha256'] == manifest.sha256:
        return ''
    return (
        f'{examples:,} of {total:,} images in {manifest.directory}, its {split} split. Training '
        f'had other records; --split={manifests.ALL} evaluates all.'
    )
