"""Rates, epoch by epoch."""

import doctest

import pytest

from alexnet_tf.training import schedule


def test_examples_in_docstrings():
    assert doctest.testmod(schedule).failed == 0


def test_listed_divides_after_each_epoch_named():
    rates = [schedule.listed(1.0, (2, 4), done) for done in range(6)]
    assert rates == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])


@pytest.mark.parametrize(
    ('errors', 'rate'),
    [
        ([], 1.0),
        ([0.5, 0.5], 1.0),
        ([0.5, 0.5, 0.5], 0.1),
        ([0.5, 0.5, 0.4, 0.5], 1.0),
        ([0.5, 0.6, 0.6, 0.5, 0.5], 0.01),
        ([0.5] * 7, 0.001),
        ([0.5] * 9, None),
    ],
)
def test_plateau(errors, rate):
    expected = rate if rate is None else pytest.approx(rate)
    assert schedule.plateau(1.0, errors, patience=2) == expected


def test_layer_multipliers_by_epoch():
    rates = ('conv1=0.1@68', 'conv1=0@72', 'fc8=10')
    for done, expected in [(0, {'fc8': 10}), (68, {'fc8': 10, 'conv1': 0.1})]:
        assert schedule.layer_multipliers(rates, done) == expected
    assert schedule.layer_multipliers(rates, 72)['conv1'] == 0


def test_geometric_over_the_authors_95_epochs():
    """Fact sheet, section 6: 0.01, 0.0015874, 0.00025198, 0.00004; biases 0.02, then 0.002."""
    weights = [0.01, 0.0015874, 0.00025198, 0.00004]
    for done in range(95):
        rate = schedule.geometric(0.01, done, 95)
        assert rate == pytest.approx(weights[4 * done // 95], rel=1e-4)
        biases = rate * schedule.geometric_biases(2.0, done, 95)
        assert biases == pytest.approx(0.02 if done < 47.5 else 0.002)
