"""The error plot of an experiment has a legend and marks outliers."""

import numpy as np
import pytest

pytest.importorskip('matplotlib')
from alexnet_tf.plots import experiments


def test_colours_are_explained_although_the_first_group_is_an_outlier():
    errors = {
        group: {'1 view': [error], '10 views': [error], '9 views': []}
        for group, error in (('base', 0.9), ('a', 0.3), ('b', 0.31))
    }
    (axes,) = experiments.plot_errors(errors).axes
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ['1 view', '10 views']
    assert [text.get_text() for text in axes.texts] == ['90.0 →', '90.0 →']


def test_a_search_has_a_plot_for_each_hyperparameter_without_runs_that_diverged():
    rows = [
        {'rung': rung, 'minutes': minutes, 'width': width, 'top1_error_1': error}
        for rung, minutes, width, error in (
            ('0', '2.0', '0.25', '0.4'),
            ('0', '2.0', '0.5', ''),
            ('1', '6.0', '0.25', '0.3'),
        )
    ]
    (axes,) = experiments.plot_search(rows, ['width']).axes
    points = [(line.get_xdata(), line.get_ydata()) for line in axes.lines]
    assert [(list(x), list(y)) for x, y in points] == [([0.25], [40]), ([0.25], [30])]
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ['2.0 minutes', '6.0 minutes']


def test_dots_stand_beside_the_tick_of_their_group():
    errors = {
        group: {'1 view': [0.2], '2 views': [], '10 views': [], '9 views': [0.3]}
        for group in ('base', 'other')
    }
    (axes,) = experiments.plot_errors(errors).axes
    heights = [line.get_ydata()[0] for line in axes.lines if line.get_marker() == 'o']
    np.testing.assert_allclose(heights, [-0.11, 0.11, 0.89, 1.11])
