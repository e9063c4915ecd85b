"""Recognises AlexNet's layers among the arrays of a file, and which AlexNet it is."""

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from alexnet_tf.models import recipes
from alexnet_tf.models.weights import layouts, weight_file
from input_pipeline import errors

# conv1/kernel, conv1_W, conv1.weight, conv1/0, conv1_w_0 and the like.
_ARRAY = re.compile(
    r'(.+?)[/_.](?:(kernel|weights?|w|0)|(?:bias|biases|b|1))(?::0|_0)?', re.IGNORECASE
)
# This package's own name of a variable: conv1_a/kernel, or conv1_a/0 in files of Keras 3.
_OWN = re.compile(
    r'(?:.*/)?((?:conv|local|fc)\d+(?:_[a-z_]+)?)'
    r'/(kernel|bias|gamma|beta|moving_mean|moving_variance|\d)(?::0)?'
)
_OWN_COLUMN = '_a'
_CONVOLUTIONS = ('conv1', 'conv2', 'conv3', 'conv4', 'conv5')


@dataclasses.dataclass(frozen=True)
class Recognition:
    """The network that a weight file was recognised as.

    Attributes:
        layout: How its arrays are laid out; None for this package's own variables.
        arrays: The file's names of arrays by layer and variable: 'conv1' for both columns with
            'kernel' and 'bias'. In this package's layout 'conv1_a', also with 'gamma' and so on, or
            with indices.
        recipes: The recipes whose networks have such weights: none for other filters or for this
            package's layout, several if the file does not distinguish them.
        reasons: The reasons, a phrase each.
        order: Which of 'normalization' and 'max_pool' follow conv1 in the file's list of layers, in
            order; () without a list.
    """

    layout: layouts.Layout | None
    arrays: Mapping[str, Mapping[str, str]]
    recipes: tuple[str, ...]
    reasons: tuple[str, ...]
    order: tuple[str, ...] = ()


def recognize(file: weight_file.WeightFile) -> Recognition:
    """Recognises the layers of a weight file by its names, shapes and list of layers.

    Raises:
        DataError: No layers are recognised, an array is there twice or cannot be a layer's, or
            shapes do not show the order of a kernel's axes.
    """
    own = _find_own(file)
    if any(layer.endswith(_OWN_COLUMN) for layer in own):
        reason = f'{file.format} file with the names of alexnet_tf, such as {next(iter(own))}'
        return Recognition(None, own, (), (reason,), _find_order(file))
    candidates = [layout for layout in layouts.LAYOUTS if file.format in layout.formats]
    matched = [(layout, _find_pairs(file, layout.keys)) for layout in candidates]
    most = max((len(pairs) for _, pairs in matched), default=0)
    if not most:
        some = ', '.join(list(file.arrays)[:4])
        raise errors.DataError(
            f'{file.path}: it has no kernel and bias of a layer of AlexNet under a known name; its '
            f'first arrays are {some}.'
        )
    named = [(layout, pairs) for layout, pairs in matched if len(pairs) == most]
    layout, pairs = _choose_by_shapes(file, named)
    recipes, reasons = _find_recipes(file, layout, pairs)
    kernel = next(iter(pairs.values()))['kernel']
    reason = f'{file.format} file with the names and axes of {layout.name}, such as {kernel}'
    return Recognition(layout, pairs, recipes, (reason, *reasons), _find_order(file))


def _find_own(file: weight_file.WeightFile) -> dict[str, dict[str, str]]:
    matches = ((name, _OWN.fullmatch(name)) for name in file.arrays)
    return _group(file, ((match[1], match[2], name) for name, match in matches if match))


