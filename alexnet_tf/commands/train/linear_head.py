"""Fits the last layer to the outputs of the others, before the first step of a run.

All other layers stay as they were loaded, so the features, which are the outputs of the last hidden
layer, are computed only once.
"""

import itertools
import math
from collections.abc import Collection, Iterator

import keras
import numpy as np
import tensorflow as tf

from alexnet_tf.commands.train import trainer
from alexnet_tf.models import topology
from alexnet_tf.reports import tables
from alexnet_tf.runs import build, training_data
from alexnet_tf.training import state as state_lib
from input_pipeline.batches import datasets
from input_pipeline.records import manifests

_VIEWS = 2  # of an image: the centre and its mirror image
_MAX_VALUES = 2**27  # of all features: half a GiB
_MAX_PRODUCTS = 2**34  # of features and weights for all classes: some seconds of fitting
_ITERATIONS = 30
_DECAYS = (1.0, 0.1, 0.01, 0.001)
_HELD_OUT = 5  # every fifth image is held out to choose one


def initialise(training: trainer.Trainer, state: state_lib.TrainingState, missing: Collection[str]):
    """Fits the last layer, validates the network, and saves it as the checkpoint of step 0.

    Deterministic: the same records and weights give the same layer.

    Args:
        training: Trainer of a new run whose weights are loaded.
        state: State of the run, which gets the validation error.
        missing: Names of the layers that were not loaded; if the last one was, it stays as it is.

    Raises:
        DataError: A record cannot be read.
    """
    model, log = training.learner.model, training.monitor.log
    layer = _get_last_layer(model)
    if layer.name in missing:
        features, labels = _compute_features(training)
        kernel, bias, decay = fit(
            features,
            labels,
            num_classes=len(training.manifest.classes),
            label_smoothing=training.recipe.label_smoothing,
            class_weights=training.balance.example_weights,
        )
        layer.kernel.assign(kernel)
        layer.bias.assign(bias)
        log(
            f'train: {layer.name} fitted to {features.shape[-1]:,} features of '
            f'{len(features):,} images, the others as loaded (weight decay {decay:g})'
        )
    state.initial_error = training.validate().metrics['top1_error']
    log(
        'train: before the first step: validation accuracy '
        f'{tables.format_accuracy(state.initial_error)}'
    )
    training.save_checkpoint(state, ends_epoch=True)


def _compute_features(training: trainer.Trainer) -> tuple[np.ndarray, np.ndarray]:
    """Computes the features of the training images.

    Returns:
        (images, features, views) float32, and labels (images,).
    """
    model, manifest, recipe = training.learner.model, training.manifest, training.recipe
    inputs = _get_last_layer(model).input
    extractor = keras.Model(model.input, keras.layers.Activation('linear', dtype='float32')(inputs))
    mean_image = manifests.load_statistics(manifest).mean_image
    preprocess = build.build_preprocessing(mean_image, recipe)

    def extract(squares):
        features = extractor(preprocess.make_views(squares, _VIEWS), training=False)
        return tf.reshape(features, [-1, _VIEWS, features.shape[-1]])

    extract = tf.function(extract, autograph=False, jit_compile=False)
    features, labels = [], []
    step = _choose_step(training, inputs.shape[-1])
    for squares, batch_labels, mask in itertools.islice(_read_batches(training), 0, None, step):
        is_example = mask.numpy() > 0
        features.append(extract(squares).numpy()[is_example])
        labels.append(batch_labels.numpy()[is_example])
    if step == 1:  # otherwise skipped and unreadable images cannot be told apart
        unreadable = manifest.count_examples(manifests.TRAIN) - sum(map(len, labels))
        training_data.check_unreadable(training.config, manifest, unreadable)
    return np.concatenate(features), np.concatenate(labels)


def _choose_step(training: trainer.Trainer, num_features: int) -> int:
    """Chooses n, to use every n-th batch, so that memory and time suffice."""
    classes = len(training.manifest.classes)
    values = training.manifest.count_examples(manifests.TRAIN) * _VIEWS * num_features
    return max(1, math.ceil(max(values / _MAX_VALUES, values * classes / _MAX_PRODUCTS)))


