"""Scores of a network on prepared records."""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from alexnet_tf.models import outputs
from alexnet_tf.training import dead_units, distribution, steps
from input_pipeline import errors
from input_pipeline.batches import datasets, preprocessing
from input_pipeline.records import checking


class Scorer:
    """Scores a split of prepared records: each example exactly once.

    Args:
        model: images -> logits.
        mean_image: (256, 256, 3) float32.
        crop_size: Side of a view.
        views: 1, 9 or 10 a picture.
        batch_size: Views a step, at least.
        copies: Of the model: each worker scores a share, and all get the whole's scores.
        watched: Units of the model to watch.

    Attributes:
        dead_units: See `Units.dead_shares`; of the split scored last.
    """

    def __init__(
        self,
        model: keras.Model,
        mean_image: np.ndarray,
        *,
        crop_size: int,
        views: int,
        batch_size: int,
        copies: distribution.One | None = None,
        watched: dead_units.Units | None = None,
    ):
        self._copies, self._watched, self.dead_units = copies or distribution.One(), watched, {}

        def views_of(squares):
            return preprocessing.views(squares, mean_image, crop_size=crop_size, number=views)

        outputs = watched.outputs if watched else ()
        self._step = steps.evaluation_step(model, views_of, views, outputs)
        self._pictures = max(1, batch_size // views)
        self._opened = None

    def __call__(
        self,
        manifest,
        split: str,
        report: Callable[[int, int], None] = lambda *_: None,
        keep: Callable[[np.ndarray, np.ndarray], None] = lambda *_: None,
    ) -> dict[str, float]:
        """loss (nats), top1_error and top5_error, means over the split.

        Args:
            manifest: Of the records.
            split: Of them.
            report: Called with (examples done, examples) from time to time.
            keep: Called with each batch's probabilities (n, classes) float32 and labels (n,).
        """
        total = manifest.examples(split)
        sums, done, awake = np.zeros(len(outputs.METRICS)), 0, False
        for squares, labels, mask in datasets.read(
            self._batches(manifest, split),
            manifest.directory,
            lambda: checking.first_unreadable(manifest.shards(split), manifest.layout),
        ):
            part, probabilities, some = self._step(squares, labels, mask)
            there = mask.numpy() > 0
            keep(probabilities.numpy()[there], labels.numpy()[there])
            sums += part.numpy()
            awake |= some.numpy()
            done += int(mask.numpy().sum())
            report(done, total)
        found = self._copies.total([done, *sums, *np.atleast_1d(awake).astype(float)])
        done, sums = found[0], np.array(found[1 : 1 + len(sums)])
        if self._watched:
            self.dead_units = self._watched.dead_shares(found[1 + len(sums) :])
        if done != total:
            raise errors.DataError(
                f'{manifest.directory}: scored {done:g} {split} examples, the manifest counts '
                f'{total}.'
            )
        return dict(zip(outputs.METRICS, (sums / done).tolist(), strict=True))

    def _batches(self, manifest, split: str) -> tf.data.Dataset:
        """The split's batches; training asks for the same ones after each epoch."""
        if self._opened and self._opened[0] == (manifest.directory, split):
            return self._opened[1]
        batches = datasets.evaluation(
            manifest.shards(split),
            layout=manifest.layout,
            batch_size=self._pictures * self._copies.workers,
            share=(self._copies.worker, self._copies.workers),
        )
        self._opened = (manifest.directory, split), batches
        return batches