def _find_pairs(file: weight_file.WeightFile, keys: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Finds the layers of a layout that have a kernel and a bias."""
    parts = ((name, _ARRAY.fullmatch(name)) for name in file.arrays)
    matches = (
        (layer, 'kernel' if match[2] is not None else 'bias', name)
        for name, match in parts
        for layer, key in keys.items()
        if match and re.fullmatch(key, match[1])
    )
    names = _group(file, matches)
    return {layer: names[layer] for layer in keys if len(names.get(layer, ())) == 2}


def _group(
    file: weight_file.WeightFile, matches: Iterable[tuple[str, str, str]]
) -> dict[str, dict[str, str]]:
    """Groups (layer, variable, name in the file) by layer and variable."""
    groups: dict[str, dict[str, str]] = {}
    for layer, variable, name in matches:
        variables = groups.setdefault(layer, {})
        if variable in variables:
            raise errors.DataError(
                f'{file.path}: {variables[variable]} and {name} are both the {variable} of '
                f'{layer}. Give a file with one network.'
            )
        variables[variable] = name
    return groups


def _choose_by_shapes(file, named):
    """Chooses the layout whose axes fit all kernels and biases."""
    fitting, misfits = [], []
    for layout, pairs in named:
        misfit = next((layer for layer in pairs if not _fits(file, layout, layer, pairs)), None)
        if misfit is None:
            fitting.append((layout, pairs))
        else:
            misfits.append((misfit, pairs))
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise errors.DataError(
            f'{file.path}: square kernels alone do not show whether they are (in, out) or (out, '
            'in). Give a file with more layers.'
        )
    misfit, pairs = misfits[0]
    kernel, bias = (array.shape for array in _get_pair(file, pairs[misfit]))
    raise errors.DataError(
        f'{file.path}: {misfit} has a kernel of shape {kernel} and a bias of shape {bias}, which '
        'do not fit each other or the other layers.'
    )


def _fits(file, layout: layouts.Layout, layer: str, pairs) -> bool:
    kernel, bias = _get_pair(file, pairs[layer])
    _check_pair(file, layer, kernel, bias)
    if layer.startswith('conv'):
        sizes = dict(zip(layout.convolution, kernel.shape, strict=True))
        return sizes['O'] == bias.size and sizes['H'] == sizes['W']
    if layout.dense == 'IO':
        return kernel.shape[-1] == bias.size
    return bias.size in (kernel.shape[0], kernel.shape[-2])  # older Caffe: (1, 1, out, in)


def _get_pair(file, names: Mapping[str, str]) -> tuple[np.ndarray, np.ndarray]:
    return file.arrays[names['kernel']], file.arrays[names['bias']]


def _check_pair(file, layer: str, kernel: np.ndarray, bias: np.ndarray) -> None:
    for array in (kernel, bias):
        if not weight_file.is_numeric(array.dtype):
            raise errors.DataError(f'{file.path}: {layer} holds {array.dtype}, expected numbers.')
    # Older Caffe has four dimensions for fully-connected layers and for biases, too.
    if kernel.ndim not in (2, 4) or not kernel.size or not bias.size:
        raise errors.DataError(
            f'{file.path}: {layer} has a kernel of shape {kernel.shape} and a bias of shape '
            f'{bias.shape}, which no layer of AlexNet has.'
        )
    if layer.startswith('conv') and kernel.ndim != 4:
        raise errors.DataError(
            f'{file.path}: {layer} has a kernel of shape {kernel.shape}, expected 4 dimensions.'
        )


def _find_recipes(
    file: weight_file.WeightFile, layout: layouts.Layout, pairs: Mapping[str, Mapping[str, str]]
) -> tuple[tuple[str, ...], list[str]]:
    if not set(_CONVOLUTIONS) <= set(pairs):
        return (), ['convolutional layers are missing']
    shapes = [file.arrays[pairs[layer]['kernel']].shape for layer in _CONVOLUTIONS]
    filters = [shape[layout.convolution.index('O')] for shape in shapes]
    inputs = shapes[1][layout.convolution.index('I')]
    is_grouped = inputs < filters[0]
    order = _find_order(file)
    names = tuple(
        name
        for name, known in layouts.OF_RECIPES.items()
        if layout in known and _is_network_of(recipes.RECIPES[name], filters, is_grouped, order)
    )
    listed = ', '.join(map(str, filters))
    reasons = [f'{listed} filters; conv2 reads {inputs} of the {filters[0]} of conv1']
    reasons += [f'after conv1: {", ".join(order)}' if order else 'no list of layers']
    return names, reasons


def _is_network_of(
    recipe: recipes.Recipe, filters: Sequence[int], is_grouped: bool, order: tuple[str, ...]
) -> bool:
    """Returns whether a recipe's network, at any width, has these filters and this order."""
    *of_columns, conv5 = recipe.filters
    expected = [*(recipe.columns * number for number in of_columns), conv5]
    kinds = {'pool': 'max_pool'} | ({'norm': 'normalization'} if recipe.normalization else {})
    after_conv1 = tuple(kinds[step] for step in recipe.conv1_order.split('_') if step in kinds)
    return (
        is_grouped == (recipe.columns == 2)
        and order in ((), after_conv1)
        and is_multiple(filters, expected)
    )


def is_multiple(filters: Sequence[int], reference: Sequence[int]) -> bool:
    """Returns whether two networks differ only in width, if at all."""
    ratio = filters[0] / reference[0]
    return all(abs(a - b * ratio) <= 1 for a, b in zip(filters, reference, strict=True))


def _find_order(file: weight_file.WeightFile) -> tuple[str, ...]:
    """Finds the kinds of layers between the first two convolutions; () without a list."""
    # One column of this package's networks has the order of both.
    kinds = [layer.kind for layer in file.layers if not layer.name.endswith('_b')]
    first, *others = [i for i, kind in enumerate(kinds) if kind == 'convolution'] or [0]
    between = kinds[first : others[0]] if others else []
    return tuple(kind for kind in between if kind in ('normalization', 'max_pool'))
