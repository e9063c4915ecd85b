"""Top-1 and top-5 errors of a trained network, or of several, of one view, of ten, of nine."""

import pathlib

from alexnet_tf.commands.evaluate import ensemble, scoring
from alexnet_tf.config import schema
from alexnet_tf.reports import tables
from input_pipeline.records import manifests


def run(config: schema.Config) -> None:
    """Scores a split, prints a table, appends to `results.csv`."""
    manifest = manifests.load(config.data.data_dir)
    scoring.check_split(manifest, config.evaluation.split, '--split')
    if config.evaluation.ensemble:
        return ensemble.run(config, manifest)
    network, rows = scoring.Network(config, manifest), []
    for views in scoring.views_of(config):
        split = config.evaluation.split
        result = network.score(split, views)
        rows.append(
            scoring.row(manifest, split, views, result, of=config.run_dir, step=network.step)
        )
        tables.append_csv(pathlib.Path(config.run_dir) / scoring.RESULTS, rows[-1])
    print(scoring.table(rows))
