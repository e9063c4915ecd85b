"""Smoothed and mixed targets against their definitions."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.training import targets

RANDOM = np.random.default_rng(0)
LOGITS, LABELS = RANDOM.normal(0, 2, (6, 4)), np.array([0, 3, 1, 2, 0, 1])
# Every pixel tells which image it is from.
IMAGES = np.broadcast_to(np.arange(6.0, dtype=np.float32)[:, None, None, None], (6, 20, 30, 3))


def mix(step, **settings):
    images, own_share = targets.Targets(**settings).mix(tf.constant(IMAGES), tf.constant(step))
    return images.numpy(), float(own_share)


@pytest.mark.parametrize(('smoothing', 'own_share'), [(0.1, None), (0.0, 0.7), (0.2, 0.25)])
def test_the_loss_is_the_cross_entropy_with_the_mixed_distribution(smoothing, own_share):
    probabilities = np.exp(LOGITS) / np.exp(LOGITS).sum(1, keepdims=True)
    own = np.eye(4)[LABELS]
    share = 1.0 if own_share is None else own_share
    expected = (1 - smoothing) * (share * own + (1 - share) * own[::-1]) + smoothing / 4
    loss = targets.Targets(smoothing).compute_loss(LABELS, tf.constant(LOGITS), own_share)
    np.testing.assert_allclose(loss, -(expected * np.log(probabilities)).sum(1), rtol=1e-5)


@pytest.mark.parametrize(('smoothing', 'own_share'), [(0.0, None), (0.2, 0.25)])
def test_each_part_of_the_loss_has_the_weight_of_its_label(smoothing, own_share):
    weights, share = (0.5, 3.0, 0.0, 1.5), 1.0 if own_share is None else own_share
    expected = []
    for row, label in enumerate(LABELS):
        log = LOGITS[row] - np.log(np.exp(LOGITS[row]).sum())
        terms = [
            part * weights[target] * -((1 - smoothing) * log[target] + smoothing * log.mean())
            for part, target in ((share, label), (1 - share, LABELS[5 - row]))
        ]
        expected.append(sum(terms))
    weighted = targets.Targets(smoothing, class_weights=weights)
    loss = weighted.compute_loss(LABELS, tf.constant(LOGITS), own_share)
    np.testing.assert_allclose(loss, expected, rtol=1e-5, atol=1e-6)


def test_a_rectangle_of_the_image_in_reverse_order_is_pasted():
    for step in range(30):
        images, own_share = mix(step, cutmix=1.0)
        pasted = images[0, :, :, 0] == 5
        rows, columns = pasted.any(1), pasted.any(0)
        np.testing.assert_array_equal(pasted, rows[:, None] & columns)
        assert np.all(np.diff(np.flatnonzero(rows)) == 1)
        assert np.all(np.diff(np.flatnonzero(columns)) == 1)
        assert own_share == pytest.approx(np.mean(~pasted), abs=1e-6)
        for index in range(6):
            np.testing.assert_array_equal(images[index, ~pasted], index)
            np.testing.assert_array_equal(images[index, pasted], 5 - index)


def test_shares_are_uniform_and_as_many_batches_are_mixed_as_is_asked():
    always, seldom = (
        tf.function(functools.partial(targets.Targets(cutmix=cutmix).mix, IMAGES))
        for cutmix in (1.0, 0.3)
    )
    shares = np.array([always(tf.constant(step))[1] for step in range(400)])
    assert np.histogram(shares, 4, (0, 1))[0].min() > 70
    kept = np.mean([seldom(tf.constant(step))[1] == 1 for step in range(400)])
    assert kept == pytest.approx(0.7, abs=0.07)


def test_seed_and_step_decide_the_rectangle():
    first = mix(3, cutmix=1.0)
    np.testing.assert_array_equal(mix(3, cutmix=1.0)[0], first[0])
    assert mix(4, cutmix=1.0)[1] != first[1]
    assert mix(3, cutmix=1.0, seed=1)[1] != first[1]


def test_without_cutmix_images_stay():
    images, own_share = targets.Targets(0.1).mix(tf.constant(IMAGES), tf.constant(0))
    np.testing.assert_array_equal(images, IMAGES)
    assert own_share is None
