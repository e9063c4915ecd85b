"""The default source: crops of images that ship inside the scikit-image wheel.

The task is to tell which image a crop is from. It shows that everything works, not how good a
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

NAME = 'sample'
FILES = {  # all in the public domain (NASA, SpaceX) or CC0
    'astronaut': 'astronaut.png',
    'cat': 'chelsea.png',
    'coffee': 'coffee.png',
    'galaxies': 'hubble_deep_field.jpg',
    'retina': 'retina.jpg',
    'rocket': 'rocket.jpg',
}
_SAVED_NAME = 'photographs'  # in manifests, which must not change: the source's name of old
_TRAIN_WIDTH = 0.6  # of an image: crops left of it are for training, right of it held out
_CROPS = {manifests.TRAIN: 96, manifests.VALIDATION: 24}
_MIN_SIDE, _MAX_SIDE = 0.4, 0.9  # of a crop, as fractions of the shorter side of its part
_MIN_DEVIATION = 8.0  # grey levels: plainer crops are sky, which could be from any image


def find_images() -> entries.Source:
    """Finds the sample images; each is a class of crops.

    Raises:
        PackageMissing: scikit-image is not installed.
    """
    spec = importlib.util.find_spec('skimage')
    if spec is None:
        raise errors.PackageMissing(
            f'--source={NAME} needs the images of scikit-image, which is not installed: '
            'pip install "alexnet_tf[quickstart]".'
        )
    folder = pathlib.Path(spec.origin).parent / 'data'
    splits = {split: _list_entries(folder, split, number) for split, number in _CROPS.items()}
    description = f'{len(FILES)} images of scikit-image: crops of the left and right part'
    return entries.Source(_SAVED_NAME, description, tuple(sorted(FILES)), splits)


def _list_entries(folder: pathlib.Path, split: str, number: int) -> list[entries.Entry]:
    return [
        entries.Entry(
            f'{split}/{name}/{index:03d}.png',
            label,
            functools.partial(_crop, folder / FILES[name], split, index),
        )
        for label, name in enumerate(sorted(FILES))
        for index in range(number)
    ]


def _crop(path: pathlib.Path, split: str, index: int) -> bytes:
    """Returns a square crop as PNG; its position depends only on the arguments."""
    image = _read_image(path)
    edge = int(image.shape[1] * _TRAIN_WIDTH)
    part = image[:, :edge] if split == manifests.TRAIN else image[:, edge:]
    random = np.random.default_rng([index, len(split), *path.name.encode()])
    while True:
        crop = _choose_square(part, random)
        if crop.std() > _MIN_DEVIATION:
            return tf.io.encode_png(crop, compression=1).numpy()


def _choose_square(part: np.ndarray, random: np.random.Generator) -> np.ndarray:
    height, width = part.shape[:2]
    side = int(min(height, width) * random.uniform(_MIN_SIDE, _MAX_SIDE))
    row, column = random.integers(height - side + 1), random.integers(width - side + 1)
    return part[row : row + side, column : column + side]


@functools.lru_cache(len(FILES))
def _read_image(path: pathlib.Path) -> np.ndarray:
    return tf.io.decode_image(path.read_bytes(), channels=3, expand_animations=False).numpy()
