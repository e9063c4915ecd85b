"""Top-1 and top-5 errors of a trained network, or of several, of one view, of ten, of nine."""

import pathlib

import input_pipeline
from alexnet_tf import config as configs
from alexnet_tf.reporting import tables
from alexnet_tf.workflows import ensemble, judging


def run(config: configs.Config) -> None:
    """Scores a split, prints a table, appends to `results.csv`."""
    manifest = input_pipeline.records.load(config.data.data_dir)
    judging.check_split(manifest, config.evaluation.split, '--split')
    if config.evaluation.ensemble:
        return ensemble.run(config, manifest)
    network, rows = judging.Network(config, manifest), []
    for views in judging.views_of(config):
        split = config.evaluation.split
        result = network.score(split, views)
        rows.append(
            judging.row(manifest, split, views, result, of=config.run_dir, step=network.step)
        )
        tables.append_csv(pathlib.Path(config.run_dir) / judging.RESULTS, rows[-1])
    print(judging.table(rows))
