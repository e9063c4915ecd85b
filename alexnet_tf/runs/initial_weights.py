"""Initialises a network from another run or from a weight file."""

import pathlib
from collections.abc import Sequence
from typing import Any

import keras

from alexnet_tf.config import fields, schema, serialization
from alexnet_tf.models import recipes, topology
from alexnet_tf.models.weights import assignment, readers, recognition, weight_file
from alexnet_tf.runs import build, creation, description, run_directory
from alexnet_tf.training import checkpoint
from input_pipeline import errors

_KINDS = {'norm1': 'normalization', 'pool1': 'max_pool'}  # of layers, as `recognition` calls them
_FLAG = '--init_weights'
_SHAPE_FIELDS = ('width', 'channel_multiple', 'hidden_units', 'crop_size', 'training_crop_size')
# The hyperparameters that decide what a network computes from its weights, except dropout and
# the layers of small networks.
NETWORK_FIELDS = (
    *('width', 'channel_multiple', 'columns', 'filters', 'conv6', 'removed_layer', 'hidden_units'),
    *('activation', 'pool_size', 'pool_rounding', 'crop_size', 'global_pooling'),
    *('conv1_padding', 'conv1_order', 'conv2_order', 'lrn_across_columns', 'same_map_alpha'),
    *('input_sd', 'input_scale', 'batch_norm'),
    *('normalization', 'lrn_k', 'lrn_n', 'lrn_alpha', 'lrn_beta'),
)


