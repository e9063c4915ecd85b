"""Extrapolations of curves with a known end, and intervals of differences."""

import numpy as np
import pytest

from alexnet_tf.evaluation import trends

STEPS = np.arange(1, 31) * 46.0


def curve(steps):
    return 0.1 + 1.2 * steps**-0.4


def extrapolate(errors, images):
    return trends.extrapolate_error(STEPS, errors, now=errors[-1], images=images)


def test_a_curve_without_noise_is_continued():
    predicted = extrapolate(curve(STEPS), 10**9)
    assert predicted.middle == pytest.approx(curve(2 * STEPS[-1]), abs=0.001)
    assert predicted.low <= predicted.middle <= predicted.high
    assert predicted.high - predicted.low < 0.01


def test_the_interval_holds_the_truth_in_about_19_of_20_curves():
    random, images = np.random.default_rng(1), 2000
    truth, inside = curve(2 * STEPS[-1]), 0
    for _ in range(40):
        low, _, high = extrapolate(random.binomial(images, curve(STEPS)) / images, images)
        inside += low <= truth <= high
    assert inside >= 34


def test_fewer_images_give_a_wider_interval():
    widths = []
    for images in (100, 10_000):
        low, _, high = extrapolate(curve(STEPS), images)
        widths.append(high - low)
    assert widths[0] > 4 * widths[1]


def test_the_error_of_now_falls_as_the_curve_does():
    predicted = trends.extrapolate_error(STEPS, curve(STEPS), now=0.05, images=500)
    share = curve(2 * STEPS[-1]) / curve(STEPS[-1])
    assert predicted.middle == pytest.approx(0.05 * share, abs=0.001)


@pytest.mark.parametrize('error', [0.0, 0.3, 1.0])
def test_a_curve_that_does_not_fall_stays(error):
    assert extrapolate(np.full(30, error), 500).middle == error


def test_a_rising_curve_is_not_said_to_rise_for_ever():
    assert extrapolate(curve(STEPS)[::-1], 500).middle == curve(STEPS)[0]


@pytest.mark.parametrize('errors', [[0.4, 0.3, 0.2, 0.1], [0.4, 0.3, 0.2, 0.1, np.nan]])
def test_too_few_points_or_nan_tell_nothing(errors):
    steps = STEPS[: len(errors)]
    assert trends.extrapolate_error(steps, np.array(errors), now=0.1, images=100) is None


@pytest.mark.parametrize(('images', 'of_images', 'of_seeds'), [(2000, 0.05, 0.02), (100, 0.3, 0.0)])
def test_a_difference_is_inside_its_interval_in_19_of_20_experiments(images, of_images, of_seeds):
    """Of five seeds: some networks are worse by chance, and some images are harder for one."""
    random, truth, intervals = np.random.default_rng(2), 0.03, []
    for _ in range(100):
        errors = [
            0.4 + random.normal(0, of_images, images) + random.normal(0, of_seeds, (5, 1)) + shift
            for shift in (0, truth)
        ]
        wrong = [(random.random((5, images)) < chances) * 1.0 for chances in errors]
        intervals.append(trends.estimate_difference(*wrong))
    low, middle, high = np.transpose(intervals)
    assert ((low <= truth) & (truth <= high)).sum() >= 94
    assert 0.95 < (high - low).mean() / (2 * 1.96 * middle.std()) < 1.6


def test_what_differs_between_seeds_widens_the_interval_of_a_difference():
    wrong = np.tile(np.arange(100) < 30, (4, 1)) * 1.0
    other = wrong + np.array([[-0.02], [0.06], [0.0], [0.08]])
    low, middle, high = trends.estimate_difference(wrong, other)
    assert (middle, low < 0.0, high > 0.05) == (pytest.approx(0.03), True, True)
