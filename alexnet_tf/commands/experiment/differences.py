"""Computes confidence intervals of the differences between the lines of an experiment."""

from collections.abc import Mapping, Sequence

import numpy as np

from alexnet_tf.commands.evaluate import scoring
from alexnet_tf.commands.experiment import grid
from alexnet_tf.commands.experiment import trials as trials_lib
from alexnet_tf.evaluation import metrics, trends
from alexnet_tf.reports import experiment_tables
from alexnet_tf.runs import selection
from input_pipeline import errors as errors_lib
from input_pipeline.records import manifests


def estimate_differences(
    trials: Sequence[grid.Trial], rows: Sequence[Mapping[str, str]], manifest: manifests.Manifest
) -> dict[tuple[str, int], trends.Interval]:
    """Estimates how much higher the top-1 error of each group is than that of the first.

    It reads the probabilities that `--save_probabilities` kept, or predicts them anew. A run that
    has been trained further since, or has lost its checkpoints, is left out.

    Args:
        trials: The trials of the experiment.
        rows: Rows of `runs.csv`, one for each trial.
        manifest: Manifest of the records.

    Returns:
        Intervals by group and number of views, over the seeds that a group shares with the first.
    """
    errors: dict[tuple[str, int], dict[int, np.ndarray]] = {}
    for trial, row in zip(trials, rows, strict=True):
        if row['status'] != experiment_tables.DONE:
            continue
        epochs, step = trials_lib.read_epochs(trial), trials_lib.read_state(trial).step
        is_trained = trials_lib.count_epochs(epochs) == int(row['epochs'])
        if not is_trained or step not in (0, int(epochs[-1]['step'])):
            print(
                f'experiment: {trial.name} is in no 95 % interval: its epochs differ from runs.csv'
            )
            continue
        try:
            evaluator = scoring.RunEvaluator(trial.config, manifest)
        except errors_lib.DataError as error:
            print(f'experiment: {trial.name} is in no 95 % interval: {error}')
            continue
        for views in selection.select_views(trial.config):
            predictions = evaluator.predict(trial.config.evaluation.split, views)
            top1, _ = metrics.compute_top_k_errors(predictions.labels, predictions.probabilities)
            errors.setdefault((trial.group, views), {})[trial.config.seed] = top1
    intervals = {}
    for (group, views), by_seed in errors.items():
        first = errors.get((trials[0].group, views), {})
        seeds = sorted(first.keys() & by_seed)
        if group != trials[0].group and seeds:
            pair = (np.stack([runs[seed] for seed in seeds]) for runs in (first, by_seed))
            interval = trends.estimate_difference(*pair)
            if interval.low < interval.high:  # otherwise no image distinguishes them
                intervals[group, views] = interval
    return intervals
