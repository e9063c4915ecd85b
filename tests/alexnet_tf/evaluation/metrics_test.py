"""Scores and weights, against loops over examples."""

import numpy as np
import pytest

from alexnet_tf.evaluation import metrics

RANDOM = np.random.default_rng(4)


def some(examples, classes, sharp):
    powers = np.exp(sharp * RANDOM.normal(size=(examples, classes)))
    return (powers / powers.sum(1, keepdims=True)).astype(np.float32)


def by_hand(mean, labels):
    losses, top1, top5 = [], [], []
    for row, label in zip(mean, labels, strict=True):
        losses.append(-np.log(row[label]))
        order = sorted(range(len(row)), key=lambda at: -row[at])
        top1.append(order[0] != label)
        top5.append(label not in order[:5])
    return {'loss': np.mean(losses), 'top1_error': np.mean(top1), 'top5_error': np.mean(top5)}


@pytest.mark.parametrize('weights', [None, [1.0, 0.0, 2.0]])
def test_of_a_weighted_mean(weights, monkeypatch):
    monkeypatch.setattr(metrics, '_CHUNK', 7)
    members, labels = [some(50, 9, sharp) for sharp in (1, 2, 3)], RANDOM.integers(0, 9, 50)
    shares = np.array(weights or [1, 1, 1]) / sum(weights or [1, 1, 1])
    mean = sum(share * member.astype(float) for share, member in zip(shares, members, strict=True))
    assert metrics.score(members, labels, weights) == pytest.approx(by_hand(mean, labels))


def test_ties_count_in_parts():
    rows = np.array([[9, 9, 9, 0, 0, 0, 0], [0] * 7, [7, 6, 5, 4, 1, 1, 1]], float)
    top1, top5 = metrics.errors(rows, np.array([1, 2, 5]))
    np.testing.assert_allclose(top1, [2 / 3, 6 / 7, 1])
    np.testing.assert_allclose(top5, [0, 2 / 7, 2 / 3])


def test_the_search_finds_who_knows():
    labels = RANDOM.integers(0, 12, 300)
    knows = np.full((300, 12), 0.01)
    knows[np.arange(300), labels] = 0.89
    guesses = [some(300, 12, 4) for _ in range(2)]
    members = [guesses[0], knows, guesses[1]]
    weights = metrics.search(members, labels)
    found, equal = metrics.score(members, labels, weights), metrics.score(members, labels)
    assert found['top5_error'] == found['top1_error'] == 0 < equal['top1_error']
    assert weights[1] == max(weights)
    assert all(abs(20 * each - round(20 * each)) < 1e-9 for each in weights)


def test_the_search_keeps_what_nothing_betters():
    same, labels = some(40, 8, 2), RANDOM.integers(0, 8, 40)
    assert metrics.search([same, same], labels) == [0.5, 0.5]
