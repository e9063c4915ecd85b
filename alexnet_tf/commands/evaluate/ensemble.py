"""The averaged probabilities of several trained networks (paper, section 6)."""

import dataclasses
import pathlib
from collections.abc import Sequence

from alexnet_tf.commands.evaluate import error_report, scoring, selection
from alexnet_tf.config import schema
from alexnet_tf.evaluation import ensembles, prediction_cache
from alexnet_tf.runs import results, run_directory
from input_pipeline.records import manifests


def run(config: schema.Config, manifest: manifests.Manifest) -> list[dict[str, object]]:
    """Evaluates each network of `--ensemble` and their average, which the first run records.

    Returns:
        The rows of `results.csv`.
    """
    options = config.evaluation
    if options.search_weights:
        selection.check_split(manifest, options.search_weights, '--search_weights')
    run_directory.check_same_data(options.ensemble)
    evaluators = [
        scoring.RunEvaluator(dataclasses.replace(config, run_dir=run_dir), manifest)
        for run_dir in options.ensemble
    ]
    rows = []
    for views in selection.select_views(config):
        pairs = [evaluator.predict_and_record(options.split, views) for evaluator in evaluators]
        rows += [row for _, row in pairs]
        weights = _choose_weights(config, evaluators, views)
        members = [predictions for predictions, _ in pairs]
        rows.append(_record_average(config, manifest, members, weights, views))
    return rows


def _choose_weights(config, evaluators: Sequence[scoring.RunEvaluator], views: int) -> list[float]:
    split = config.evaluation.search_weights
    if not split:
        return selection.select_ensemble_weights(config)
    members = [evaluator.predict(split, views) for evaluator in evaluators]
    return ensembles.search_weights([member.probabilities for member in members], members[0].labels)


def _record_average(
    config: schema.Config,
    manifest: manifests.Manifest,
    members: Sequence[prediction_cache.Predictions],
    weights: Sequence[float],
    views: int,
) -> dict[str, object]:
    """Evaluates the weighted mean, records its row and writes its error analysis."""
    options = config.evaluation
    scores = ensembles.compute_metrics(
        [member.probabilities for member in members], members[0].labels, weights
    )
    listed = ' '.join(f'{weight:g}' for weight in weights)
    row = results.build_row(
        manifest,
        options.split,
        views,
        scores,
        run_dir=results.MEMBER_SEPARATOR.join(options.ensemble),
        weights=listed,
    )
    directory = pathlib.Path(options.ensemble[0])
    results.append(directory, row)
    source = f', found on {options.search_weights}' if options.search_weights else ''
    print(f'evaluate: ensemble weights with {views} views: {listed}{source}')
    error_report.write(
        directory / 'ensemble',
        members,
        weights,
        manifest=manifest,
        split=options.split,
        views=views,
    )
    return row
