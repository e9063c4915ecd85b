"""How often an epoch draws each example, against a loop that deals them out."""

import numpy as np
import pytest
import tensorflow as tf

from input_pipeline.batches import balancing

LABELS = np.random.default_rng(0).permutation(np.repeat([0, 1, 2, 4], [11, 1, 3, 2]))


def count(epoch, seed=3, labels=LABELS):
    return balancing.BalancedDraws(labels, seed).count(tf.constant(epoch, tf.int64)).numpy()


def test_every_class_is_drawn_equally_often():
    draws = balancing.BalancedDraws(LABELS, 3)
    assert (draws.num_classes, draws.per_class, draws.num_examples) == (4, 4, 16)  # 17 examples
    for epoch in range(5):
        by_class = np.bincount(LABELS, count(epoch), minlength=5)
        assert by_class.tolist() == [4, 4, 4, 0, 4]


def test_draws_are_those_of_decks_that_are_dealt_out_one_after_the_other():
    """A deck has each example of a class once; an epoch takes the next four cards."""
    counts = np.array([count(epoch) for epoch in range(12)])
    for label in np.unique(LABELS):
        dealt = np.zeros((label == LABELS).sum(), int)
        for of_class in counts[:, label == LABELS]:
            dealt += of_class
            # Only those of the present deck may have been dealt once more.
            assert dealt.max() - dealt.min() <= 1
        assert dealt.sum() == 12 * 4


def test_seed_and_epoch_decide_the_draws():
    np.testing.assert_array_equal(count(5), count(5))
    large = np.repeat([0, 1], [500, 20])
    one, other = count(0, labels=large), count(0, seed=4, labels=large)
    assert (one != other).sum() > 100
    # Of two independent halves, about half are in both.
    again = count(2, labels=large)  # the first half of the second pass
    assert np.sum(one[:500] * again[:500]) == pytest.approx(135, abs=35)


def test_examples_of_a_pass_are_drawn_with_equal_probability():
    """6 of 10, by their rank in the class, of 300 classes; 300 others have 2 examples each."""
    labels = np.concatenate([np.repeat(np.arange(300), 10), np.repeat(np.arange(300, 600), 2)])
    drawn = count(0, labels=labels)[:3000].reshape(300, 10)
    assert set(drawn.ravel()) == {0, 1}
    assert np.abs(drawn.mean(0) - 0.6).max() < 4 * np.sqrt(0.6 * 0.4 / 300)
    assert len({tuple(row) for row in drawn.tolist()}) > 100  # of 210
