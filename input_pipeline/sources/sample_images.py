"""The embedded default: crops of the photographs that ship inside the scikit-image wheel.

The task is "which photograph is this crop from". It shows that everything works, not how good a
network is.
"""

import functools
import importlib.util
import pathlib

import numpy as np
import tensorflow as tf

from input_pipeline import errors
from input_pipeline.records import manifests
from input_pipeline.sources import entries

# All public domain (NASA, SpaceX) or CC0.
FILES = {
    'astronaut': 'astronaut.png',
    'cat': 'chelsea.png',
    'coffee': 'coffee.png',
    'galaxies': 'hubble_deep_field.jpg',
    'retina': 'retina.jpg',
    'rocket': 'rocket.jpg',
}
_TRAIN_PART = 0.6  # of the width: left of it to train on, right of it held out
_CROPS = {manifests.TRAIN: 96, manifests.VALIDATION: 24}
_SMALLEST, _LARGEST = 0.4, 0.9  # a crop's side, of the shorter side of its part
_PLAIN = 8.0  # grey levels: crops with a smaller deviation are sky, and belong to no picture


def find() -> entries.Found:
    """Crops by photograph.

    Raises:
        PackageMissing: scikit-image is not installed.
    """
    spec = importlib.util.find_spec('skimage')
    if spec is None:
        raise errors.PackageMissing(
            '--source=photographs needs the photographs of scikit-image: '
            'pip install "alexnet_tf[quickstart]".'
        )
    folder = pathlib.Path(spec.origin).parent / 'data'
    splits = {split: _entries(folder, split, number) for split, number in _CROPS.items()}
    description = f'{len(FILES)} photographs of scikit-image: crops of the left and right part'
    return entries.Found('photographs', description, tuple(sorted(FILES)), splits)


def _entries(folder: pathlib.Path, split: str, number: int) -> list[entries.Entry]:
    return [
        entries.Entry(
            f'{split}/{name}/{at:03d}.png',
            label,
            functools.partial(_crop, folder / FILES[name], split, at),
        )
        for label, name in enumerate(sorted(FILES))
        for at in range(number)
    ]


def _crop(path: pathlib.Path, split: str, at: int) -> bytes:
    """One square crop as PNG; where it lies depends on the arguments only."""
    part = _part(_photograph(path), split)
    random = np.random.default_rng([at, len(split), *path.name.encode()])
    while True:
        crop = _random_square(part, random)
        if crop.std() > _PLAIN:
            return tf.io.encode_png(crop, compression=1).numpy()


def _random_square(part: np.ndarray, random: np.random.Generator) -> np.ndarray:
    height, width = part.shape[:2]
    side = int(min(height, width) * random.uniform(_SMALLEST, _LARGEST))
    row, column = random.integers(height - side + 1), random.integers(width - side + 1)
    return part[row : row + side, column : column + side]


def _part(photograph: np.ndarray, split: str) -> np.ndarray:
    edge = int(photograph.shape[1] * _TRAIN_PART)
    return photograph[:, :edge] if split == manifests.TRAIN else photograph[:, edge:]


@functools.lru_cache(len(FILES))
def _photograph(path: pathlib.Path) -> np.ndarray:
    return tf.io.decode_image(path.read_bytes(), channels=3, expand_animations=False).numpy()
