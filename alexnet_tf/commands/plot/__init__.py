"""The paper's figures, of any run: a PNG, an SVG and the numbers of each."""

import importlib
import pathlib

from alexnet_tf.commands.plot import availability
from alexnet_tf.config import schema
from alexnet_tf.reports import tables
from input_pipeline import files

# The module of each figure; they import matplotlib.
_FIGURES = {
    'kernels': 'run_plots',
    'network': 'run_plots',
    'curves': 'run_plots',
    'training_curves': 'run_plots',
    'predictions': 'image_plots',
    'neighbours': 'image_plots',
    'activations': 'image_plots',
    'gradient': 'image_plots',
}


def run(config: schema.Config) -> None:
    """Draws `--figure` into the run's `figures/`."""
    figures, asked = availability.needed('--mode=draw'), config.draw.figure
    module = importlib.import_module(f'alexnet_tf.commands.plot.{_FIGURES[asked]}')
    drawn = getattr(module, asked)(config)
    directory = pathlib.Path(config.run_dir) / 'figures'
    for kind in ('png', 'svg'):
        figures.save(drawn.figure, directory / f'{asked}.{kind}')
    rows = [[tables.safe_cell(e) if isinstance(e, str) else e for e in row] for row in drawn.rows]
    files.write_csv(directory / f'{asked}.csv', [drawn.header, *rows])
    print(f'draw: {directory / asked}.png, .svg, .csv')
