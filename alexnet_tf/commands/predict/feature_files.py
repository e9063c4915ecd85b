"""Files of features, written image by image: one `.npy` array, or an `.npz` archive of several."""

import contextlib
import os
import pathlib
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO

import numpy as np

from alexnet_tf.config import fields
from alexnet_tf.reports import tables
from input_pipeline import files

SUFFIXES = ('.npy', '.npz')
_DTYPE = np.dtype('<f4')
_NAMES, _ERRORS = 'files', 'errors'  # arrays beside those of the layers


def check_path(path: pathlib.Path, layers: Sequence[str]) -> None:
    """Checks that a file can hold the features of some layers.

    Raises:
        UsageError: It cannot.
    """
    flag = f'--output_file={path}'
    if path.suffix not in SUFFIXES:
        raise fields.UsageError(
            f'{flag}: --features are written to a file that ends in {" or ".join(SUFFIXES)}.'
        )
    if path.suffix == '.npy' and len(layers) > 1:
        raise fields.UsageError(
            f'{flag}: an .npy file holds one array, but --features={",".join(layers)} are '
            f'{len(layers)}. Name an .npz file.'
        )


class FeatureWriter:
    """Writes the features of images as they come, in memory that does not grow with their number.

    Args:
        streams: A file to write the array of each layer to.
        shapes: The shape of one image's features, by layer.
        total: Number of images.
    """

    def __init__(
        self, streams: Mapping[str, BinaryIO], shapes: Mapping[str, tuple[int, ...]], total: int
    ):
        self._streams, self.errors = streams, []
        self._missing = {name: np.full(shape, np.nan, _DTYPE) for name, shape in shapes.items()}
        for name, stream in streams.items():
            header = {'descr': _DTYPE.str, 'fortran_order': False, 'shape': (total, *shapes[name])}
            np.lib.format.write_array_header_1_0(stream, header)

    def add(self, values: Mapping[str, np.ndarray] | None, error: str = '') -> None:
        """Writes the next row of each array: NaN for a file that could not be read.

        Args:
            values: Features by layer; None if there is an error.
            error: Why the file could not be read.
        """
        self.errors.append(error)
        for name, stream in self._streams.items():
            row = self._missing[name] if values is None else values[name]
            stream.write(np.ascontiguousarray(row, _DTYPE).data)


@contextlib.contextmanager
def write(
    path: pathlib.Path, shapes: Mapping[str, tuple[int, ...]], names: Sequence[str]
) -> Iterator[FeatureWriter]:
    """Yields a writer of a file that appears once the features of all images are in it.

    An `.npz` file has an array (images, ...) float32 for each layer, `files` with the names and
    `errors` with the reason why a file could not be read, '' if it could, all in one order. Beside
    an `.npy` file, `NAME.files.csv` has these two columns.

    Args:
        path: A file that `check_path` accepts.
        shapes: The shape of one image's features, by layer.
        names: The name of each image's file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=path.parent, prefix=f'.{path.name}.tmp-') as folder,
        contextlib.ExitStack() as stack,
    ):
        # Arrays grow side by side, but the members of an archive are written one by one.
        parts = {layer: pathlib.Path(folder) / f'{at}' for at, layer in enumerate(shapes)}
        opened = {layer: stack.enter_context(open(part, 'wb')) for layer, part in parts.items()}
        writer = FeatureWriter(opened, shapes, len(names))
        yield writer
        stack.close()
        _finish(path, parts, names, writer.errors)


def _finish(path: pathlib.Path, parts: Mapping[str, pathlib.Path], names, reasons) -> None:
    target = os.path.realpath(path)  # a link stays
    if path.suffix == '.npy':
        listing = path.with_suffix('.files.csv')
        listing.unlink(missing_ok=True)  # never an array beside names of another
        with files.atomic_file(target) as unnamed:
            (part,) = parts.values()
            shutil.move(part, unnamed)
        tables.write_csv(listing, ('file', 'error'), zip(names, reasons, strict=True))
        return
    with files.atomic_file(target) as unnamed, zipfile.ZipFile(unnamed, 'w') as archive:
        for layer, part in parts.items():
            archive.write(part, f'{layer}.npy')
            part.unlink()
        for name, texts in ((_NAMES, names), (_ERRORS, reasons)):
            with archive.open(f'{name}.npy', 'w', force_zip64=True) as member:
                np.lib.format.write_array(member, np.array(texts, np.str_), allow_pickle=False)
