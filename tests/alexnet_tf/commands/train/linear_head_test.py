"""The last layer is fitted to the features of the others before the first step."""

import numpy as np
import pytest

from alexnet_tf.commands import train
from alexnet_tf.commands.train import linear_head
from alexnet_tf.training import checkpoint, signals


def classify(features, kernel, bias):
    return (features @ kernel + bias).argmax(-1)


def test_classes_that_a_hyperplane_separates_are_separated():
    random = np.random.default_rng(1)
    labels = random.integers(0, 3, 300)
    centres = random.normal(0, 1, (3, 20))
    features = 5 + 7 * (centres[labels][:, None] + random.normal(0, 0.1, (300, 2, 20)))
    features[..., 4] = 0  # a dead unit
    features = features.astype(np.float32)
    kernel, bias, _ = linear_head.fit(features[:200], labels[:200], num_classes=3)
    predicted = classify(features[200:], kernel, bias)
    np.testing.assert_array_equal(predicted, np.stack([labels[200:]] * 2, 1))


@pytest.mark.parametrize('number', [2, 4])
def test_few_images_are_classified(number):
    features = np.eye(number, 5, dtype=np.float32)[:, None]
    labels, weights = np.arange(number), np.ones(number)
    for class_weights in (None, weights, weights * (labels < number - 1)):
        kernel, bias, decay = linear_head.fit(
            features, labels, num_classes=number, class_weights=class_weights
        )
        assert np.isfinite(kernel).all()
        assert decay in (1, 0.1, 0.01, 0.001)
    kernel, bias, _ = linear_head.fit(features, labels, num_classes=number)
    np.testing.assert_array_equal(classify(features, kernel, bias)[:, 0], labels)


def test_the_fit_is_at_the_minimum_of_the_smoothed_cross_entropy():
    """At the minimum, gradients vanish: the mean prediction of a class is its mean target."""
    random = np.random.default_rng(2)
    features = random.normal(3, 1, (400, 1, 3)).astype(np.float32)
    labels = (features[:, 0, 0] + random.normal(0, 1, 400) > 3.5).astype(int)
    kernel, bias, decay = linear_head.fit(features, labels, num_classes=2, label_smoothing=0.2)
    rows = features[:, 0].astype(float)
    logits = rows @ kernel + bias
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    targets = 0.1 + 0.8 * np.eye(2)[labels]
    np.testing.assert_allclose((probabilities - targets).mean(0), 0, atol=1e-3)
    scaled = (rows - rows.mean(0)) / rows.std()
    gradient = scaled.T @ (probabilities - targets) / 400 + decay * kernel * rows.std()
    np.testing.assert_allclose(gradient, 0, atol=1e-3)


def test_images_count_as_much_as_their_class_weighs():
    """At the minimum, the weighted mean prediction of a class is its weighted share."""
    random = np.random.default_rng(3)
    labels = (random.uniform(size=300) < 0.1).astype(int)
    features = random.normal(labels[:, None, None], 1, (300, 2, 3)).astype(np.float32)
    weights = np.array([0.5, 4.0])
    kernel, bias, _ = linear_head.fit(features, labels, num_classes=2, class_weights=weights)
    logits = features.astype(float) @ kernel + bias
    probabilities = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    mean = np.average(probabilities.mean(1), axis=0, weights=weights[labels])
    share = np.average(labels, weights=weights[labels])
    np.testing.assert_allclose(mean, [1 - share, share], atol=2e-3)
    assert share > 0.3


def test_a_unit_that_is_nearly_always_0_has_no_huge_weight():
    random = np.random.default_rng(2)
    labels = random.integers(0, 2, 200)
    features = random.normal(0, 1, (200, 1, 4)).astype(np.float32)
    features[..., 3] = 1e-3 * (labels == 1)[:, None]
    kernel, _, _ = linear_head.fit(features, labels, num_classes=2)
    assert np.abs(kernel[3]).max() < 1


@pytest.fixture
def start(whole, config_of, tmp_path):
    """Starts a run from another one whose last layer is not loaded."""

    def create(*flags):
        layers = '--init_layers=conv1,conv2,conv3,conv4,conv5,fc6,fc7'
        config = config_of(tmp_path / 'run', f'--init_weights={whole}', layers, *flags)
        training = train.create_trainer(config)
        return training, train.resume_or_create(training)

    return create


def test_the_checkpoint_of_step_0_has_the_fitted_layer_and_its_validation_error(
    start, variables, tmp_path, capsys
):
    training, state = start('--linear_head')
    path = training.find_newest_checkpoint()
    assert path.name == 'step-00000000.epoch-0000'
    saved = checkpoint.read_state(path)
    again = training.validate().metrics['top1_error']
    assert saved['initial_error'] == state.initial_error == again
    printed = capsys.readouterr().out
    assert 'fc8 fitted to 410 features of 14 images, the others as loaded' in printed
    assert f'validation accuracy {100 - 100 * state.initial_error:.1f} %' in printed
    # Restored, it is not fitted again.
    before = variables(tmp_path / 'run')
    again = train.create_trainer(training.config)
    assert train.resume_or_create(again) == state
    for variable in again.learner.variables:
        np.testing.assert_array_equal(variable.numpy(), before[variable.path])
    assert 'fitted' not in capsys.readouterr().out


def test_a_last_layer_that_was_loaded_stays_as_it_is(config_of, whole, tmp_path, variables):
    config = config_of(tmp_path, f'--init_weights={whole}', '--linear_head')
    training = train.create_trainer(config)
    state = train.resume_or_create(training)
    np.testing.assert_array_equal(variables(tmp_path)['fc8/kernel'], variables(whole)['fc8/kernel'])
    assert state.initial_error is not None


def test_the_fitted_layer_is_kept_as_the_best_if_training_makes_it_worse(
    start, idle, tmp_path, monkeypatch
):
    training, state = start('--linear_head', '--stop_after_worse_epochs=2')
    training = idle(training)
    state.initial_error = 0.0
    training.save_checkpoint(state, ends_epoch=True)
    monkeypatch.setattr(
        type(state), 'end_epoch', _replace_error(type(state).end_epoch, validation_error=0.5)
    )
    state = training.train(state, signals.StopRequest())
    assert (state.epoch, state.validation_errors) == (2, [0.5, 0.5])
    best = checkpoint.find_best(tmp_path / 'run' / 'checkpoints')
    assert best.name == 'step-00000000.epoch-0000'


def _replace_error(end_epoch, validation_error):
    return lambda state, train_error, _: end_epoch(state, train_error, validation_error)


def test_the_decay_is_the_one_that_errs_least_on_images_held_out():
    """A weak unit tells the classes; a strong one does so by chance in the images to fit."""
    random = np.random.default_rng(4)
    labels = random.integers(0, 2, 600)
    signs = 2 * labels - 1
    strong = random.normal(size=600) + 0.3 * signs * (np.arange(600) < 300)
    features = np.stack([0.1 * signs, strong], -1)[:, None].astype(np.float32)
    kernel, bias, decay = linear_head.fit(features[:300], labels[:300], num_classes=2)
    assert decay < 1
    assert (classify(features[300:], kernel, bias)[:, 0] == labels[300:]).mean() > 0.9
