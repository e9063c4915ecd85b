"""Detects the kind of source that a folder or file is, and finds its images."""

import dataclasses
import pathlib
from collections.abc import Callable, Mapping

from input_pipeline import errors, files
from input_pipeline.sources import (
    cifar10,
    csv_file,
    entries,
    folder,
    ilsvrc2010,
    ilsvrc2012,
    imagenet_releases,
    sample_images,
    tfds,
    tfrecords,
)


@dataclasses.dataclass(frozen=True)
class Request:
    """The arguments of a source; each kind reads those that concern it.

    Attributes:
        source_dir: Folder or CSV file; '' for the sample images.
        copies_dir: Folder for files that a source must copy; see `entries.remove_copies`.
        validation_fraction: Fraction of the images to hold out, if the source has no split.
        split_rule: How to hold images out; see `splits.hold_out`. '' for the present rule.
        max_missing_fraction: Fraction of the paths of a list at which there may be no file.
        dataset: Name of a data set of tensorflow-datasets.
        dataset_splits: Its splits for 'train' and 'validation', in its syntax.
    """

    source_dir: str
    copies_dir: pathlib.Path
    validation_fraction: float
    split_rule: str = ''
    max_missing_fraction: float = 0.0
    dataset: str = ''
    dataset_splits: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def held_out(self) -> dict:
        """The arguments for every source without a split."""
        return {
            'validation_fraction': self.validation_fraction,
            'split_rule': self.split_rule,
        }


def _find_release(kind: str) -> Callable[[Request], entries.Source]:
    return lambda request: imagenet_releases.find_images(
        kind, request.source_dir, **request.held_out
    )


FINDERS: dict[str, Callable[[Request], entries.Source]] = {
    sample_images.NAME: lambda _: sample_images.find_images(),
    folder.NAME: lambda request: folder.find_images(request.source_dir, **request.held_out),
    csv_file.NAME: lambda request: csv_file.find_images(
        request.source_dir,
        max_missing_fraction=request.max_missing_fraction,
        **request.held_out,
    ),
    ilsvrc2010.NAME: lambda request: ilsvrc2010.find_images(request.source_dir),
    ilsvrc2012.NAME: lambda request: ilsvrc2012.find_images(request.source_dir),
    imagenet_releases.FALL2011: _find_release(imagenet_releases.FALL2011),
    imagenet_releases.IMAGENET10K: _find_release(imagenet_releases.IMAGENET10K),
    cifar10.NAME: lambda request: cifar10.find_images(request.source_dir),
    tfrecords.NAME: lambda request: tfrecords.find_images(
        request.source_dir, copies_dir=request.copies_dir, **request.held_out
    ),
    tfds.NAME: lambda request: tfds.find_images(
        request.dataset,
        request.source_dir,
        splits=request.dataset_splits,
        copies_dir=request.copies_dir,
        **request.held_out,
    ),
}
KINDS = tuple(FINDERS)  # the values of --source beside auto


def detect_source(source_dir: str, dataset: str) -> tuple[str, str]:
    """Detects the kind of a source without reading images.

    Args:
        source_dir: Folder or CSV file; '' for the sample images.
        dataset: Name of a data set of tensorflow-datasets; '' for none.

    Returns:
        The value of --source, and the reason why it was chosen.

    Raises:
        DataError: There is nothing at `source_dir`.
    """
    if dataset:
        return tfds.NAME, '--dataset names one of tensorflow-datasets'
    if not source_dir:
        return sample_images.NAME, 'no --source_dir was given'
    root = files.as_path(source_dir)
    if root.is_file() and root.suffix.lower() == '.csv':
        return csv_file.NAME, 'it is a CSV file'
    if root.is_file():
        raise errors.DataError(
            f'--source_dir={source_dir} is a file, whose name does not end with .csv. Pass a CSV '
            'file, or unpack an archive and pass its folder.'
        )
    if not root.is_dir():
        raise errors.DataError(
            f'--source_dir={source_dir}: no such folder, nor a CSV file. Pass a folder of images, '
            'or a file whose name ends with .csv.'
        )
    for source in (ilsvrc2012, ilsvrc2010, cifar10, tfrecords):
        if reason := source.recognize(root):
            return source.NAME, reason
    name, reason = imagenet_releases.recognize(root)
    return (name, reason) if name else (folder.NAME, 'it is like no other source')
