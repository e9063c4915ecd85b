"""The paper's figures, of any run: a PNG, an SVG and the numbers of each."""

import importlib
import pathlib

import input_pipeline
from alexnet_tf import config as configs
from alexnet_tf.reporting import tables
from alexnet_tf.workflows import drawing

# The module of each figure; they import matplotlib.
_FIGURES = {
    'kernels': 'drawn_runs',
    'network': 'drawn_runs',
    'curves': 'drawn_runs',
    'training_curves': 'drawn_runs',
    'predictions': 'drawn_pictures',
    'neighbours': 'drawn_pictures',
    'activations': 'drawn_pictures',
    'gradient': 'drawn_pictures',
}


def run(config: configs.Config) -> None:
    """Draws `--figure` into the run's `figures/`."""
    figures, asked = drawing.needed('--mode=draw'), config.draw.figure
    module = importlib.import_module(f'alexnet_tf.workflows.{_FIGURES[asked]}')
    drawn = getattr(module, asked)(config)
    directory = pathlib.Path(config.run_dir) / 'figures'
    for kind in ('png', 'svg'):
        figures.save(drawn.figure, directory / f'{asked}.{kind}')
    rows = [[tables.safe_cell(e) if isinstance(e, str) else e for e in row] for row in drawn.rows]
    input_pipeline.files.write_csv(directory / f'{asked}.csv', [drawn.header, *rows])
    print(f'draw: {directory / asked}.png, .svg, .csv')
