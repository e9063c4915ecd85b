"""`--mode=evaluate`: top-1 and top-5 errors of a trained network, or of an ensemble."""

import dataclasses
import pathlib

from alexnet_tf.commands.evaluate import scoring
from alexnet_tf.config import schema
from alexnet_tf.evaluation import ensembles, error_analysis
from alexnet_tf.reports import result_tables, tables
from alexnet_tf.runs import image_index, results, run_directory, selection
from input_pipeline import errors
from input_pipeline.records import manifests


def run(config: schema.Config) -> None:
    """Evaluates a split, prints a table and appends its rows to `results.csv`.

    Raises:
        OSError: The results, which were printed, could not be written.
    """
    for run_dir in config.evaluation.ensemble or [config.run_dir]:
        run_directory.read_data(pathlib.Path(run_dir))  # a wrong name, before its records
    manifest, split = image_index.load_manifest(config), config.evaluation.split
    selection.check_split(manifest, split, '--split')
    if config.evaluation.ensemble:
        directory, rows = config.evaluation.ensemble[0], _evaluate_ensemble(config, manifest)
        print(result_tables.format_results(rows, len(manifest.classes)))
    else:
        directory = config.run_dir
        _evaluate_run(config, manifest)
    print(f'evaluate: appended to {pathlib.Path(directory) / results.RESULTS}')


def _evaluate_run(config: schema.Config, manifest: manifests.Manifest) -> None:
    """Evaluates the run in `--run_dir`. Results that cannot be written are still printed."""
    evaluator, split = scoring.RunEvaluator(config, manifest), config.evaluation.split
    _print_part(manifest, split, config.run_dir)
    rows, problems = [], []
    for views in selection.select_views(config):
        row, analysis = evaluator.evaluate(split, views)
        rows.append(row)
        try:
            evaluator.record(row, analysis, split, views)
        except (OSError, errors.DataError) as error:
            problems.append(error)
    print(result_tables.format_results(rows, len(manifest.classes)))
    print(result_tables.format_classes(analysis.rank_classes(), views))
    for error in problems:
        if isinstance(error, errors.DataError):
            raise error
        reason = f'these results were not kept: {error.strerror}'
        raise OSError(error.errno, reason, error.filename) from error


def _print_part(manifest: manifests.Manifest, split: str, run_dir: str) -> None:
    """Prints a note if training images are evaluated, too, or only one split of new images."""
    is_own = run_directory.read_data(pathlib.Path(run_dir))['manifest_sha256'] == manifest.sha256
    examples, total = manifest.count_examples(split), manifest.count_examples(manifests.ALL)
    if is_own and split == manifests.ALL and manifest.splits.get(manifests.TRAIN):
        learnt = manifest.count_examples(manifests.TRAIN)
        print(f'evaluate: {learnt:,} of these {total:,} images are those of its training')
    elif not is_own and examples < total:
        print(
            f'evaluate: {examples:,} of {total:,} images in {manifest.directory}, its {split} '
            f'split. If none were used in training, --split={manifests.ALL} evaluates all.'
        )


def _evaluate_ensemble(
    config: schema.Config, manifest: manifests.Manifest
) -> list[dict[str, object]]:
    """Evaluates each network of `--ensemble` and their averaged probabilities (paper, section 6).

    Returns:
        Rows of all networks and the average; the first run's `results.csv` gets the latter.
    """
    options, rows = config.evaluation, []
    if options.search_weights:
        selection.check_split(manifest, options.search_weights, '--search_weights')
    run_directory.check_same_data(options.ensemble, reads_files=False)
    evaluators = [
        scoring.RunEvaluator(dataclasses.replace(config, run_dir=run_dir), manifest)
        for run_dir in options.ensemble
    ]
    _print_part(manifest, options.split, options.ensemble[0])
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
    analysis = error_analysis.analyse(members, weights, manifest.classes)
    scoring.write_errors(
        directory / 'ensemble', analysis, split=split, views=views, plotted=manifest
    )
    return row
