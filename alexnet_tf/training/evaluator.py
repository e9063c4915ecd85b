"""Evaluates a network on prepared records."""

import dataclasses
from collections.abc import Callable, Mapping

import keras
import numpy as np
import tensorflow as tf

from alexnet_tf.models import outputs
from alexnet_tf.training import distribution, health, steps
from input_pipeline import errors
from input_pipeline.batches import datasets, preprocessing
from input_pipeline.records import checking


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """How well a network does on a split.

    Attributes:
        metrics: loss (nats), top1_error and top5_error (in [0, 1]): means over the split.
        dead_units: Share of dead units by layer, as {'conv1': 0.02}; {} if they are not watched.
        left_out: Number of images that could not be read.
    """

    metrics: dict[str, float]
    dead_units: Mapping[str, float]
    left_out: int = 0


class Evaluator:
    """Evaluates a network on a split of prepared records, each example exactly once.

    Args:
        model: Images -> logits.
        preprocess: Makes the model's images from squares.
        views: Views of each image: 1, 2, 9 or 10.
        batch_size: Views in a batch, if it is at least `views`.
        replicas: Replicas of the model. Each worker evaluates a share of the examples, and all get
            the result for all examples.
        relu_units: Units of the model to watch for dead ones.
        max_bad_fraction: Share of a split's records to leave out if they cannot be read. None:
            such a record is an error.
    """

    def __init__(
        self,
        model: keras.Model,
        preprocess: preprocessing.Preprocessing,
        *,
        views: int,
        batch_size: int,
        replicas: distribution.SingleReplica | None = None,
        relu_units: health.ReluUnits | None = None,
        max_bad_fraction: float | None = None,
    ):
        self._max_bad_fraction = max_bad_fraction
        self._replicas, self._relu_units = replicas or distribution.SingleReplica(), relu_units
        self._images = max(1, batch_size // views)
        self._datasets: dict[tuple, tf.data.Dataset] = {}

        def make_views(squares):
            return preprocess.make_views(squares, views)

        watched = relu_units.outputs if relu_units else ()
        self._step = steps.create_evaluation_step(model, make_views, views, watched)

    def evaluate(
        self,
        manifest,
        split: str,
        *,
        report: Callable[[int, int], None] = lambda *_: None,
        keep: Callable[[np.ndarray, np.ndarray], None] = lambda *_: None,
    ) -> Evaluation:
        """Evaluates the network on a split.

        Args:
            manifest: The manifest of the records.
            split: Name of the split.
            report: Called with (examples done, examples) after each batch.
            keep: Called with each batch's probabilities (n, classes) float32 and labels (n,).

        Raises:
            DataError: More records cannot be read than may be left out, or the number of records is
                not the manifest's.
        """
        sums, done, active = np.zeros(len(outputs.METRICS)), 0, False
        total = manifest.count_examples(split)
        for squares, labels, mask in self._iterate(manifest, split):
            batch_sums, probabilities, batch_active = self._step(squares, labels, mask)
            is_example = mask.numpy() > 0
            keep(probabilities.numpy()[is_example], labels.numpy()[is_example])
            sums += batch_sums.numpy()
            active |= batch_active.numpy()
            done += int(mask.numpy().sum())
            report(min(done * self._replicas.workers, total), total)
        counts = [done, *sums, *np.atleast_1d(active).astype(float)]
        done, *sums_and_active = self._replicas.sum_over_workers(counts)
        sums, active = np.split(np.array(sums_and_active), [len(outputs.METRICS)])
        if not 0 <= total - done <= (self._max_bad_fraction or 0.0) * total:
            raise errors.DataError(
                f'{manifest.directory}: evaluated {int(done):,} {split} examples, but the manifest '
                f'counts {total:,}. Check the records with --mode=prepare --verify_only, or '
                'prepare them again.'
            )
        metrics = dict(zip(outputs.METRICS, (sums / done).tolist(), strict=True))
        units = self._relu_units
        dead_units = units.compute_dead_shares(active) if units else {}
        return Evaluation(metrics, dead_units, int(total - done))

    def _iterate(self, manifest, split: str):
        """Iterates over the split's batches; the data set is created once."""
        shards, key = manifest.list_shards(split), (manifest.directory, split)
        if key not in self._datasets:
            self._datasets[key] = datasets.evaluation_dataset(
                shards,
                layout=manifest.layout,
                batch_size=self._images * self._replicas.workers,
                share=(self._replicas.worker, self._replicas.workers),
                tolerant=self._max_bad_fraction is not None,
            )
        return datasets.iterate(
            self._datasets[key],
            manifest.directory,
            lambda: checking.find_first_unreadable(shards, manifest.layout),
        )
