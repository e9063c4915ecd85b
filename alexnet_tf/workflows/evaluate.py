"""Top-1 and top-5 errors of a trained network, of one view, of ten, of nine."""

import datetime
import pathlib
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

import input_pipeline
from alexnet_tf import config as configs
from alexnet_tf.reporting import environment, intervals, progress, tables
from alexnet_tf.training import replicas, units
from alexnet_tf.training import step as steps
from alexnet_tf.workflows import run as runs

VIEWS = {'1': 1, '10': 10, 'nine': 9}


def run(config: configs.Config) -> None:
    """Scores a split, prints a table, appends to `results.csv`."""
    trained = runs.load(config, compiled=True)
    manifest = input_pipeline.records.load(config.data.data_dir)
    if manifest.classes != trained.classes:
        raise input_pipeline.errors.DataError(
            f'--data_dir={config.data.data_dir} has other classes than the network in '
            f'--run_dir={config.run_dir} was trained on.'
        )
    split, rows = config.evaluation.split, []
    if split not in manifest.splits:
        raise configs.UsageError(
            f'--split={split}: {config.data.data_dir} has {", ".join(manifest.splits)}.'
        )
    for views in (VIEWS[name] for name in dict.fromkeys(config.evaluation.views)):
        scored = Scorer(
            trained.model,
            trained.mean_image,
            crop_size=trained.recipe.crop_size,
            views=views,
            batch_size=config.evaluation.eval_batch_size,
        )
        bar = progress.Progress(f'pictures, {views} {"view" if views == 1 else "views"} each')
        result = scored(manifest, split, bar.show)
        bar.close()
        rows.append(_row(config, manifest, trained.step, views, result))
        tables.append_csv(pathlib.Path(config.run_dir) / 'results.csv', rows[-1])
    print(_table(rows))


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
        copies: replicas.One | None = None,
        watched: units.Units | None = None,
    ):
        self._copies, self._watched, self.dead_units = copies or replicas.One(), watched, {}
        self._step = steps.evaluation_step(model, views, watched.outputs if watched else ())
        self._mean_image, self._crop_size, self._views = mean_image, crop_size, views
        self._pictures = max(1, batch_size // views)
        self._opened = None

    def __call__(
        self, manifest, split: str, report: Callable[[int, int], None] = lambda *_: None
    ) -> dict[str, float]:
        """loss (nats), top1_error and top5_error, means over the split."""
        total = manifest.examples(split)
        sums, done, awake = np.zeros(len(steps.METRICS)), 0, False
        for squares, labels, mask in input_pipeline.pipeline.read(
            self._batches(manifest, split),
            manifest.directory,
            lambda: input_pipeline.inspection.first_unreadable(
                manifest.shards(split), manifest.layout
            ),
        ):
            part, _, some = self._step(squares, labels, mask)
            sums += part.numpy()
            awake |= some.numpy()
            done += int(mask.numpy().sum())
            report(done, total)
        found = self._copies.total([done, *sums, *np.atleast_1d(awake).astype(float)])
        done, sums = found[0], np.array(found[1 : 1 + len(sums)])
        if self._watched:
            self.dead_units = self._watched.dead_shares(found[1 + len(sums) :])
        if done != total:
            raise input_pipeline.errors.DataError(
                f'{manifest.directory}: scored {done:g} {split} examples, the manifest counts '
                f'{total}.'
            )
        return dict(zip(steps.METRICS, (sums / done).tolist(), strict=True))

    def _batches(self, manifest, split: str) -> tf.data.Dataset:
        """The split's batches of views; training asks for the same ones after each epoch."""
        if self._opened and self._opened[0] == (manifest.directory, split):
            return self._opened[1]
        batches = input_pipeline.pipeline.evaluation(
            manifest.shards(split),
            layout=manifest.layout,
            batch_size=self._pictures * self._copies.workers,
            share=(self._copies.worker, self._copies.workers),
        )
        self._opened = (manifest.directory, split), batches.map(self._views_of)
        return self._opened[1]

    @tf.autograph.experimental.do_not_convert
    def _views_of(self, squares, labels, mask):
        views = input_pipeline.preprocessing.views(
            squares, self._mean_image, crop_size=self._crop_size, number=self._views
        )
        return views, labels, mask


def _row(config, manifest, step, views, result) -> dict[str, object]:
    split = config.evaluation.split
    number = manifest.examples(split)
    ends = {
        f'{name}_{end}': value
        for name in ('top1', 'top5')
        for end, value in zip(
            ('low', 'high'), intervals.wilson(result[f'{name}_error'], number), strict=True
        )
    }
    return {
        'time': datetime.datetime.now(datetime.UTC).isoformat(timespec='seconds'),
        'run_dir': config.run_dir,
        'step': step,
        'split': split,
        'examples': number,
        'views': views,
        **result,
        **ends,
        'manifest_sha256': manifest.sha256,
        'commit': environment.found()['commit'],
    }


def _table(rows) -> str:
    header = ('views', rows[0]['split'], 'top-1 error (95 %)', 'top-5 error (95 %)', 'loss')
    cells = [
        (
            row['views'],
            row['examples'],
            _with_interval(row, 'top1'),
            _with_interval(row, 'top5'),
            f'{row["loss"]:.4f}',
        )
        for row in rows
    ]
    return tables.text(header, cells)


def _with_interval(row, name: str) -> str:
    low, high = (f'{100 * row[f"{name}_{end}"]:.1f}' for end in ('low', 'high'))
    return f'{tables.percent(row[f"{name}_error"])} ({low} to {high})'
