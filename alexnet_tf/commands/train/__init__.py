"""Trains a network on prepared records; the same command resumes an interrupted run.

From here to the update of the weights: `trainer.py` (the loop), `training/steps.py` (the graph of
one step), `training/optimizer.py` (the update).
"""

import contextlib
import pathlib

import keras
import numpy as np

from alexnet_tf.commands.train import (
    budget,
    class_balance,
    fine_tuning,
    linear_head,
    monitor,
    trainer,
)
from alexnet_tf.config import schema
from alexnet_tf.runs import build, creation, initial_weights, training_data
from alexnet_tf.training import distribution, evaluator, health, signals
from alexnet_tf.training import state as state_lib
from input_pipeline.batches import preprocessing
from input_pipeline.records import manifests


def run(config: schema.Config) -> tuple[schema.Config, str] | None:
    """Trains until the schedule ends, or a signal asks to stop.

    Returns:
        The settings and the `--mode` of the command that comes next; None in all workers but the
        chief.
    """
    config = creation.restore_former_values(config)
    config, lines = budget.choose_settings(fine_tuning.choose_settings(config))
    for line in lines:
        print(line, flush=True)
    replicas = build.create_replicas(config)  # before TensorFlow runs anything
    with distribution.report_disconnected_peers(replicas):
        identity = creation.compute_settings_identity(config)
        distribution.check_same_everywhere(replicas, identity)  # before networks differ
        return _train(create_trainer(config, replicas))


def _train(training: trainer.Trainer) -> tuple[schema.Config, str] | None:
    config = training.config
    with (
        creation.lock(pathlib.Path(config.run_dir), training.replicas),
        signals.stop_requests() as stop,
        contextlib.closing(training.monitor),
    ):
        state = resume_or_create(training)
        if config.training.minutes and training.replicas.is_chief:
            training.monitor.log(f'train: {budget.write_flagfile(config)} has these settings')
        try:
            state = training.train(state, stop)
        finally:
            training.monitor.log_bytes_read(int(training.stream.bytes_read))
        training.monitor.log_end(state)
    return (config, 'evaluate') if training.replicas.is_chief else None


def create_trainer(
    config: schema.Config, replicas: distribution.SingleReplica | None = None
) -> trainer.Trainer:
    """Creates all that training needs: data, network, optimizer, evaluation, logs.

    Args:
        config: Settings of the command.
        replicas: Replicas of the network; None creates those of the config.

    Raises:
        UsageError: Settings that do not go together, or a device that does not exist.
        DataError: There are no records.
    """
    replicas = replicas or build.create_replicas(config)
    recipe = build.resolve_recipe(config)
    manifest = training_data.load_manifest(config)
    training_data.check_settings(config, recipe, manifest, replicas.number)

    statistics = manifests.load_statistics(manifest)
    augment = build.build_augmentation(statistics, recipe)
    share = (replicas.worker, replicas.workers)
    balance = class_balance.load(config, manifest)
    stream = training_data.create_stream(
        config, recipe, manifest, augment, share, balanced_labels=balance.sampled_labels
    )
    finish = augment.finish_on_device if stream.on_accelerator else None
    learner = build.build_learner(
        config,
        recipe,
        len(manifest.classes),
        replicas=replicas,
        finish_on_device=finish,
        class_weights=balance.weights,
    )
    build.check_layer_rates(recipe, learner.model)
    preprocess = build.build_preprocessing(statistics.mean_image, recipe)
    return trainer.Trainer(
        config=config,
        recipe=recipe,
        manifest=manifest,
        stream=stream,
        balance=balance,
        learner=learner,
        replicas=replicas,
        evaluator=_create_evaluator(config, learner.model, preprocess, replicas),
        monitor=monitor.Monitor(
            config, recipe, model=learner.model, manifest=manifest, stream=stream, replicas=replicas
        ),
    )


def _create_evaluator(
    config: schema.Config,
    model: keras.Model,
    preprocess: preprocessing.Preprocessing,
    replicas: distribution.SingleReplica,
) -> evaluator.Evaluator:
    return evaluator.Evaluator(
        model,
        preprocess,
        views=1,
        batch_size=config.evaluation.eval_batch_size,
        replicas=replicas,
        relu_units=health.ReluUnits(model),
        max_bad_fraction=(
            config.data.max_bad_fraction if config.input.on_bad_record == 'skip' else None
        ),
    )


def resume_or_create(training: trainer.Trainer) -> state_lib.TrainingState:
    """Resumes from the newest checkpoint, or creates the run directory of a new run."""
    config, log = training.config, training.monitor.log
    newest = training.find_newest_checkpoint()
    loaded = []
    if newest:
        messages = [f'train: resumes from {newest}']
    else:
        model, classes = training.learner.model, training.manifest.classes
        messages, missing = initial_weights.load_initial_weights(config, model, classes)
        loaded = model.get_weights() if config.training.init_weights else []
    if (loaded or config.training.class_weights) and training.replicas.workers > 1:
        weights = [*loaded, np.float64(training.balance.weights)]
        identity = creation.compute_weights_identity(weights)
        distribution.check_same_everywhere(training.replicas, identity)
    if training.replicas.is_chief:
        creation.create_or_check(config, training.manifest)
        training.balance.keep_or_check(pathlib.Path(config.run_dir))
    if newest:
        state = training.restore(newest)
    else:
        state = state_lib.TrainingState()
        training.monitor.rewind(None)
        training.monitor.write_start()
    for message in [*messages, *training.balance.describe()]:
        log(message)
    training.monitor.log_start()
    if config.training.linear_head and not newest:
        linear_head.initialise(training, state, missing)
    elif config.training.on_nonfinite == 'rollback' and not newest:
        training.save_checkpoint(state)  # to roll back to
    return state