def _read_batches(training: trainer.Trainer) -> Iterator[tuple]:
    """Reads batches of training records."""
    manifest = training.manifest
    return datasets.iterate_examples(
        manifest.list_shards(manifests.TRAIN),
        layout=manifest.layout,
        batch_size=max(1, training.config.evaluation.eval_batch_size // _VIEWS),
        data_dir=manifest.directory,
        tolerant=training.config.input.on_bad_record == 'skip',
    )


def fit(
    features: np.ndarray,
    labels: np.ndarray,
    *,
    num_classes: int,
    label_smoothing: float = 0.0,
    class_weights: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, float]:
    """Fits a multinomial logistic regression, with the weight decay that fits images held out.

    Args:
        features: (images, views, features) float32.
        labels: (images,) from 0.
        num_classes: Number of classes.
        label_smoothing: As in the recipe.
        class_weights: Weight of an image by its label, (num_classes,); None for 1.

    Returns:
        Kernel (features, num_classes) and bias (num_classes,), float32, and the weight decay.
    """
    # One scale for all: a unit that is nearly always 0 would get a huge weight from a scale of its
    # own, and logits would explode once it is not.
    mean, scale = features.mean((0, 1)), features.std() or 1.0
    rows = ((features - mean) / scale).reshape(-1, features.shape[-1])
    rows = np.concatenate([rows, np.ones_like(rows[:, :1])], 1)  # of the bias
    targets = (1 - label_smoothing) * np.eye(num_classes) + label_smoothing / num_classes
    views = features.shape[1]
    targets = np.repeat(targets[labels].astype(np.float32), views, axis=0)
    every = min(_HELD_OUT, len(labels))
    is_held_out = np.repeat(np.arange(len(labels)) % every == every - 1, views)
    counts = None  # how many rows a row stands for
    if class_weights is not None:
        counts = np.repeat(class_weights[labels].astype(np.float32), views)
    decay = _choose_decay(rows, targets, counts, is_held_out)
    weights = _minimise(rows, targets, counts, decay)
    kernel = weights[:-1] / scale
    return kernel, weights[-1] - mean @ kernel, decay


def _choose_decay(
    rows: np.ndarray, targets: np.ndarray, counts: np.ndarray | None, is_held_out: np.ndarray
) -> float:
    """Chooses the weight decay with the lowest error on held-out rows; without any, the first."""
    held_out = None if counts is None else counts[is_held_out]
    if is_held_out.all() or (held_out is not None and not held_out.any()):
        return _DECAYS[0]

    def compute_error(decay: float) -> float:
        kept = None if counts is None else counts[~is_held_out]
        weights = _minimise(rows[~is_held_out], targets[~is_held_out], kept, decay)
        predicted = (rows[is_held_out] @ weights).argmax(1)
        is_wrong = predicted != targets[is_held_out].argmax(1)
        return float(np.average(is_wrong, weights=held_out))

    return min(_DECAYS, key=compute_error)


def _minimise(
    rows: np.ndarray, targets: np.ndarray, counts: np.ndarray | None, decay: float
) -> np.ndarray:
    """Minimises the cross-entropy with weight decay on all rows but the last, the bias.

    Newton's method with an upper bound on the Hessian (Boehning, 1992) inverts that bound only once
    and needs no learning rate: the loss falls in every step.
    """
    penalty = np.append(np.full(rows.shape[1] - 1, decay), 0.0)[:, None]
    weighted = rows if counts is None else rows * counts[:, None]
    bound = rows.T @ weighted / (2 * len(rows)) + np.diag(penalty[:, 0])
    inverse = np.linalg.inv(bound).astype(np.float32)
    weights = np.zeros((rows.shape[1], targets.shape[1]), np.float32)
    for _ in range(_ITERATIONS):
        logits = rows @ weights
        exponentials = np.exp(logits - logits.max(1, keepdims=True))
        excess = exponentials / exponentials.sum(1, keepdims=True) - targets
        gradient = weighted.T @ excess / len(rows) + penalty * weights
        weights -= inverse @ gradient.astype(np.float32)
    return weights


def _get_last_layer(model: keras.Model) -> keras.Layer:
    return model.get_layer(topology.list_layer_names(model)[-1])
