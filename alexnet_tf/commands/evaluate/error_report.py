"""The files of `errors/` in a run directory: where a network, or an ensemble, errs."""

import pathlib

from alexnet_tf.evaluation import error_analysis
from alexnet_tf.plots import availability
from alexnet_tf.reports import tables
from input_pipeline import files
from input_pipeline.batches import datasets
from input_pipeline.records import manifests

_MAX_MISTAKES = 24  # in a plot


def write(
    directory: pathlib.Path,
    analysis: error_analysis.ErrorAnalysis,
    *,
    manifest: manifests.Manifest,
    split: str,
    views: int,
) -> None:
    """Writes tables of the errors and, with matplotlib, a plot of the most confident mistakes.

    Args:
        directory: Gets the folder `errors`.
        analysis: Of the split.
        manifest: Of the records.
        split: Name of the split.
        views: Number of views of an image.
    """
    folder, stem = directory / 'errors', f'{split}-{views}'
    plots = availability.load_plots()
    if plots and analysis.rank_mistakes():
        figure = plot_mistakes(plots, analysis, manifest, split)
        plots.save_figure(figure, folder / f'{stem}-mistakes.png')
    for name, (header, rows) in analysis.to_tables().items():
        lines = [
            [tables.escape_cell(cell) if isinstance(cell, str) else cell for cell in row]
            for row in rows
        ]
        files.write_csv(folder / f'{stem}-{name}.csv', [header, *lines])
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
