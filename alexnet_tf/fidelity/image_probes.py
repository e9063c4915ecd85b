"""Measures what augmentation and test views do to images, by running them."""

from typing import Any

import numpy as np
import tensorflow as tf

from alexnet_tf.models import outputs
from input_pipeline.batches import augmentation, preprocessing
from input_pipeline.records import manifests

_SAMPLES = 60_000
_SIDE, _SD = 256, 50.0  # side of the images; sd of their only principal component


def create_statistics() -> manifests.ImageStatistics:
    """Creates the statistics of black images whose red varies, for `probe_augmentation`."""
    covariance = np.diag([_SD**2, 0.0, 0.0])
    return manifests.ImageStatistics(
        mean_image=np.zeros((_SIDE, _SIDE, 3), np.float32),
        covariance=covariance,
        eigenvalues=covariance.diagonal(),
        eigenvectors=np.eye(3),
    )


def probe_augmentation(augment: augmentation.Augmentation, crop_chunk: int) -> dict[str, Any]:
    """Counts distinct crops among many samples, and measures the colour shift.

    Args:
        augment: An augmentation of images with the statistics of `create_statistics`.
        crop_chunk: The number of images that share a crop, to have enough samples.
    """
    indices = tf.range(_SAMPLES * crop_chunk, dtype=tf.int64)
    sample = augment.sample(indices, indices, seed=0, epochs=tf.zeros_like(indices))
    position = sample.windows[:, 0] * _SIDE + sample.windows[:, 1]
    crops = (position * 2 + tf.cast(sample.mirrored, tf.int32)).numpy()
    changes = np.flatnonzero(crops[1:] != crops[:-1]) + 1
    shifts = (sample.shifts[:, 0] * sample.scales).numpy()
    return {
        'crops and mirrors of an image': len(np.unique(crops)),
        'images that share a crop': int(np.gcd.reduce(changes)),
        'sd of the colour shift, in sds of a component': float(shifts.std()) / _SD,
    }


def probe_views(crop_size: int) -> dict[str, str]:
    """Lists the ten views of an image, and finds what is averaged over them."""
    offsets = preprocessing.get_view_offsets(crop_size, 10)
    plain = [(row, column) for row, column, mirrored in offsets if not mirrored]
    both = sorted(plain) == sorted((r, c) for r, c, mirrored in offsets if mirrored)
    logits = np.array([[4.0, 0.0, 1.0], [-1.0, 2.0, 0.0]], np.float32)
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    average = outputs.average_probabilities(tf.constant(logits), 2)
    is_mean = np.allclose(average, probabilities.mean(0), atol=1e-6)
    return {
        'views': ' '.join(map(str, plain)) + (', each plain and mirrored' if both else ''),
        'averaged over views': 'probabilities' if is_mean else 'something else',
    }
