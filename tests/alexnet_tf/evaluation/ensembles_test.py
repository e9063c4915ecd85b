"""Metrics of averaged probabilities and the search of weights, against loops over examples."""

import numpy as np
import pytest

from alexnet_tf.evaluation import ensembles, prediction_cache

RANDOM = np.random.default_rng(4)


def random_probabilities(examples, classes, sharpness):
    powers = np.exp(sharpness * RANDOM.normal(size=(examples, classes)))
    return (powers / powers.sum(1, keepdims=True)).astype(np.float32)


def predict(members, labels):
    return [prediction_cache.Predictions(member, labels, []) for member in members]


def metrics_by_loop(mean, labels):
    losses, top1, top5 = [], [], []
    for row, label in zip(mean, labels, strict=True):
        losses.append(-np.log(row[label]))
        order = sorted(range(len(row)), key=lambda at: -row[at])
        top1.append(order[0] != label)
        top5.append(label not in order[:5])
    return {'loss': np.mean(losses), 'top1_error': np.mean(top1), 'top5_error': np.mean(top5)}


@pytest.mark.parametrize('weights', [[1.0, 1.0, 1.0], [1.0, 0.0, 2.0]])
def test_metrics_are_those_of_the_weighted_mean(weights, monkeypatch):
    monkeypatch.setattr(ensembles, '_CHUNK', 7)
    members = [random_probabilities(50, 9, sharpness) for sharpness in (1, 2, 3)]
    labels = RANDOM.integers(0, 9, 50)
    shares = np.array(weights) / sum(weights)
    mean = sum(share * member.astype(float) for share, member in zip(shares, members, strict=True))
    expected = metrics_by_loop(mean, labels)
    scores = ensembles.compute_metrics(predict(members, labels), weights)
    assert scores == pytest.approx(expected)


def test_the_search_finds_the_member_that_is_always_right():
    labels = RANDOM.integers(0, 12, 300)
    right = np.full((300, 12), 0.01)
    right[np.arange(300), labels] = 0.89
    guesses = [random_probabilities(300, 12, 4) for _ in range(2)]
    members = predict([guesses[0], right, guesses[1]], labels)
    weights = ensembles.search_weights(members)
    searched = ensembles.compute_metrics(members, weights)
    equal = ensembles.compute_metrics(members, [1.0, 1.0, 1.0])
    assert searched['top5_error'] == searched['top1_error'] == 0 < equal['top1_error']
    assert weights[1] == max(weights)
    assert all(abs(20 * weight - round(20 * weight)) < 1e-9 for weight in weights)


def test_the_search_keeps_weights_that_nothing_improves():
    member, labels = random_probabilities(40, 8, 2), RANDOM.integers(0, 8, 40)
    assert ensembles.search_weights(predict([member, member], labels)) == [0.5, 0.5]


def test_the_search_prefers_a_low_top5_error_to_a_low_loss():
    """One member is sure, and wrong about the second image; the other has both labels fifth."""
    unsure = [0.14, *[0.16] * 4, *[0.11] * 2]
    sure = [[0.9, *[0.1 / 6] * 6], [0.01, *[0.165] * 6]]
    members = predict([np.array(sure), np.array([unsure, unsure])], np.array([0, 0]))
    searched = ensembles.compute_metrics(members, ensembles.search_weights(members))
    equal = ensembles.compute_metrics(members, [0.5, 0.5])
    assert searched['top5_error'] == 0 < equal['top5_error']
    assert equal['loss'] < searched['loss']
