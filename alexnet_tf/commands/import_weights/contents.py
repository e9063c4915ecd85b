"""What a weight file holds, and the network that it was trained with."""

import dataclasses
import itertools
import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from alexnet_tf.config import schema, serialization
from alexnet_tf.models import recipes
from alexnet_tf.models.weights import readers, recognition, weight_file
from alexnet_tf.runs import description
from input_pipeline import errors

_MANY_TIMES = 16  # a wrong width is named later, by layer


@dataclasses.dataclass(frozen=True)
class Contents:
    """What was read from a weight file.

    Attributes:
        file: Its arrays.
        recognised: What it was taken for.
        description: The run that it is from; None if another program wrote it.
    """

    file: weight_file.WeightFile
    recognised: recognition.Recognition
    description: description.Description | None

    @property
    def path(self) -> pathlib.Path:
        """The file."""
        return self.file.path

    def list_recipes(self) -> Sequence[str]:
        """Lists the recipes whose networks have these weights; none if nothing tells."""
        if self.description:
            return [self.description.settings['recipe']]
        return self.recognised.recipes

    def count_classes(self) -> int:
        """Counts the outputs of the last fully-connected layer.

        Raises:
            DataError: There is no such layer.
        """
        layers = self.recognised.arrays
        names = [name for name in layers if name.startswith('fc') and '_' not in name]
        if not names or (self.recognised.layout and 'fc8' not in names):
            raise errors.DataError(f'{self.path}: it lacks fc8, the layer of the classes.')
        last = layers[max(names)]
        if not (bias := last.get('bias', last.get('1'))):
            raise errors.DataError(f'{self.path}: {max(names)} has no bias.')
        return self.file.arrays[bias].size


def read(path: pathlib.Path) -> Contents:
    """Reads a weight file and recognises its layers.

    Raises:
        DataError: The file is broken, or not of an AlexNet.
    """
    file = readers.read(path)
    return Contents(file, recognition.recognize(file), description.find(file))


def complete(config: schema.Config, contents: Contents) -> schema.Config:
    """Returns the config with the network that the file describes; flags override it.

    Raises:
        DataError: Neither a flag nor the file names the network.
    """
    recipe, described = config.network.recipe, contents.description
    if described and recipe in (schema.ANY_RECIPE, described.settings['recipe']):
        config = serialization.replace(config, {'recipe': described.settings['recipe']})
        return serialization.fill_in(config, _list_differences(described.settings, config))
    if recipe != schema.ANY_RECIPE:
        return config
    return serialization.replace(config, {'recipe': choose_recipe(contents)})


def _list_differences(described: Mapping[str, Any], config: schema.Config) -> dict[str, Any]:
    """Lists described settings that differ from today's recipe, unless flags replace them."""
    recipe = recipes.RECIPES[described['recipe']]
    values = serialization.to_settings(serialization.from_settings(dict(described)))
    replaced = {'training_crop_size'} if 'crop_size' in config.given else set()
    return {
        name: values[name]
        for name in described
        if name not in replaced and values[name] != getattr(recipe, name, None)
    }


def check_sizes(recipe: recipes.Recipe, contents: Contents) -> None:
    """Checks, before anything is allocated, that a network is not much larger than the file.

    Raises:
        DataError: A layer alone would have many times the weights that the file has.
    """
    available = sum(array.size for array in contents.file.arrays.values())
    if max(_estimate_largest(recipe), recipe.channel_multiple) > _MANY_TIMES * available:
        raise errors.DataError(
            f'{contents.path}: it has {available:,} numbers, far fewer than a layer: '
            f'width {recipe.width:g}, hidden_units {recipe.hidden_units:,}, filters '
            f'{",".join(map(str, recipe.filters))}. Give the --width of the weights.'
        )


def _estimate_largest(recipe: recipes.Recipe) -> float:
    """Estimates the weights of the largest layer, from above."""
    if recipe.layers:
        side = math.ceil(recipe.crop_size / 4)  # behind two poolings
        pairs = itertools.pairwise(layer.filters or 1 for layer in recipe.layers)
        names = [layer.name for layer in recipe.layers[1:]]
        positions = [side**2 if name.startswith('local') else 1 for name in names]
        sizes = [25 * area * a * b for area, (a, b) in zip(positions, pairs, strict=True)]
        return recipe.width**2 * max(sizes)
    filters, hidden = recipe.filters, recipe.hidden_units
    kernels = [25 * a * b for a, b in itertools.pairwise(filters)]
    return recipe.width**2 * max(hidden**2, 49 * filters[-1] * hidden, *kernels)


def choose_recipe(contents: Contents) -> str:
    """Returns the recipe of a file's network.

    Raises:
        DataError: Several recipes fit, or none.
    """
    fitting, path = contents.recognised.recipes, contents.path
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        flags = ' or '.join(f'--recipe={name}' for name in fitting)
        raise errors.DataError(
            f'{path}: it lists no layers, and fits several networks whose weights have the same '
            f'shapes but compute other features. Give {flags}, whichever it was trained with.'
        )
    raise errors.DataError(
        f'{path}: it does not tell its network. Give --recipe, one of {", ".join(recipes.RECIPES)}'
        ', and the settings that differ from it, such as --width.'
    )
