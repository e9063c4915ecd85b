"""Trains and loads the binary codes of an index."""

import json
import pathlib

import numpy as np

from alexnet_tf.reports import progress
from alexnet_tf.retrieval import binary_codes
from alexnet_tf.retrieval import index as index_lib
from input_pipeline import errors, files

_ENCODER, _CODES, _KEY_FILE = 'encoder.npz', 'codes.npy', 'codes.json'


def build_codes(
    index: index_lib.Index, bits: int, seed: int
) -> tuple[binary_codes.Autoencoder, np.ndarray]:
    """Loads the codes of an index, or trains an autoencoder first if there are none.

    Args:
        index: The index; its codes are kept in its directory.
        bits: Length of a code.
        seed: Seed of the autoencoder.

    Returns:
        The autoencoder and the codes, (examples, bytes) uint8.

    Raises:
        DataError: The codes are damaged, of another index, or by another seed.
    """
    directory = index.directory / f'codes-{bits}'
    coder = binary_codes.Autoencoder(index.vectors.width, bits, seed)
    key = {name: files.compute_sha256(index.directory / name) for name in index_lib.FILES}
    key |= {'bits': bits, 'seed': seed}
    if not (directory / _KEY_FILE).is_file():
        _train(coder, index, directory=directory, key=key)
    saved_key = index_lib.read_json(directory / _KEY_FILE)
    if any(saved_key.get(name) != value for name, value in key.items()):
        raise errors.DataError(
            f'{directory} holds codes of another index, or by another --seed. Delete it.'
        )
    for path in (directory / _ENCODER, directory / _CODES):
        if not path.is_file() or files.compute_sha256(path) != saved_key.get(path.name):
            raise errors.DataError(
                f'{path} was changed after it was written. Delete {directory} and build it again.'
            )
    coder.load(directory / _ENCODER)
    return coder, np.load(directory / _CODES, allow_pickle=False)


def _train(
    coder: binary_codes.Autoencoder, index: index_lib.Index, *, directory: pathlib.Path, key: dict
) -> None:
    bar = progress.Progress(f'steps of the autoencoder, {key["bits"]} bits')
    coder.fit(index.vectors, bar.update)
    bar.close()
    codes = binary_codes.encode_all(coder, index.vectors)
    coder.save(directory / _ENCODER)
    index_lib.save_array(directory / _CODES, codes)
    hashes = {name: files.compute_sha256(directory / name) for name in (_ENCODER, _CODES)}
    files.write_atomically(directory / _KEY_FILE, json.dumps(key | hashes).encode())
