"""The averaged probabilities of several trained networks (paper, section 6)."""

import dataclasses
import pathlib

from alexnet_tf.commands.evaluate import error_report, scoring, selection
from alexnet_tf.config import schema
from alexnet_tf.evaluation import ensembles, error_analysis
from alexnet_tf.reports import tables
from alexnet_tf.runs import results, run_directory
from input_pipeline.records import manifests


def evaluate(config: schema.Config, manifest: manifests.Manifest) -> list[dict[str, object]]:
    """Evaluates each network of `--ensemble` and their average.

    Returns:
        Their rows of `results.csv`; the first run's file gets that of the average.
    """
    options, rows = config.evaluation, []
    if options.search_weights:
        selection.check_split(manifest, options.search_weights, '--search_weights')
    run_directory.check_same_data(options.ensemble)
    evaluators = [
        scoring.RunEvaluator(dataclasses.replace(config, run_dir=run_dir), manifest)
        for run_dir in options.ensemble
    ]
    for views in selection.select_views(config):
        pairs = [evaluator.predict_and_record(options.split, views) for evaluator in evaluators]
        rows += [row for _, row in pairs]
        weights = selection.select_ensemble_weights(config)
        if options.search_weights:
            searched = [
                evaluator.predict(options.search_weights, views) for evaluator in evaluators
            ]
            weights = ensembles.search_weights(searched)
        members = [predictions for predictions, _ in pairs]
        rows.append(_evaluate_average(config, manifest, members, weights, views))
    return rows


def _evaluate_average(config, manifest, members, weights, views: int) -> dict[str, object]:
    options, directory = config.evaluation, pathlib.Path(config.evaluation.ensemble[0])
    formatted = ' '.join(f'{weight:g}' for weight in weights)
    row = results.build_row(
        manifest,
        options.split,
        views,
        ensembles.compute_metrics(members, weights),
        run_dir=results.MEMBER_SEPARATOR.join(options.ensemble),
        weights=formatted,
    )
    results.append(directory, row)
    source = f', found on {options.search_weights}' if options.search_weights else ''
    print(f'evaluate: ensemble weights, {tables.format_views(views)}: {formatted}{source}')
    analysis = error_analysis.analyse(members, weights, manifest.classes)
    error_report.write(
        directory / 'ensemble', analysis, manifest=manifest, split=options.split, views=views
    )
    return row
