"""The error plot of an experiment has a legend and marks outliers."""

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
