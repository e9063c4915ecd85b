"""Plots of runs: their lines, colours and tiles."""

import numpy as np
import pytest

pytest.importorskip('matplotlib')
from alexnet_tf.plots import run_plots

EPOCHS = [
    {
        'epoch': str(epoch),
        'learning_rate': learning_rate,
        'train_top1_error': error,
        'validation_top1_error': error,
    }
    for epoch, learning_rate, error in ((1, '0.01', '0.8'), (2, '0.01', '0.5'), (3, '0.001', '0.4'))
]


def test_error_curves_are_percentages_and_mark_where_the_learning_rate_was_divided():
    (axes,) = run_plots.plot_error_curves({'run': EPOCHS}).axes
    train, validation, drop = axes.get_lines()
    np.testing.assert_allclose(train.get_ydata(), [80, 50, 40])
    np.testing.assert_allclose(validation.get_xdata(), [1, 2, 3])
    assert (train.get_linestyle(), validation.get_linestyle()) == ('--', '-')
    assert list(drop.get_xdata()) == [2, 2]


def test_axes_include_the_largest_error_of_any_run():
    runs = {'low': EPOCHS[1:], 'high': EPOCHS}
    (axes,) = run_plots.plot_error_curves(runs).axes
    assert axes.get_ylim()[0] == 0
    assert axes.get_ylim()[1] > 80
    (axes,) = run_plots.plot_training_curves(runs).axes
    assert axes.get_ylim()[1] > 0.8


def test_training_curves_of_a_group_share_a_colour_and_a_label():
    runs = {'a': EPOCHS, 'b': EPOCHS, 'c': EPOCHS[:1]}
    groups = {'a': 'relu', 'b': 'relu', 'c': '_tanh'}
    (axes,) = run_plots.plot_training_curves(runs, 0.25, groups).axes
    first, second, third, level = axes.get_lines()
    assert first.get_color() == second.get_color() != third.get_color()
    assert (first.get_linestyle(), third.get_linestyle()) == ('-', '--')
    assert third.get_marker() == 'o'  # a single epoch would be no line
    assert list(level.get_ydata()) == [0.25, 0.25]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ['relu', ' _tanh']


def test_channels_are_tiled_on_a_scale_that_is_symmetric_if_there_are_negatives():
    image = np.zeros((5, 5, 3), np.uint8)
    values = np.zeros((2, 2, 18))
    values[..., 17] = -3.0
    axes = run_plots.plot_activations({'a': values}, image, 'conv1').axes[1]
    tiles = axes.get_images()[0]
    assert tiles.get_array().shape == (2 * 3 + 1, 16 * 3 + 1)
    assert (tiles.get_array()[4:6, 4:6] == -3).all()
    assert tiles.get_clim() == (-3, 3)


def test_units_are_wrapped_into_rows_on_a_scale_from_zero():
    values = np.arange(70.0)
    figure = run_plots.plot_activations({'a': values}, np.zeros((5, 5, 3), np.uint8), 'fc7')
    units = figure.axes[1].get_images()[0]
    assert units.get_array().shape == (2, 64)
    assert units.get_array()[1, 5] == 69
    assert units.get_clim() == (0, 69)
    assert 'column a: 70 of 70 units' in figure.axes[1].get_title()
