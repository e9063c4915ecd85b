"""The model card of a run: its contents, collected from the run directory."""

import dataclasses
import json
import pathlib
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from alexnet_tf.commands.report import validation
from alexnet_tf.config import schema, serialization
from alexnet_tf.reports import model_card, result_tables, tables
from alexnet_tf.runs import loading, run_directory


def build_card(
    directory: pathlib.Path,
    analysis: validation.ValidationAnalysis,
    rows: Sequence[Mapping[str, str]],
) -> model_card.ModelCard:
    """Collects what is known about a trained network.

    Args:
        directory: Of the run.
        analysis: Of the same run.
        rows: Newest rows of its `results.csv`.
    """
    trained = analysis.trained
    config = dataclasses.replace(run_directory.read_config(directory), run_dir=str(directory))
    data = run_directory.read_data(directory)
    return model_card.ModelCard(
        name=directory.resolve().name,
        architecture=_describe_network(trained, config),
        classes=trained.names,
        data=_describe_data(analysis, data),
        training=f'Stochastic gradient descent to epoch {trained.epoch}, step {trained.step:,}, '
        f'in batches of {trained.recipe.batch_size}, with seed {config.seed} and '
        f'{config.network.precision} activations.',
        results=[_format_row(row, data) for row in rows if not row['weights']],
        calibration=_describe_calibration(analysis),
        commands={
            'Train it again': serialization.to_command(config, config.mode),
            'Classify new images': 'python -m alexnet_tf.main --mode=predict '
            f'--run_dir={shlex.quote(str(directory))} --inputs=FOLDER',
        },
        environment=json.loads((directory / run_directory.ENVIRONMENT_FILE).read_text()),
    )


def _describe_network(trained: loading.TrainedRun, config: schema.Config) -> str:
    recipe, width = trained.recipe, config.network.width
    network = 'A small network of the AlexNet paper' if recipe.layers else 'AlexNet'
    columns = 'two columns' if recipe.columns == 2 else 'one column'
    narrow = '' if width == 1 else f' and {width:g} times its channels'
    return (
        f'{network} (Krizhevsky, Sutskever and Hinton, 2012) with {columns}{narrow}: '
        f'{trained.model.count_params():,} parameters. Hyperparameters of the recipe {recipe.name}.'
    )


def _describe_data(analysis: validation.ValidationAnalysis, data: Mapping[str, Any]) -> str:
    source, manifest = data.get('source'), analysis.manifest
    parts = [f'Source {source}.'] if source else []
    if manifest and manifest.sha256 == data['manifest_sha256']:
        counts = [f'{manifest.count_examples(split):,} in {split}' for split in manifest.splits]
        parts.append(f'Images: {", ".join(counts)}.')
    return ' '.join([*parts, f'SHA-256 of the manifest: {data["manifest_sha256"]}.'])


def _format_row(row: Mapping[str, str], data: Mapping[str, Any]) -> tuple[str, ...]:
    split = row['split']
    if row['manifest_sha256'] != data['manifest_sha256']:
        split = f'{split} of other records ({row["manifest_sha256"][:8]})'
    return split, *result_tables.format_cells(row), row['step']


def _describe_calibration(analysis: validation.ValidationAnalysis) -> str:
    if not analysis.errors:
        return ''
    error = analysis.errors.compute_calibration_error()
    views = tables.format_views(analysis.views)
    return f'The expected calibration error (15 bins, {views}) is {error:.3f}.'
