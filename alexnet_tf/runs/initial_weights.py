"""Initialises a network from another run or from a weight file (`--init_weights`)."""

import pathlib
from collections.abc import Sequence

import keras

from alexnet_tf.config import fields, schema
from alexnet_tf.models import topology
from alexnet_tf.models.weights import caffe, readers
from alexnet_tf.runs import run_directory
from alexnet_tf.training import checkpoint


def load_initial_weights(
    config: schema.Config, model: keras.Model, classes: Sequence[str]
) -> list[str]:
    """Loads the weights that `--init_weights` names, if any, into a network.

    Args:
        config: Settings of the command.
        model: The network, randomly initialised.
        classes: Class labels of the training records, in label order. The last layer of a run on
            other classes is not loaded.

    Returns:
        Lines for the log: which layers were loaded, and which were not.

    Raises:
        UsageError: The file format is not supported, or `--init_layers` names an unknown layer.
        DataError: The weights do not fit the network.
    """
    if not config.training.init_weights:
        return []
    layers = config.training.init_layers
    names = topology.list_layer_names(model)
    if unknown := sorted(set(layers or ()) - set(names)):
        raise fields.UsageError(
            f'--init_layers={",".join(unknown)}: this network has {", ".join(names)}.'
        )
    source = pathlib.Path(config.training.init_weights)
    file = _find_file(source, config.evaluation.checkpoint)
    if source.is_dir() and layers is None and run_directory.read_classes(source) != tuple(classes):
        layers = names[:-1]
    try:
        weights = readers.read(file, names)
    except ImportError as error:
        raise fields.UsageError(str(error)) from error
    loaded, missing = caffe.assign(
        model,
        weights,
        file=file,
        layers=layers or (),
        allow_missing=config.training.init_missing == 'fresh',
    )
    lines = [f'train: initialised from {file}: {", ".join(loaded)}']
    return lines + ([f'train: randomly initialised: {", ".join(missing)}'] if missing else [])


def _find_file(source: pathlib.Path, which_checkpoint: str) -> pathlib.Path:
    if source.is_dir():
        path = run_directory.find_checkpoint(source, which_checkpoint, '--init_weights')
        return path / checkpoint.VARIABLES_FILE
    if source.suffix not in readers.SUFFIXES:
        raise fields.UsageError(
            f'--init_weights={source}: expected a run directory or a file that ends in '
            f'{", ".join(readers.SUFFIXES)}.'
        )
    return source
