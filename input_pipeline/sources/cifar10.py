"""CIFAR-10, from its archive for Python or a folder of its images; 32x32 pixels."""

import functools
import io
import pathlib

import numpy as np
import tensorflow as tf

from input_pipeline import array_pickle, errors, files
from input_pipeline.records import manifests
from input_pipeline.sources import archives, entries, folder, listing

NAME = 'cifar10'
SIZE = 32
ARCHIVE = 'cifar-10-python.tar.gz'
CLASSES = ('airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck')
EXPECTED = {manifests.TRAIN: 50_000, manifests.VALIDATION: 10_000}
_BATCHES = {
    manifests.TRAIN: [f'data_batch_{number}' for number in range(1, 6)],
    manifests.VALIDATION: ['test_batch'],
}


def recognize(root: pathlib.Path) -> str:
    """Says why a folder is taken for CIFAR-10; '' if it is not."""
    if (root / ARCHIVE).is_file():
        return f'{ARCHIVE} is in it'
    if all(_has_classes(root / name) for name in ('train', 'test')):
        return 'train/ and test/ hold the ten classes of CIFAR-10'
    return ''


def find_images(source_dir: str) -> entries.Source:
    """Finds the 60,000 images; the test images are the validation split.

    Args:
        source_dir: Folder with `cifar-10-python.tar.gz`, or with `train/` and `test/` of class
            folders.

    Raises:
        DataError: Neither is there, or what is there is broken.
    """
    root = files.as_path(source_dir)
    if not recognize(root):
        raise errors.DataError(
            f'{root} holds neither {ARCHIVE} nor train/ and test/ with the ten classes of '
            'CIFAR-10. Download the archive into it.'
        )
    if (root / ARCHIVE).is_file():
        splits, ignored, form = _list_archive(root / ARCHIVE), {}, ARCHIVE
    else:
        source = folder.find_images(source_dir, validation_fraction=0)
        splits, ignored, form = source.splits, source.ignored, 'a folder of images'
    return entries.Source(
        NAME,
        f'{root}: CIFAR-10, {form}',
        CLASSES,
        splits,
        expected=EXPECTED,
        square_size=SIZE,
        ignored=ignored,
    )


def _has_classes(path: pathlib.Path) -> bool:
    if not path.is_dir():
        return False
    folders = (item.name for item in path.iterdir() if item.is_dir())
    return sorted(name for name in folders if not listing.is_hidden(name)) == list(CLASSES)


def _list_archive(path: pathlib.Path) -> dict[str, list[entries.Entry]]:
    return {
        split: [
            entries.Entry(
                f'{split}/{batch}/{index:05d}.png',
                label,
                functools.partial(_read_image, str(path), batch, index),
            )
            for batch in batches
            for index, label in enumerate(_read_batches(str(path))[batch][1])
        ]
        for split, batches in _BATCHES.items()
    }


def _read_image(path: str, batch: str, index: int) -> bytes:
    return tf.io.encode_png(_read_batches(path)[batch][0][index]).numpy()


@functools.lru_cache(1)
def _read_batches(path: str) -> dict[str, tuple[np.ndarray, list[int]]]:
    """Reads images (n, 32, 32, 3) uint8 RGB and labels of each batch; the archive only once."""
    names = [name for batches in _BATCHES.values() for name in batches]
    pickles = archives.read_files(files.as_path(path), names)
    return {name: _parse_batch(path, name, pickles) for name in names}


def _parse_batch(path: str, name: str, pickles: dict[str, bytes]) -> tuple[np.ndarray, list[int]]:
    try:
        if name not in pickles:
            raise ValueError('it is missing')
        batch = array_pickle.load(io.BytesIO(pickles[name]))
        rows, labels = np.asarray(batch['data'], np.uint8), [int(one) for one in batch['labels']]
        if rows.shape != (len(labels), 3 * SIZE**2) or not set(labels) <= set(range(len(CLASSES))):
            raise ValueError(f'images of shape {rows.shape} and {len(labels)} labels')
    except Exception as error:  # a hostile pickle fails in any way
        message = f'{path}: {name} cannot be used ({error}). Download the archive again.'
        raise errors.DataError(message) from error
    return rows.reshape(-1, 3, SIZE, SIZE).transpose(0, 2, 3, 1), labels
