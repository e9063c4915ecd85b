"""The averaged probabilities of several trained networks (paper, section 6)."""

import dataclasses
import pathlib

import input_pipeline
from alexnet_tf import config as configs
from alexnet_tf.reporting import tables
from alexnet_tf.scoring import scores
from alexnet_tf.workflows import judging
from alexnet_tf.workflows import run as runs


def run(config: configs.Config, manifest: input_pipeline.records.Manifest) -> None:
    """Scores each network of `--ensemble` and their average, whose row the first run gets."""
    asked = config.evaluation
    if asked.search_weights:
        judging.check_split(manifest, asked.search_weights, '--search_weights')
    runs.check_same_data(asked.ensemble)
    networks = [
        judging.Network(dataclasses.replace(config, run_dir=each), manifest)
        for each in asked.ensemble
    ]
    rows = []
    for views in judging.views_of(config):
        entered = [network.entered(asked.split, views) for network in networks]
        members = [member for member, _ in entered]
        rows += [row for _, row in entered]
        weights = _weights(config, networks, views)
        result = _scored(members, weights)
        shown = ' '.join(f'{each:g}' for each in weights)
        of = judging.JOINED.join(asked.ensemble)
        rows.append(judging.row(manifest, asked.split, views, result, of=of, weights=shown))
        directory = pathlib.Path(asked.ensemble[0])
        tables.append_csv(directory / judging.RESULTS, rows[-1])
        found = f', found on {asked.search_weights}' if asked.search_weights else ''
        print(f'ensemble: {views} views: weights {shown}{found}')
        judging.analyse(members, weights, manifest, directory / 'ensemble', asked.split, views)
    print(judging.table(rows))


def _scored(members, weights) -> dict[str, float]:
    return scores.score([each.probabilities for each in members], members[0].labels, weights)


def _weights(config, networks, views: int) -> list[float]:
    split = config.evaluation.search_weights
    if not split:
        return judging.weights_of(config)
    members = [network.remembered(split, views) for network in networks]
    return scores.search([each.probabilities for each in members], members[0].labels)
