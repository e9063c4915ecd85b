"""The evaluation of one run's network, and the files of `errors/` that say where it errs."""

import functools
import pathlib
from collections.abc import Callable, Sequence

from alexnet_tf.config import schema
from alexnet_tf.evaluation import ensembles, error_analysis, prediction_cache
from alexnet_tf.plots import availability
from alexnet_tf.reports import progress, tables
from alexnet_tf.runs import loading, results, run_directory
from alexnet_tf.training import checkpoint, evaluator
from input_pipeline.batches import datasets
from input_pipeline.records import checking, manifests

_MAX_MISTAKES = 24  # in a plot


class RunEvaluator:
    """Evaluates the network of one run, which is built when it is first needed.

    Args:
        config: Of the command; its `run_dir` names the run.
        manifest: Of the records.

    Raises:
        DataError: There is no such run, or it was trained on other classes.
    """

    def __init__(self, config: schema.Config, manifest: manifests.Manifest):
        self._config, self._manifest = config, manifest
        self._directory = pathlib.Path(config.run_dir)
        # Selected once: a training run that is still going deletes old checkpoints.
        self._checkpoint = run_directory.find_checkpoint(
            self._directory, config.evaluation.checkpoint, '--run_dir'
        )
        self._step = checkpoint.read_state(self._checkpoint)['step']
        self._variables_sha256 = checkpoint.read_variables_sha256(self._checkpoint)
        run_directory.check_same_classes(self._directory, manifest)

    @functools.cached_property
    def run(self) -> loading.TrainedRun:
        """The run with its network."""
        return loading.load_run(self._config, path=self._checkpoint, compiled=True)

    def evaluate(self, split: str, views: int) -> dict[str, object]:
        """Evaluates a split and appends its row to `results.csv`.

        With `--save_probabilities`, caches its probabilities and writes an error analysis.

        Returns:
            The row.
        """
        dtype = self._config.evaluation.save_probabilities
        if dtype:
            scores = self._fill(self._open_cache(split, views, dtype), split, views)
            members, manifest = [self.predict(split, views)], self._manifest
            write_errors(
                self._directory, members, [1.0], manifest=manifest, split=split, views=views
            )
        else:
            scores = self._score(split, views)
        row = self._build_row(split, views, scores)
        results.append(self._directory, row)
        return row

    def predict(self, split: str, views: int) -> prediction_cache.Predictions:
        """Predicts a split, or loads its predictions from the cache."""
        dtype = self._config.evaluation.save_probabilities
        for stored in (dtype,) if dtype else ('float32', 'float16'):
            if predictions := self._open_cache(split, views, stored).load_if_current():
                return predictions
        cache = self._open_cache(split, views, dtype or 'float32')
        self._fill(cache, split, views)
        return cache.load_if_current()

    def predict_and_record(
        self, split: str, views: int
    ) -> tuple[prediction_cache.Predictions, dict[str, object]]:
        """Predicts a split and appends its row to `results.csv`, unless that has it already.

        Returns:
            The predictions and the row.
        """
        predictions = self.predict(split, views)
        row = self._build_row(split, views, ensembles.compute_metrics([predictions], [1.0]))
        results.append_if_new(self._directory, row)
        return predictions, row

    def _build_row(self, split: str, views: int, scores: dict[str, float]) -> dict[str, object]:
        origin = {'run_dir': self._config.run_dir, 'step': self._step}
        return results.build_row(self._manifest, split, views, scores, **origin)

    def _open_cache(self, split: str, views: int, dtype: str) -> prediction_cache.CachedPredictions:
        key = prediction_cache.PredictionKey(
            self._manifest.sha256, split, views, self._variables_sha256, dtype
        )
        return prediction_cache.CachedPredictions(self._directory / 'probabilities', key)

    def _fill(self, cache, split: str, views: int) -> dict[str, float]:
        ids = checking.read_names(self._manifest.list_shards(split))
        with cache.write(ids, len(self._manifest.classes)) as writer:
            return self._score(split, views, writer.add)

    def _score(self, split: str, views: int, keep: Callable = lambda *_: None) -> dict[str, float]:
        trained, batch_size = self.run, self._config.evaluation.eval_batch_size
        settings = {'crop_size': trained.recipe.crop_size, 'views': views, 'batch_size': batch_size}
        network_evaluator = evaluator.Evaluator(trained.model, trained.mean_image, **settings)
        with progress.Progress(f'images, {tables.format_views(views)} each') as bar:
            evaluation = network_evaluator.evaluate(
                self._manifest, split, report=bar.update, keep=keep
            )
        return evaluation.metrics


def write_errors(
    directory: pathlib.Path,
    members: Sequence[prediction_cache.Predictions],
    weights: Sequence[float],
    *,
    manifest: manifests.Manifest,
    split: str,
    views: int,
) -> None:
    """Writes tables of the errors and, with matplotlib, a plot of the most confident mistakes.

    Args:
        directory: Gets the folder `errors`.
        members: Predictions of a network, or of the members of an ensemble.
        weights: One for each member.
        manifest: Of the records.
        split: Name of the split.
        views: Number of views of an image.
    """
    folder, stem = directory / 'errors', f'{split}-{views}'
    analysis = error_analysis.analyse(members, weights, manifest.classes)
    plots = availability.load_plots()
    if plots and analysis.rank_mistakes():
        figure = plot_mistakes(plots, analysis, manifest, split)
        plots.save_figure(figure, folder / f'{stem}-mistakes.png')
    for name, (header, rows) in analysis.to_tables().items():
        tables.write_csv(folder / f'{stem}-{name}.csv', header, rows)
    print(
        f'evaluate: wrote errors by class, confused pairs, mistakes and calibration to {folder}; '
        f'expected calibration error {analysis.compute_calibration_error():.3f}'
    )


def plot_mistakes(
    plots, analysis: error_analysis.ErrorAnalysis, manifest: manifests.Manifest, split: str
):
    """Plots the images of the most confident mistakes; there must be one.

    Args:
        plots: What `availability.load_plots` returns.
        analysis: Of the split.
        manifest: Of the records.
        split: Name of the split.
    """
    mistakes = analysis.rank_mistakes()[:_MAX_MISTAKES]
    positions = [mistake.position for mistake in mistakes]
    squares = datasets.read_squares(manifest.list_shards(split), manifest.layout, positions)
    captions = [
        f'{label}\npredicted {predicted}\n{tables.format_percent(probability)}'
        for _, label, predicted, probability, _ in mistakes
    ]
    return plots.plot_image_grid(squares, captions)
