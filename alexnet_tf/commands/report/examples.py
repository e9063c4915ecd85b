"""Images of a split for the report: their names, labels and edges, and what is predicted."""

import dataclasses
import functools
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from alexnet_tf.evaluation import near_duplicates, prediction_cache
from alexnet_tf.reports import progress
from input_pipeline.batches import datasets
from input_pipeline.records import checking, manifests

MAX_EXAMPLES = 10_000  # that are read: 20 seconds on two cores at half width
_THUMBNAIL_SIZE = 160  # on the page


@dataclasses.dataclass(frozen=True)
class Examples:
    """Images of a split: all, or those of some shards if there are too many.

    Attributes:
        shards: (path, number of records) of the shards that hold them.
        total: Images in the whole split.
        layout: How records hold images.
        predictions: Their names and labels; the probabilities are (examples, 0) without a network.
        edges: From `near_duplicates.compute_edges`.
    """

    shards: list[tuple[str, int]]
    total: int
    layout: manifests.Layout
    predictions: prediction_cache.Predictions
    edges: np.ndarray

    @property
    def is_complete(self) -> bool:
        """Whether these are all images of the split."""
        return len(self.predictions.ids) == self.total


def read_thumbnails(
    shards: Sequence[tuple[str, int]], layout: manifests.Layout, positions: Sequence[int]
) -> list[np.ndarray]:
    """Reads images of some shards, small enough for a page.

    Args:
        shards: (path, number of records) each.
        layout: How records hold images.
        positions: Of the images in these shards.

    Returns:
        (size, size, 3) uint8 RGB each.
    """
    size = [_THUMBNAIL_SIZE, _THUMBNAIL_SIZE]
    return [
        tf.cast(tf.image.resize(square, size, 'area'), tf.uint8).numpy()
        for square in datasets.read_squares(shards, layout, positions)
    ]


def encode(image: np.ndarray) -> bytes:
    """Encodes an image as a JPEG."""
    return tf.io.encode_jpeg(image).numpy()


def read_examples(
    manifest: manifests.Manifest,
    split: str,
    *,
    predict: Callable[[tf.Tensor], tf.Tensor] | None = None,
    batch_size: int,
) -> Examples:
    """Reads the images of a split once.

    Args:
        manifest: Of the records.
        split: Name of the split.
        predict: Squares -> probabilities.
        batch_size: Images a step.

    Raises:
        DataError: A record cannot be read.
    """
    shards = _select_shards(manifest.list_shards(split))
    compute = tf.function(functools.partial(_compute, predict), autograph=False, jit_compile=False)
    batches = datasets.iterate_examples(
        shards, layout=manifest.layout, batch_size=batch_size, data_dir=manifest.directory
    )
    parts, done, total = [], 0, sum(records for _, records in shards)
    with progress.Progress(f'{split} images looked at') as bar:
        for squares, labels, mask in batches:
            is_example = mask.numpy() > 0
            thumbnails, probabilities = (part.numpy()[is_example] for part in compute(squares))
            edges = near_duplicates.compute_edges(thumbnails)
            parts.append((probabilities, labels.numpy()[is_example], edges))
            done += int(is_example.sum())
            bar.update(done, total)
    probabilities, labels, edges = map(np.concatenate, zip(*parts, strict=True))
    predictions = prediction_cache.Predictions(probabilities, labels, checking.read_names(shards))
    return Examples(shards, manifest.count_examples(split), manifest.layout, predictions, edges)


def _compute(predict: Callable | None, squares: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns grey thumbnails and probabilities."""
    grey = tf.reduce_mean(tf.cast(squares, tf.float32), -1, keepdims=True)
    thumbnails = tf.image.resize(grey, [near_duplicates.THUMBNAIL_SIZE] * 2, 'area')[..., 0]
    none = tf.zeros([tf.shape(squares)[0], 0])
    return thumbnails, predict(squares) if predict else none


def _select_shards(shards: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
    """Selects all shards, or some that are spread over them and hold about `MAX_EXAMPLES`."""
    total = sum(records for _, records in shards)
    count = max(1, len(shards) * min(MAX_EXAMPLES, total) // total)
    return [shards[at] for at in np.linspace(0, len(shards) - 1, count).astype(int).tolist()]
