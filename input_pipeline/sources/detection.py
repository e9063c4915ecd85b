"""Which source a folder, a file or a name is of, and why."""

from input_pipeline import errors, files
from input_pipeline.sources import (
    cifar10,
    csv_file,
    ilsvrc2010,
    ilsvrc2012,
    imagenet_releases,
    tfds,
    tfrecords,
)


def source_of(source_dir: str, dataset: str) -> tuple[str, str]:
    """(name of the source, why), without reading pictures.

    Raises:
        DataError: There is nothing at `source_dir`.
    """
    if dataset:
        return tfds.NAME, '--dataset names one of tensorflow-datasets'
    if not source_dir:
        return 'photographs', 'no --source_dir was given'
    root = files.at(source_dir)
    if root.is_file() and root.suffix == '.csv':
        return csv_file.NAME, 'it is a CSV file'
    if not root.is_dir():
        raise errors.DataError(f'--source_dir={source_dir}: no such folder, nor a CSV file.')
    for source in (ilsvrc2012, ilsvrc2010, cifar10, tfrecords):
        if why := source.recognises(root):
            return source.NAME, why
    found, why = imagenet_releases.recognises(root)
    return (found, why) if found else ('folder', 'it is like no other source')