def load_initial_weights(
    config: schema.Config, model: keras.Model, classes: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Loads the weights that `--init_weights` names, if any, into a network.

    Args:
        config: Settings of the command.
        model: The network, randomly initialised.
        classes: Class labels of the training records, in label order. The last layer of a run on
            other classes is not loaded.

    Returns:
        Lines for the log about layers that were and were not loaded; the names of the latter.

    Raises:
        UsageError: The file format is not supported, `--init_layers` names an unknown layer, or
            without it, the weights are of a run with another network.
        DataError: The weights do not fit the network.
    """
    names = topology.list_layer_names(model)
    if not config.training.init_weights:
        return [], names
    layers = config.training.init_layers or None
    if unknown := sorted(set(layers or ()) - set(names)):
        raise fields.UsageError(
            f'--init_layers={",".join(unknown)}: this network has {", ".join(names)}.'
        )
    source = pathlib.Path(config.training.init_weights)
    file = find_weights(source, config.evaluation.checkpoint, _FLAG)
    if source.is_dir() and layers is None:
        check_same_network(
            source,
            file,
            recipe=build.resolve_recipe(config),
            argument=_FLAG,
            advice='Give the settings of the run',
            trains=True,
        )
        if run_directory.read_classes(source) != tuple(classes):
            layers = names[:-1]
    loaded, missing = load(
        model,
        readers.read(file),
        recipe=build.resolve_recipe(config),
        trains=True,
        classes=classes,
        layers=layers or (),
        allow_missing=config.training.init_missing == 'fresh',
        advice='Give --init_missing=fresh to initialise these layers randomly.',
    )
    lines = [f'train: initialised from {file}: {", ".join(loaded)}']
    if missing:
        lines.append(f'train: randomly initialised: {", ".join(missing)}')
    return lines, missing


def check_same_network(
    directory: pathlib.Path,
    file: pathlib.Path,
    *,
    recipe: recipes.Recipe,
    argument: str,
    advice: str,
    trains: bool = False,
) -> None:
    """Checks that a network is that of a run; other networks may have weights of these shapes.

    Args:
        directory: The run directory.
        file: Its file of weights, which the message offers to load without this check.
        recipe: The hyperparameters of the network.
        argument: The flag or the argument that named the directory, for the message.
        advice: What to do about a difference, for the message.
        trains: Whether the network is trained before it predicts, so that dropout may differ.

    Raises:
        UsageError: The networks differ.
        DataError: The directory holds no run.
    """
    config = run_directory.read_config(directory)
    trained = build.resolve_recipe(config)
    if differences := _compare_networks(trained, recipe, trains):
        raise fields.UsageError(
            f'{argument}={directory}: the run, of recipe {trained.name}, has another network '
            f'({differences}). {advice}, or give {argument}={file}, whose shapes alone are '
            'checked.'
        )


def _compare_networks(trained: recipes.Recipe, recipe: recipes.Recipe, trains: bool) -> str:
    """Describes how the networks of two recipes differ; '' if they do not."""
    networks = (_describe_network(network, trains) for network in (trained, recipe))
    return '; '.join(creation.describe_differences(*networks))


def _describe_network(recipe: recipes.Recipe, trains: bool) -> dict[str, Any]:
    """Describes what a network computes from its weights."""
    layers = ' '.join(part for layer in recipe.layers for part in (layer.name, *layer.after))
    # Dropout that is not inverted scales its inputs at test time.
    scaled = () if trains or recipe.dropout_inverted else ('dropout', 'dropout_on_inputs')
    network = {name: getattr(recipe, name) for name in (*scaled, *NETWORK_FIELDS)}
    return {'layers': layers} | network


def check_exists(source: pathlib.Path, argument: str) -> None:
    """Checks that there is a run directory or file of weights.

    Raises:
        DataError: There is none; the message names `argument`.
    """
    if not source.exists():
        raise errors.DataError(
            f'{argument}={source}: no such file or run directory. {readers.NO_DOWNLOADS}'
        )


def find_weights(source: pathlib.Path, which_checkpoint: str, argument: str) -> pathlib.Path:
    """Finds the weight file in a run directory, or returns the weight file that was named.

    Args:
        source: A run directory or a weight file.
        which_checkpoint: 'newest' or 'best', for a run directory.
        argument: The flag or the argument that named the source, for messages.

    Raises:
        UsageError: The file format is not supported.
        DataError: There is no such file or directory, or the directory holds no trained network.
    """
    if source.is_dir():
        path = run_directory.find_checkpoint(source, which_checkpoint, argument)
        return path / checkpoint.VARIABLES_FILE
    check_exists(source, argument)
    if source.suffix not in readers.SUFFIXES:
        raise fields.UsageError(
            f'{argument}={source}: expected a run directory or a file that ends in '
            f'{", ".join(readers.SUFFIXES)}.'
        )
    return source


def load(
    model: keras.Model,
    weights: weight_file.WeightFile,
    *,
    recipe: recipes.Recipe,
    trains: bool = False,
    classes: Sequence[str] = (),
    **options: Any,
) -> tuple[list[str], list[str]]:
    """Loads a weight file into a network.

    Args:
        model: The network.
        weights: From `readers.read`.
        recipe: The hyperparameters of the network.
        trains: Whether the network is trained before it predicts, so that dropout may differ.
        classes: Class labels of the network. The last layer of a file that describes a run on
            other classes is not loaded.
        **options: Further arguments of `assignment.assign`.

    Returns:
        The names of the layers that were loaded, and of those that were not.

    Raises:
        UsageError: The file describes the run that it is from, which has another network.
        DataError: The weights do not fit the network.
    """
    described, recognised = description.find(weights), recognition.recognize(weights)
    if described and not options.get('layers'):
        trained = build.resolve_recipe(serialization.from_settings(described.settings))
        if differences := _compare_networks(trained, recipe, trains):
            raise fields.UsageError(
                f'{weights.path} is from a run of recipe {trained.name}, which has another network '
                f'({differences}). Give the settings of the run.'
            )
        if classes and described.classes != tuple(classes):
            options['layers'] = topology.list_layer_names(model)[:-1]
    if not options.get('layers'):
        check_order(model, weights, recognised)
        check_recipe(weights.path, recipe, () if described else recognised.recipes, trains=trains)
    return assignment.assign(model, weights, recognised, **options)


def check_recipe(
    file: pathlib.Path, recipe: recipes.Recipe, known: Sequence[str], *, trains: bool = False
) -> None:
    """Checks that a network has one of the recipes that a file's weights are known to fit.

    Args:
        file: The weight file, for the message.
        recipe: The hyperparameters of the network, which may differ from the recipe's own.
        known: Names of recipes; none if the file does not tell.
        trains: Whether the network is trained before it predicts; then another recipe with the
            same network, or another dropout, is allowed.

    Raises:
        UsageError: It has another recipe.
    """
    shape = {name: getattr(recipe, name) for name in _SHAPE_FIELDS}  # the weights' shapes check it
    others = [recipes.RECIPES[name].replace(**shape) for name in known]
    is_same = trains and any(not _compare_networks(other, recipe, trains) for other in others)
    flags = ' or '.join(f'--recipe={name}' for name in known)
    if known and recipe.name not in known and not is_same:
        raise fields.UsageError(
            f'{file} has the weights of recipe {" or ".join(known)}. That of recipe {recipe.name} '
            f'would compute other features with them. Give {flags}.'
        )


def check_order(
    model: keras.Model, file: weight_file.WeightFile, recognised: recognition.Recognition
) -> None:
    """Checks that the same layers follow conv1 in a file's list and in the network."""
    nodes = {node.name: node for node in topology.list_nodes(model)}
    if not recognised.order or 'conv2_a' not in nodes:
        return
    kinds = [_KINDS[name] for name in nodes['conv2_a'].follows if name in _KINDS]
    if tuple(kinds) != recognised.order:
        known = ' or '.join(f'--recipe={name}' for name in recognised.recipes)
        theirs, ours = (', '.join(order) or 'neither' for order in (recognised.order, kinds))
        raise errors.DataError(
            f'{file.path}: after conv1 its network has {theirs}, but this one has {ours}: the same '
            f'weights would compute other features. Give {known or "the recipe of its network"}.'
        )
