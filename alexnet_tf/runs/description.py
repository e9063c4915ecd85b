"""The description of a run in a file of its weights, which makes the file a full classifier.

It is one JSON string, which `.safetensors` keeps in its header and `.keras` in a member of its
archive: the recipe and all settings of the network, the classes, the mean image, and how files
become pixels.
"""

import base64
import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from alexnet_tf.config import fields, schema, serialization
from alexnet_tf.models import cifar
from alexnet_tf.models.weights import mean_images, weight_file
from alexnet_tf.runs import build, loading
from input_pipeline import errors
from input_pipeline.images import rendering as rendering_lib

_KEY = 'alexnet_tf'
_DTYPE = np.dtype('<f4')


@dataclasses.dataclass(frozen=True)
class Description:
    """What a weight file says about the run that it comes from.

    Attributes:
        settings: Settings of the network, by flag name.
        classes: Class labels, in label order.
        words: What the labels mean; () if they say it.
        ids: The classes' ILSVRC ids; () if they have none.
        mean_image: (size, size, 3) float32 RGB in [0, 255].
        rendering: How files become pixels.
    """

    settings: Mapping[str, Any]
    classes: tuple[str, ...]
    words: tuple[str, ...]
    ids: tuple[int, ...]
    mean_image: np.ndarray
    rendering: rendering_lib.Rendering


def find_mean_image(file: weight_file.WeightFile) -> np.ndarray | None:
    """Finds the mean image, or colour, among the arrays of a file without a description.

    Returns:
        (rows, columns, 3) or (3,) float32 RGB; None if it has none.
    """
    own = build.MEAN_IMAGE
    for name in (weight_file.MEAN_IMAGE, f'{own}/0', f'{own}/{own}/{own}'):
        if name in file.arrays:
            return mean_images.check(file.arrays[name], f'{file.path}')
    return None


def to_metadata(trained: loading.TrainedRun) -> dict[str, str]:
    """Describes a run for the metadata of a file with its weights."""
    mean_image = trained.mean_image
    description = {
        'settings': _list_settings(trained),
        **{name: getattr(trained, name) for name in ('classes', 'words', 'ids')},
        'mean_colour': mean_images.to_colour(mean_image),
        'mean_size': len(mean_image),
        'rendering': trained.rendering.to_settings(),
    }
    if not description['mean_colour']:
        data = np.ascontiguousarray(mean_image, _DTYPE).tobytes()
        description['mean_image'] = base64.b64encode(data).decode()
    return {_KEY: json.dumps(description)}


def find(file: weight_file.WeightFile) -> Description | None:
    """Finds the description in a file's metadata; None if there is none.

    Raises:
        DataError: The description is broken.
    """
    if _KEY not in file.metadata:
        return None
    try:
        return _parse(json.loads(file.metadata[_KEY]))
    except Exception as error:  # it is as untrusted as the weights
        reason = str(error) or type(error).__name__
        raise errors.DataError(
            f'{file.path}: its description of the run is broken ({reason.rstrip(".")}).'
        ) from error


def _list_settings(trained: loading.TrainedRun) -> dict[str, Any]:
    """Lists all settings of the network, since a later version may change its recipe."""
    recipe = trained.recipe
    unused = cifar.list_unused_fields(recipe)
    known = {field.name for field in fields.list_settings(schema.Network)} - {*unused}
    values = {name: value for name, value in dataclasses.asdict(recipe).items() if name in known}
    return {'recipe': recipe.name, 'precision': trained.precision, **values}


def _parse(description: Mapping[str, Any]) -> Description:
    settings = description['settings']
    if unknown := set(settings) - {field.name for field in fields.list_settings(schema.Network)}:
        raise ValueError(f'unknown settings {", ".join(sorted(unknown))}')
    if 'recipe' not in settings:
        raise ValueError('settings without a recipe')
    recipe = build.resolve_recipe(serialization.from_settings(dict(settings)))  # checks
    names = {name: tuple(description[name]) for name in ('classes', 'words', 'ids')}
    texts = (*names['classes'], *names['words'])
    if not all(isinstance(text, str) for text in texts):
        raise ValueError('classes that are not text')
    '\n'.join(texts).encode()  # fails with a ValueError for lone surrogates, as tf.constant would
    if not all(type(number) is int for number in names['ids']):
        raise ValueError('ids that are not integers')
    if not {len(names['words']), len(names['ids'])} <= {0, len(names['classes'])}:
        raise ValueError('words or ids that are not of the classes')
    mean_image, rendering = _parse_mean_image(description), _parse_rendering(description)
    if len(mean_image) < recipe.window_size:
        raise ValueError(f'a mean image of {len(mean_image)} pixels, fewer than the crop has')
    return Description(settings, **names, mean_image=mean_image, rendering=rendering)


def _parse_rendering(description: Mapping[str, Any]) -> rendering_lib.Rendering:
    rendering = rendering_lib.Rendering.from_settings(description['rendering'])
    for name, value in dataclasses.asdict(rendering).items():
        if not isinstance(value, bool) and name != 'background':
            raise ValueError(f'{name} is {value}, expected true or false')
    background = rendering_lib.parse_color(rendering.background)
    return dataclasses.replace(rendering, background=background)


def _parse_mean_image(description: Mapping[str, Any]) -> np.ndarray:
    name, size = 'its mean image', int(description['mean_size'])
    shape = (size, size, mean_images.CHANNELS)
    if colour := description['mean_colour']:
        weight_file.count_bytes(name, shape, _DTYPE.itemsize)
        image = np.broadcast_to(np.asarray(colour, _DTYPE), shape)
    else:
        data = base64.b64decode(description['mean_image'], validate=True)
        image = weight_file.from_bytes(name, data, _DTYPE, shape)
    return mean_images.check(image, 'its description')
