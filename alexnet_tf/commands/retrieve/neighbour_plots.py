"""Plots queries beside their neighbours (`--draw`), as an image or as an HTML page."""

import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from alexnet_tf.commands.evaluate import selection
from alexnet_tf.config import schema
from alexnet_tf.plots import availability
from alexnet_tf.reports import html
from input_pipeline import files
from input_pipeline.batches import datasets
from input_pipeline.records import manifests

Query = tuple[dict[str, Any], np.ndarray, np.ndarray]  # row, square, indices of the neighbours


def load_database(config: schema.Config) -> manifests.Manifest:
    """Checks, before anything is computed, that neighbours can be plotted.

    Returns:
        The manifest of the records whose images are plotted.

    Raises:
        PackageMissing: The format requires matplotlib, which is not installed.
        DataError: There are no records.
        UsageError: They have no such split.
    """
    if not _is_html(config):
        availability.require_plots('--draw')
    manifest = manifests.load(config.data.data_dir)
    selection.check_split(manifest, config.retrieve.database, '--database')
    return manifest


def save_plot(
    config: schema.Config, manifest: manifests.Manifest, queries: Sequence[Query]
) -> None:
    """Writes `--draw`: each query, followed by its neighbours and their distances.

    Args:
        config: Settings of the command.
        manifest: Manifest of the database's records.
        queries: (row of the output, (size, size, 3) uint8 RGB, indices of the neighbours) of each.
    """
    path, galleries = pathlib.Path(config.predict.draw), _read_galleries(config, manifest, queries)
    if _is_html(config):
        page = html.document('Nearest images', _html_blocks(galleries))
        files.write_atomically(path, page.encode())
        return
    images, captions = [], []
    for file, squares, texts in galleries:
        images += squares
        captions += [pathlib.Path(file).name, *texts]
    charts, columns = availability.require_plots('--draw'), 1 + len(queries[0][2])
    charts.save_figure(charts.plot_image_grid(images, captions, columns), path)


def _is_html(config: schema.Config) -> bool:
    return pathlib.Path(config.predict.draw).suffix in ('.html', '.htm')


def _read_galleries(config, manifest, queries) -> Iterator[tuple[str, list[np.ndarray], list[str]]]:
    """Yields (file, squares of the query and its neighbours, captions of the neighbours)."""
    shards = manifest.list_shards(config.retrieve.database)
    for row, square, indices in queries:
        squares = datasets.read_squares(shards, manifest.layout, indices.tolist())
        yield (
            row['file'],
            [square, *squares],
            [_caption(neighbour) for neighbour in row['neighbours']],
        )


def _html_blocks(galleries) -> Iterator[str]:
    for file, squares, captions in galleries:
        yield html.heading(file)
        images = zip(squares, ('the query', *captions), strict=True)
        yield html.gallery((tf.io.encode_jpeg(image).numpy(), text) for image, text in images)


def _caption(neighbour: dict[str, Any]) -> str:
    return f'{neighbour["class"].split(",")[0]}\n{neighbour["distance"]:.4g}'
