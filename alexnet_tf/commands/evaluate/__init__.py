"""`--mode=evaluate`: top-1 and top-5 errors of a trained network, or of an ensemble."""

import dataclasses
import pathlib

from alexnet_tf.commands.evaluate import scoring, selection
from alexnet_tf.config import schema
from alexnet_tf.evaluation import ensembles
from alexnet_tf.reports import result_tables, tables
from alexnet_tf.runs import results, run_directory
from input_pipeline.records import manifests


def run(config: schema.Config) -> None:
    """Evaluates a split, prints a table and appends its rows to `results.csv`."""
    manifest, split = manifests.load(config.data.data_dir), config.evaluation.split
    selection.check_split(manifest, split, '--split')
    if config.evaluation.ensemble:
        directory, rows = config.evaluation.ensemble[0], _evaluate_ensemble(config, manifest)
    else:
        directory, evaluator = config.run_dir, scoring.RunEvaluator(config, manifest)
        rows = [evaluator.evaluate(split, views) for views in selection.select_views(config)]
    print(result_tables.format_results(rows))
    print(
        f'evaluate: appended to {pathlib.Path(directory) / results.RESULTS}; '
        f'--mode=report --run_dir={directory} shows the errors in detail'
    )


def _evaluate_ensemble(
    config: schema.Config, manifest: manifests.Manifest
) -> list[dict[str, object]]:
    """Evaluates each network of `--ensemble` and their averaged probabilities (paper, section 6).

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
            weights = ensembles.search_weights(
                [evaluator.predict(options.search_weights, views) for evaluator in evaluators]
            )
        members = [predictions for predictions, _ in pairs]
        rows.append(_evaluate_average(config, manifest, members, weights, views))
    return rows


def _evaluate_average(config, manifest, members, weights, views: int) -> dict[str, object]:
    options, split = config.evaluation, config.evaluation.split
    directory = pathlib.Path(options.ensemble[0])
    formatted = ' '.join(f'{weight:g}' for weight in weights)
    scores = ensembles.compute_metrics(members, weights)
    run_dir = results.MEMBER_SEPARATOR.join(options.ensemble)
    row = results.build_row(manifest, split, views, scores, run_dir=run_dir, weights=formatted)
    results.append(directory, row)
    source = f', found on {options.search_weights}' if options.search_weights else ''
    print(f'evaluate: ensemble weights, {tables.format_views(views)}: {formatted}{source}')
    scoring.write_errors(
        directory / 'ensemble', members, weights, manifest=manifest, split=split, views=views
    )
    return row
