"""Chooses the settings that fine-tune known weights within `--minutes`."""

import pathlib
from typing import Any

from alexnet_tf.commands.train import budget
from alexnet_tf.config import schema, serialization
from alexnet_tf.models import cifar, recipes
from alexnet_tf.runs import build, initial_weights, run_directory
from alexnet_tf.training import schedule

_OF_NETWORK = (*initial_weights.NETWORK_FIELDS, 'view_size', 'input_mean')
# Taken from `modern`, whatever the recipe of the network.
_FROM_MODERN = (
    *('nesterov', 'batch_size', 'schedule', 'warmup', 'label_smoothing', 'reshuffle'),
    *('random_crops', 'crop_chunk', 'min_crop_area', 'contrast'),
    *('colour_shift_divisor', 'colour_shift_epochs'),
)
_OF_FINE_TUNING = ('layer_rates', 'init_missing', 'linear_head', 'stop_after_worse_epochs')
_OF_FINE_TUNING += ('checkpoint',)
_LAST_RATE = 0.4  # of the last layer, as a multiple of its learning rate from scratch
_RATE_BY_LAYER = 0.7  # of a layer, as a multiple of the next one's
_WORSE_EPOCHS = 10


def choose_settings(config: schema.Config) -> schema.Config:
    """Chooses the settings that `--init_weights` with `--minutes` leaves open.

    The network is that of the run whose weights are loaded. A run that exists keeps its settings.

    Args:
        config: Settings of the command.

    Raises:
        DataError: `--init_weights` names nothing, or a directory that holds no run.
        UsageError: It names a file of another format.
    """
    if not (config.training.minutes and config.training.init_weights):
        return config
    directory = pathlib.Path(config.run_dir)
    if run_directory.holds_run(directory):
        return serialization.fill_in(config, _list_chosen(run_directory.read_config(directory)))
    source = pathlib.Path(config.training.init_weights)
    initial_weights.check_exists(source, '--init_weights')
    if source.is_file():  # checks the format
        initial_weights.find_weights(source, 'newest', '--init_weights')
    config = serialization.fill_in(config, _list_network_settings(config))
    return serialization.fill_in(config, _choose_training(build.resolve_recipe(config)))


def _list_network_settings(config: schema.Config) -> dict[str, Any]:
    """Lists the settings of the network that `--init_weights` is from.

    A weight file does not tell them; its network is the one that the flags describe.
    """
    source = pathlib.Path(config.training.init_weights)
    trained = run_directory.read_config(source) if source.is_dir() else config
    settings, recipe = serialization.to_settings(trained), build.resolve_recipe(trained)
    known = {name: settings[name] for name in ('recipe', *_OF_NETWORK)}
    # Explicit, so that they are not the budget's to choose.
    unused = cifar.list_unused_fields(recipe)
    explicit = [name for name in (*budget.SIZES, 'conv1_order') if name not in unused]
    return known | {name: getattr(recipe, name) for name in explicit}


def _list_chosen(config: schema.Config) -> dict[str, Any]:
    """Lists what was chosen for a run that exists."""
    settings = serialization.to_settings(config)
    names = ('recipe', *_OF_NETWORK, *budget.SIZES, *_FROM_MODERN, *_OF_FINE_TUNING)
    return {name: settings[name] for name in names}


def _choose_training(recipe: recipes.Recipe) -> dict[str, Any]:
    modern = {name: getattr(recipes.MODERN, name) for name in _FROM_MODERN}
    # The rest is left to the budget.
    chosen = {name: value for name, value in modern.items() if value != getattr(recipe, name)}
    from_scratch = schedule.layer_multipliers(recipe.layer_rates, 0)
    rates = {
        layer: _LAST_RATE * _RATE_BY_LAYER**depth * from_scratch.get(layer, 1.0)
        for depth, layer in enumerate(reversed(_list_layers(recipe)))
    }
    return chosen | {
        'layer_rates': tuple(f'{layer}={rate:.2g}' for layer, rate in rates.items()),
        'init_missing': 'fresh',
        'linear_head': True,
        'stop_after_worse_epochs': _WORSE_EPOCHS,
        'checkpoint': 'best',
    }


def _list_layers(recipe: recipes.Recipe) -> list[str]:
    """Lists the layers with weights, from the lowest to the highest."""
    if recipe.layers:
        return [layer.name for layer in recipe.layers]
    convolutions = [f'conv{number}' for number in range(1, 7 if recipe.conv6 else 6)]
    return [name for name in convolutions if name != recipe.removed_layer] + ['fc6', 'fc7', 'fc8']
