"""A small folder of pictures."""

import io

import numpy as np
import PIL.Image
import pytest


def picture(seed, size=(280, 300), kind='JPEG', mode='RGB'):
    """An encoded picture that the seed decides."""
    random = np.random.default_rng(seed)
    small = PIL.Image.fromarray(random.integers(0, 256, (6, 6, 3), np.uint8))
    buffer = io.BytesIO()
    small.resize(size, PIL.Image.BICUBIC).convert(mode).save(buffer, kind)
    return buffer.getvalue()


@pytest.fixture
def folder(tmp_path):
    """12 pictures of each of two classes, in one folder of class folders."""
    root = tmp_path / 'photos'
    for label, name in enumerate(('cat', 'dog')):
        (root / name).mkdir(parents=True)
        for at in range(12):
            (root / name / f'{at:02d}.jpg').write_bytes(picture(100 * label + at))
    return root
