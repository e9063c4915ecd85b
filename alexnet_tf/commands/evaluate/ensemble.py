"""The averaged probabilities of several trained networks (paper, section 6)."""

import dataclasses
import pathlib

from alexnet_tf.commands.evaluate import scoring
from alexnet_tf.config import schema
from alexnet_tf.evaluation import metrics
from alexnet_tf.reports import tables
from alexnet_tf.runs import run as runs
from input_pipeline.records import manifests


def run(config: schema.Config, manifest: manifests.Manifest) -> None:
    """Scores each network of `--ensemble` and their average, whose row the first run gets."""
    asked = config.evaluation
    if asked.search_weights:
        scoring.check_split(manifest, asked.search_weights, '--search_weights')
    runs.check_same_data(asked.ensemble)
    networks = [
        scoring.Network(dataclasses.replace(config, run_dir=each), manifest)
        for each in asked.ensemble
    ]
    rows = []
    for views in scoring.views_of(config):
        entered = [network.entered(asked.split, views) for network in networks]
        members = [member for member, _ in entered]
        rows += [row for _, row in entered]
        weights = _weights(config, networks, views)
        result = _scored(members, weights)
        shown = ' '.join(f'{each:g}' for each in weights)
        of = scoring.JOINED.join(asked.ensemble)
        rows.append(scoring.row(manifest, asked.split, views, result, of=of, weights=shown))
        directory = pathlib.Path(asked.ensemble[0])
        tables.append_csv(directory / scoring.RESULTS, rows[-1])
        found = f', found on {asked.search_weights}' if asked.search_weights else ''
        print(f'ensemble: {views} views: weights {shown}{found}')
        scoring.analyse(members, weights, manifest, directory / 'ensemble', asked.split, views)
    print(scoring.table(rows))


def _scored(members, weights) -> dict[str, float]:
    return metrics.score([each.probabilities for each in members], members[0].labels, weights)


def _weights(config, networks, views: int) -> list[float]:
    split = config.evaluation.search_weights
    if not split:
        return scoring.weights_of(config)
    members = [network.remembered(split, views) for network in networks]
    return metrics.search([each.probabilities for each in members], members[0].labels)
