"""The evaluation of one run's network, and the files of `errors/` that say where it errs."""

import functools
import itertools
import pathlib
from collections.abc import Callable

import numpy as np

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
        config: Settings of the command; `run_dir` names the run.
        manifest: Manifest of the records.

    Raises:
        DataError: There is no such run, or it was trained on other classes.
    """

    def __init__(self, config: schema.Config, manifest: manifests.Manifest):
        self._config, self._manifest = config, manifest
        self._directory = pathlib.Path(config.run_dir)
        # Selected once: a run that is still being trained deletes old checkpoints.
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

    def evaluate(
        self, split: str, views: int
    ) -> tuple[dict[str, object], error_analysis.ErrorAnalysis]:
        """Evaluates a split; with `--save_probabilities`, caches its probabilities.

        Returns:
            The row of `results.csv`, and the errors.
        """
        dtype, classes = self._config.evaluation.save_probabilities, self._manifest.classes
        analysis, ids = error_analysis.ErrorAnalysis(classes), iter(self._read_ids(split))

        def keep(probabilities, labels):
            analysis.add(probabilities, labels, list(itertools.islice(ids, len(labels))))

        if dtype:
            scores = self._fill(self._open_cache(split, views, dtype), split, views, keep)
        else:
            scores = self._score(split, views, keep)
        return self._build_row(split, views, scores), analysis

    def record(
        self, row: dict[str, object], analysis: error_analysis.ErrorAnalysis, split: str, views: int
    ) -> None:
        """Appends a row to `results.csv`, and writes the errors.

        With `--save_probabilities` and matplotlib, the errors have a plot.
        """
        results.append(self._directory, row)
        has_plot = bool(self._config.evaluation.save_probabilities)
        manifest = self._manifest if has_plot else None
        write_errors(self._directory, analysis, split=split, views=views, plotted=manifest)

    def predict(
        self, split: str, views: int, *, exact: bool = True
    ) -> prediction_cache.Predictions:
        """Predicts a split, or loads its predictions from the cache.

        Args:
            split: Of the records.
            views: Of an image.
            exact: Whether cached float16 probabilities, which round small values to 0, are used
                only if `--save_probabilities` asks for them.
        """
        dtype = self._config.evaluation.save_probabilities or 'float32'
        for stored in dict.fromkeys((dtype, 'float32', *(() if exact else ('float16',)))):
            if predictions := self._open_cache(split, views, stored).load_if_current():
                return predictions
        cache = self._open_cache(split, views, dtype)
        self._fill(cache, split, views)
        return cache.load_if_current()

    def predict_and_record(
        self, split: str, views: int, *, exact: bool = True
    ) -> tuple[prediction_cache.Predictions, dict[str, object]]:
        """Predicts a split and appends its row to `results.csv`, unless the file has it already.

        For the arguments see `predict`.

        Returns:
            The predictions and the row.
        """
        predictions = self.predict(split, views, exact=exact)
        row = self._build_row(split, views, ensembles.compute_metrics([predictions], [1.0]))
        is_rounded = predictions.probabilities.dtype != np.float32
        results.append_if_new(self._directory, row, is_rounded=is_rounded)
        return predictions, row

    def _build_row(self, split: str, views: int, scores: dict[str, float]) -> dict[str, object]:
        origin = {'run_dir': self._config.run_dir, 'step': self._step}
        return results.build_row(self._manifest, split, views, scores, **origin)

    def _open_cache(self, split: str, views: int, dtype: str) -> prediction_cache.CachedPredictions:
        key = prediction_cache.PredictionKey(
            self._manifest.sha256, split, views, self._variables_sha256, dtype
        )
        return prediction_cache.CachedPredictions(self._directory / 'probabilities', key)

    def _fill(
        self, cache, split: str, views: int, keep: Callable = lambda *_: None
    ) -> dict[str, float]:
        with cache.write(self._read_ids(split), len(self._manifest.classes)) as writer:

            def write_and_keep(probabilities, labels):
                writer.add(probabilities, labels)
                keep(probabilities, labels)

            return self._score(split, views, write_and_keep)

    def _read_ids(self, split: str) -> list[str]:
        return checking.read_names(self._manifest.list_shards(split))

    def _score(self, split: str, views: int, keep: Callable = lambda *_: None) -> dict[str, float]:
        trained, batch_size = self.run, self._config.evaluation.eval_batch_size
        network_evaluator = evaluator.Evaluator(
            trained.model, trained.preprocess, views=views, batch_size=batch_size
        )
        with progress.Progress(f'images, {tables.format_views(views)} each') as bar:
            evaluation = network_evaluator.evaluate(
                self._manifest, split, report=bar.update, keep=keep
            )
        return evaluation.metrics


def write_errors(
    directory: pathlib.Path,
    analysis: error_analysis.ErrorAnalysis,
    *,
    split: str,
    views: int,
    plotted: manifests.Manifest | None,
) -> None:
    """Writes tables of the errors and, with matplotlib, a plot of the most confident mistakes.

    Args:
        directory: Gets the folder `errors`.
        analysis: The errors.
        split: Name of the split.
        views: Number of views of an image.
        plotted: Manifest of the records with the images of the plot; None for no plot.
    """
    folder, stem = directory / 'errors', f'{split}-{views}'
    plots = availability.load_plots() if plotted else None
    if plots and analysis.rank_mistakes():
        figure = plot_mistakes(plots, analysis, plotted, split)
        plots.save_figure(figure, folder / f'{stem}-mistakes.png')
    for name, (header, rows) in analysis.to_tables().items():
        tables.write_csv(folder / f'{stem}-{name}.csv', header, rows)
    print(
        f'evaluate: wrote errors by class, confused pairs, mistakes and calibration to {folder}; '
        f'expected calibration error {analysis.compute_calibration_error():.3f} '
        f'({analysis.estimate_chance_calibration_error():.3f} by chance alone)'
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
