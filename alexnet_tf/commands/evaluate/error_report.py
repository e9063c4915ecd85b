"""The files of `errors/` in a run directory: where a network, or an ensemble, errs."""

import pathlib
from collections.abc import Sequence

from alexnet_tf.evaluation import error_analysis, prediction_cache
from alexnet_tf.plots import availability
from alexnet_tf.reports import tables
from input_pipeline import files
from input_pipeline.batches import datasets
from input_pipeline.records import manifests

_MOST_MISTAKES = 24  # in a plot


def write(
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
        members: Predictions of each network.
        weights: Of the members.
        manifest: Of the records.
        split: Name of the split.
        views: Number of views of an image.
    """
    analysis = error_analysis.analyse(
        [member.probabilities for member in members],
        members[0].labels,
        members[0].ids,
        manifest.classes,
        weights,
    )
    stem = directory / 'errors' / f'{split}-{views}'
    plots = availability.load_plots()
    if plots and analysis.rank_mistakes():
        path = stem.with_name(f'{stem.name}-mistakes.png')
        plots.save_figure(plot_mistakes(plots, analysis, manifest, split), path)
    for name, (header, rows) in analysis.to_tables().items():
        lines = [
            [tables.safe_cell(cell) if isinstance(cell, str) else cell for cell in row]
            for row in rows
        ]
        files.write_csv(stem.with_name(f'{stem.name}-{name}.csv'), [header, *lines])
    print(
        f'evaluate: wrote errors by class, confused pairs, mistakes and calibration to '
        f'{stem.parent}; expected calibration error {analysis.compute_calibration_error():.3f}'
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
    mistakes = analysis.rank_mistakes()[:_MOST_MISTAKES]
    squares = datasets.read_squares(
        manifest.shards(split), manifest.layout, [mistake.position for mistake in mistakes]
    )
    captions = [
        f'{mistake.label}\npredicted {mistake.predicted}\n{tables.percent(mistake.probability)}'
        for mistake in mistakes
    ]
    return plots.plot_image_grid(squares, captions)
