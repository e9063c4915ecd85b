"""Fits the last layer to what the others compute, before the first step of a run.

All other layers stay as they were loaded, so that the outputs of the last hidden layer, the
features, need be computed only once.
"""

import itertools
from collections.abc import Collection, Iterator

import keras
import numpy as np
import tensorflow as tf

from alexnet_tf.commands.train import trainer
from alexnet_tf.models import topology
from alexnet_tf.reports import tables
from alexnet_tf.runs import build
from alexnet_tf.training import schedule
from alexnet_tf.training import state as state_lib
from input_pipeline.batches import datasets
from input_pipeline.records import checking, manifests

_VIEWS = 2  # of an image: the centre and its mirror image
_MAX_VALUES = 2**27  # of all features: half a GiB
_STEPS, _BATCH_SIZE, _MOMENTUM = 1000, 512, 0.9
_DECAYS = (0.1, 0.01, 0.001)
_HELD_OUT = 5  # every fifth image chooses among them


def initialise(training: trainer.Trainer, state: state_lib.TrainingState, missing: Collection[str]):
    """Fits the last layer, validates the network, and saves it as the checkpoint of step 0.

    Deterministic: the same records and weights give the same layer.

    Args:
        training: Of a new run whose weights are loaded.
        state: Of the run, which gets the validation error.
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
        )
        layer.kernel.assign(kernel)
        layer.bias.assign(bias)
        log(
            f'train: {layer.name} fitted to {features.shape[1]:,} features of '
            f'{len(features):,} images, the others as loaded (weight decay {decay:g})'
        )
    state.initial_error = training.validate(state).metrics['top1_error']
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
    for squares, batch_labels, mask in _read_batches(training, inputs.shape[-1]):
        is_example = mask.numpy() > 0
        features.append(extract(squares).numpy()[is_example])
        labels.append(batch_labels.numpy()[is_example])
    return np.concatenate(features), np.concatenate(labels)


def _read_batches(training: trainer.Trainer, num_features: int) -> Iterator[tuple]:
    """Reads batches of training records, as many as memory has room for the features of."""
    manifest = training.manifest
    shards = manifest.list_shards(manifests.TRAIN)
    batches = datasets.iterate(
        datasets.evaluation_dataset(
            shards,
            layout=manifest.layout,
            batch_size=max(1, training.config.evaluation.eval_batch_size // _VIEWS),
        ),
        manifest.directory,
        lambda: checking.find_first_unreadable(shards, manifest.layout),
    )
    values = manifest.count_examples(manifests.TRAIN) * _VIEWS * num_features
    return itertools.islice(batches, 0, None, -(-values // _MAX_VALUES))


def fit(
    features: np.ndarray,
    labels: np.ndarray,
    *,
    num_classes: int,
    label_smoothing: float = 0.0,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray, float]:
    """Fits a multinomial logistic regression, with the weight decay that fits images held out.

    Args:
        features: (images, views, features) float32.
        labels: (images,) from 0.
        num_classes: Number of classes.
        label_smoothing: As of the recipe.
        seed: Seed of the order.

    Returns:
        Kernel (features, num_classes) and bias (num_classes,), float32, and the weight decay.
    """
    views = features.shape[1]
    mean = features.mean((0, 1))
    sd = features.std((0, 1))
    sd[sd == 0] = 1.0  # of units that are always 0
    rows = ((features - mean) / sd).reshape(-1, features.shape[-1])
    targets = np.full((num_classes, num_classes), label_smoothing / num_classes, np.float32)
    targets += (1 - label_smoothing) * np.eye(num_classes, dtype=np.float32)
    targets = np.repeat(targets[labels], views, axis=0)
    is_held_out = np.repeat(np.arange(len(labels)) % _HELD_OUT == _HELD_OUT - 1, views)
    decay = _choose_decay(rows, targets, is_held_out, seed)
    weights, bias = _descend(rows, targets, decay, seed)
    kernel = weights / sd[:, None]
    return kernel, bias - mean @ kernel, decay


def _choose_decay(rows, targets, is_held_out, seed: int) -> float:
    """Chooses the weight decay with the lowest error on the rows held out."""

    def compute_error(decay: float) -> float:
        weights, bias = _descend(rows[~is_held_out], targets[~is_held_out], decay, seed)
        predicted = (rows[is_held_out] @ weights + bias).argmax(1)
        return float(np.mean(predicted != targets[is_held_out].argmax(1)))

    errors = {decay: compute_error(decay) for decay in _DECAYS}
    print(errors)
    return min(errors, key=errors.get)


def _descend(rows, targets, decay: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Minimises the cross-entropy by gradient descent with momentum, its rate along a cosine."""
    random = np.random.default_rng(seed)
    largest = _estimate_largest_eigenvalue(rows[random.integers(len(rows), size=2048)])
    weights = np.zeros((rows.shape[1], targets.shape[1]), np.float32)
    bias = np.zeros(targets.shape[1], np.float32)
    velocity, bias_velocity = np.zeros_like(weights), np.zeros_like(bias)
    for step in range(_STEPS):
        rate = schedule.cosine(1 / (largest / 2 + decay), step / _STEPS)
        batch = random.integers(len(rows), size=_BATCH_SIZE)
        x = rows[batch]
        logits = x @ weights + bias
        logits = np.exp(logits - logits.max(1, keepdims=True))
        excess = (logits / logits.sum(1, keepdims=True) - targets[batch]) / _BATCH_SIZE
        velocity = _MOMENTUM * velocity - rate * (x.T @ excess + decay * weights)
        bias_velocity = _MOMENTUM * bias_velocity - rate * excess.sum(0)
        weights += velocity
        bias += bias_velocity
    return weights, bias


def _estimate_largest_eigenvalue(rows: np.ndarray) -> float:
    """Estimates the largest eigenvalue of the second moments of rows, by power iteration."""
    vector = np.ones(rows.shape[1], np.float32)
    for _ in range(10):
        vector = rows.T @ (rows @ vector) / len(rows)
        length = float(np.linalg.norm(vector)) or 1.0
        vector /= length
    return max(length, 1.0)  # 1 is the bias'


def _get_last_layer(model: keras.Model) -> keras.Layer:
    return model.get_layer(topology.list_layer_names(model)[-1])
