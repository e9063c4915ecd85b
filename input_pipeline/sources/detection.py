"""Detects the kind of source in a folder or file."""

from input_pipeline import errors, files
from input_pipeline.sources import (
    cifar10,
    csv_file,
    folder,
    ilsvrc2010,
    ilsvrc2012,
    imagenet_releases,
    sample_images,
    tfds,
    tfrecords,
)


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
    if root.is_file() and root.suffix == '.csv':
        return csv_file.NAME, 'it is a CSV file'
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
