"""`--mode=evaluate`: top-1 and top-5 errors of a trained network, or of an ensemble."""

import pathlib

from alexnet_tf.commands.evaluate import ensemble, scoring, selection
from alexnet_tf.config import schema
from alexnet_tf.reports import result_tables
from alexnet_tf.runs import results
from input_pipeline.records import manifests


def run(config: schema.Config) -> None:
    """Evaluates a split, prints a table and appends its rows to `results.csv`."""
    manifest, split = manifests.load(config.data.data_dir), config.evaluation.split
    selection.check_split(manifest, split, '--split')
    if config.evaluation.ensemble:
        directory, rows = config.evaluation.ensemble[0], ensemble.evaluate(config, manifest)
    else:
        directory, evaluator = config.run_dir, scoring.RunEvaluator(config, manifest)
        rows = [evaluator.evaluate(split, views) for views in selection.select_views(config)]
    print(result_tables.format_results(rows))
    print(
        f'evaluate: appended to {pathlib.Path(directory) / results.RESULTS}; '
        f'--mode=report --run_dir={directory} shows the errors in detail'
    )
