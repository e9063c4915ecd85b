"""Figures of experiments, looked into."""

import pytest

pytest.importorskip('matplotlib')
from alexnet_tf.plots import experiments


def test_colours_are_explained_where_the_first_group_is_far_off():
    rows = [
        {'group': group, 'top1_error_1': error, 'top1_error_10': error, 'top1_error_9': ''}
        for group, error in (('base', '0.9'), ('a', '0.3'), ('b', '0.31'))
    ]
    (axes,) = experiments.errors(rows).axes
    assert [each.get_text() for each in axes.get_legend().get_texts()] == ['1 view', '10 views']
    assert [each.get_text() for each in axes.texts] == ['90.0 →', '90.0 →']
