"""Figures that a notebook shows."""

from typing import Any

import keras

from alexnet_tf.plots import availability, kernels


def plot_kernels(model: keras.Model, title: str) -> Any:
    """Plots the kernels of conv1, column a's above column b's (the paper's figure 3).

    Args:
        model: The network.
        title: The text above the kernels.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        PackageMissing: matplotlib is not installed.
    """
    availability.require_plots('plot_kernels')
    from alexnet_tf.plots import run_plots  # which imports matplotlib

    title = f'{title}: {kernels.describe_rows(model)}'
    figure = run_plots.plot_kernels({title: kernels.render_first_layer(model)}, '')
    return show_in_notebooks(figure)


def show_in_notebooks(figure: Any) -> Any:
    """Lets a notebook show a figure; by itself it shows only pyplot's."""
    charts = availability.require_plots('A figure')
    figure._repr_png_ = lambda: charts.encode_png(figure)
    return figure
