"""Copies of images are found, and images that only resemble each other are not."""

import io

import numpy as np
import PIL.Image
import PIL.ImageEnhance
import pytest

from alexnet_tf.evaluation import near_duplicates

RANDOM = np.random.default_rng(3)


def paint(seed):
    """An image of some blobs, 256 x 256."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:256, :256] / 256
    image = np.zeros((256, 256, 3))
    for _ in range(12):
        y, x, size = random.uniform(0.1, 0.9, 3)
        blob = (rows - y) ** 2 + (columns - x) ** 2 < (0.3 * size) ** 2
        image[blob] = random.uniform(0, 255, 3)
    return PIL.Image.fromarray(image.astype(np.uint8))


def shrink(image):
    small = image.convert('L').resize((32, 32), PIL.Image.Resampling.BOX)
    return np.asarray(small, np.float32)


def encode(image):
    buffer = io.BytesIO()
    image.resize((120, 120)).save(buffer, 'JPEG', quality=40)
    return PIL.Image.open(buffer).resize((256, 256))


CHANGES = {
    'smaller and compressed': encode,
    'darker': lambda image: PIL.ImageEnhance.Brightness(image).enhance(0.6),
    'paler': lambda image: PIL.ImageEnhance.Color(image).enhance(0.3),
    'less contrast': lambda image: PIL.ImageEnhance.Contrast(image).enhance(0.5),
}


@pytest.mark.parametrize('change', CHANGES.values(), ids=CHANGES)
def test_a_changed_copy_is_found_among_others(change):
    images = [paint(seed) for seed in range(30)]
    thumbnails = np.stack([shrink(image) for image in (*images, change(images[7]))])
    edges = near_duplicates.compute_edges(thumbnails)
    pairs = near_duplicates.find_near_duplicates(edges, 30)
    assert [pair[:2] for pair in pairs] == [(7, 30)]


def test_each_image_is_paired_with_the_most_alike_of_the_later_and_of_the_rest(monkeypatch):
    monkeypatch.setattr(near_duplicates, '_ROWS', 3)
    base = RANDOM.uniform(0, 255, (4, 8, 8))
    noise = RANDOM.normal(0, 12, (12, 8, 8))
    edges = near_duplicates.compute_edges(np.tile(base, (3, 1, 1)) + noise)
    expected = {}
    for first in range(8):
        for others in (range(first + 1, 8), range(8, 12)):
            pairs = [(np.corrcoef(edges[first], edges[at])[0, 1], at) for at in others]
            correlation, second = max(pairs, default=(0, 0))
            if correlation >= 0.85:
                expected[first, second] = pytest.approx(correlation, abs=1e-5)
    assert len(expected) >= 9
    pairs = near_duplicates.find_near_duplicates(edges, 8)
    assert {pair[:2]: pair.correlation for pair in pairs} == expected
    correlations = [pair.correlation for pair in pairs]
    assert correlations == sorted(correlations, reverse=True)


def test_flat_images_are_no_copies_of_each_other():
    flat = np.full((3, 32, 32), 128.0) + RANDOM.integers(0, 2, (1, 32, 32))
    edges = near_duplicates.compute_edges(flat)
    assert not edges.any()
    assert near_duplicates.find_near_duplicates(edges, 3) == []
