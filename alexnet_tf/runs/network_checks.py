"""Hyperparameters of a network that do not go together, refused before it is built."""

from alexnet_tf.config import fields
from alexnet_tf.models import alexnet, cifar, recipes


def check_training_size(recipe: recipes.Recipe) -> None:
    """Checks that a network can train at its `training_crop_size`.

    Raises:
        UsageError: It cannot.
    """
    size, pad = recipe.training_crop_size, alexnet.compute_padding
    if size and not (recipe.takes_two_sizes and pad(size) == pad(recipe.crop_size)):
        raise fields.UsageError(
            f'--training_crop_size={size}: only a network with --global_pooling and '
            '--pool_rounding=floor takes images of two sizes, and they must differ by a multiple '
            f'of 4; --crop_size is {recipe.crop_size}.'
        )
    smallest = alexnet.compute_smallest_crop(recipe.pool_size)
    if 0 < size < smallest:
        raise fields.UsageError(f'--training_crop_size={size}: expected {smallest} at least.')


def check_layers(recipe: recipes.Recipe) -> None:
    """Checks that a network has the layers and units that a recipe asks for.

    Runs of older versions may lack them, and still load.

    Raises:
        UsageError: It would leave some out.
    """
    for name in cifar.list_impossible_fields(recipe):
        if getattr(recipe, name):
            raise fields.UsageError(
                f'--{name}: the network of --recipe={recipe.name} has no such thing. Leave the '
                'flag out.'
            )
    if recipe.layers:
        return  # of a small network, which has none of the following
    if recipe.conv6 and recipe.global_pooling:
        raise fields.UsageError(
            '--conv6 reads the maps of pool5, which --global_pooling averages. Leave one out.'
        )
    for name, units in (('hidden_units', recipe.hidden_units), ('filters', recipe.filters[-1])):
        if units % recipe.columns:
            raise fields.UsageError(
                f'--{name}: {units} units cannot be divided among {recipe.columns} columns.'
            )
