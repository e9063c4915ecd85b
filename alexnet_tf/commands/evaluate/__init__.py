"""`--mode=evaluate`: top-1 and top-5 errors of a trained network, or of an ensemble."""

import pathlib

from alexnet_tf.commands.evaluate import ensemble, scoring, selection
from alexnet_tf.config import schema
from alexnet_tf.reports import result_tables
from alexnet_tf.runs import results
from input_pipeline.records import manifests


def run(config: schema.Config) -> None:
    """Evaluates a split, prints a table and appends its rows to `results.csv`."""
    manifest = manifests.load(config.data.data_dir)
    selection.check_split(manifest, config.evaluation.split, '--split')
    members = config.evaluation.ensemble
    rows = ensemble.run(config, manifest) if members else _evaluate_run(config, manifest)
    directory = members[0] if members else config.run_dir
    print(result_tables.format_results(rows))
    print(
        f'evaluate: results are in {pathlib.Path(directory) / results.RESULTS}; '
        f'--mode=report --run_dir={directory} shows them with the errors in detail'
    )


def _evaluate_run(config, manifest: manifests.Manifest) -> list[dict[str, object]]:
    evaluator, rows = scoring.RunEvaluator(config, manifest), []
    for views in selection.select_views(config):
        split = config.evaluation.split
        scores = evaluator.score(split, views)
        row = results.build_row(
            manifest, split, views, scores, run_dir=config.run_dir, step=evaluator.step
        )
        results.append(pathlib.Path(config.run_dir), row)
        rows.append(row)
    return rows
