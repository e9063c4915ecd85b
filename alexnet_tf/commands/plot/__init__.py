"""`--mode=plot`: plots one of the paper's figures, as PNG and SVG, and its values as CSV."""

import pathlib

from alexnet_tf.config import schema
from alexnet_tf.plots import availability
from alexnet_tf.reports import tables


def run(config: schema.Config) -> None:
    """Plots `--figure` into `figures/` of the run directory."""
    charts = availability.require_plots('--mode=plot')
    from alexnet_tf.commands.plot import image_figures, run_figures  # they import matplotlib

    name = config.plot.figure
    plotted = (run_figures.FIGURES | image_figures.FIGURES)[name](config)
    path = pathlib.Path(config.run_dir) / 'figures' / name
    for suffix in ('.png', '.svg'):
        charts.save_figure(plotted.figure, path.with_suffix(suffix))
    tables.write_csv(path.with_suffix('.csv'), plotted.header, plotted.rows)
    print(f'plot: {path}.png, .svg, .csv')
