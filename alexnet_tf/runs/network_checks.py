"""Hyperparameters of a network that do not go together, refused before it is built."""

from alexnet_tf.config import fields
from alexnet_tf.models import alexnet, cifar, recipes

_NORMALIZATION = ('lrn_k', 'lrn_n', 'lrn_alpha', 'lrn_beta', 'lrn_across_columns', 'same_map_alpha')
# A hyperparameter, its value, and the hyperparameters that have no effect then.
_UNUSED = (
    ('batch_norm', True, ('normalization', *_NORMALIZATION, 'initial_bias')),
    ('normalization', False, _NORMALIZATION),
    ('he_initialization', True, ('initial_sd_middle', 'initial_sd_hidden')),
    ('columns', 1, ('lrn_across_columns',)),
    ('min_crop_area', 0.0, ('max_crop_aspect',)),
    ('colour_shift_sd', 0.0, ('colour_shift_divisor', 'colour_shift_epochs')),
)


def check_training_size(recipe: recipes.Recipe) -> None:
    """Checks that a network can train at its `training_crop_size`.

    Raises:
        UsageError: It cannot.
    """
    size = recipe.training_crop_size
    paddings = {alexnet.choose_padding(recipe, side) for side in (size, recipe.crop_size)}
    if size and not (recipe.takes_two_sizes and len(paddings) == 1):
        raise fields.UsageError(
            f'--training_crop_size={size}: only a network with --global_pooling and '
            '--pool_rounding=floor takes images of two sizes, and they must differ by a multiple '
            f'of 4; --crop_size is {recipe.crop_size}. Give --training_crop_size=0 to train at it.'
        )
    smallest = alexnet.compute_smallest_crop(recipe)
    if 0 < size < smallest:
        raise fields.UsageError(f'--training_crop_size={size}: expected {smallest} at least.')


def check_layers(recipe: recipes.Recipe) -> None:
    """Checks that a network has the layers and units that a recipe asks for.

    Runs of older versions may lack them, and still load.

    Raises:
        UsageError: Some would be left out.
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


def check_effects(recipe: recipes.Recipe) -> None:
    """Checks that no hyperparameter was changed that the recipe's network does not use.

    Two runs that differ only in such a hyperparameter would be equal, and their table would show it
    as worthless. It is allowed if a flag has switched off the part that uses it.

    Raises:
        UsageError: Such a hyperparameter was changed.
    """
    changed = recipe.list_overrides()
    for cause, value, names in _UNUSED:
        useless = [name for name in names if name in changed]
        if useless and getattr(recipe, cause) == value and cause not in changed:
            raise fields.UsageError(
                f'--{useless[0]} changes nothing in --recipe={recipe.name}, which has '
                f'{cause}={fields.format_value(value)}. Leave it out.'
            )
