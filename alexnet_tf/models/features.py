"""Builds models from a network's input to the outputs of its layers."""

import re
from collections.abc import Sequence

import keras

from alexnet_tf.models import topology
from input_pipeline import errors

LINEAR = ':linear'  # after the name of a layer: before its activation
_WITH_WEIGHTS = re.compile(r'(conv|fc|local)(\d)(_[ab])?')


def build_extractor(
    model: keras.Model, layers: Sequence[str], *, linear: bool = False
) -> keras.Model:
    """Builds the model from images to the outputs of several layers, each computed once.

    Args:
        model: See `build_layer_extractor`.
        layers: See `layer` of `build_layer_extractor`; such as 'conv5', 'fc6:linear' or 'fc7'.
        linear: Whether to take all layers with weights before their activation.

    Returns:
        A model from images to a dict: name as given -> outputs in float32.

    Raises:
        ValueError: There is no such layer.
    """
    outputs = {name: build_layer_extractor(model, name, linear=linear).output for name in layers}
    return keras.Model(model.input, outputs)


def build_layer_extractor(model: keras.Model, layer: str, *, linear: bool = False) -> keras.Model:
    """Builds the model from images to the outputs of a layer in both columns.

    Args:
        model: From `alexnet.build`, with which it shares its layers.
        layer: The layer's name without the column, such as 'conv5', 'norm1' or 'fc7'; with the
            column, as in 'conv5_a', for that column alone. The suffix ':linear' has the effect of
            `linear`. Otherwise a layer with weights stands for its activation; that of conv1
            follows normalisation and pooling in some networks, such as 'source2012'.
        linear: Whether to take a layer with weights before its activation.

    Returns:
        A model from images to the outputs in float32, column a's then column b's on the last axis.

    Raises:
        ValueError: There is no such layer.
    """
    layer, linear = layer.removesuffix(LINEAR), linear or layer.endswith(LINEAR)
    if not topology.get_layer_outputs(model, layer):
        raise ValueError(_describe_unknown(layer, model))
    columns = {}
    own = re.sub(r'^(norm\d)(_[ab])?$', r'\1_own\2', layer)  # across columns, without neighbours
    for name in [own, layer] if linear else [*_name_activations(layer), own, layer]:
        columns = columns or topology.get_layer_outputs(model, name)
    values = [columns[column] for column in sorted(columns)]
    join = keras.layers.Concatenate(dtype='float32')
    features = join(values) if len(values) > 1 else values[0]
    return keras.Model(model.input, keras.layers.Activation('linear', dtype='float32')(features))


def build_feature_extractor(model: keras.Model) -> keras.Model:
    """Builds the model from images to the last hidden layer, which section 6.1 compares images by.

    Args:
        model: See `build_layer_extractor`.

    Returns:
        A model from images to the outputs of fc7 after the activation, column a's then column b's,
        (batch, 4096 at width 1) float32; for a small network, to the inputs of its only
        fully-connected layer.
    """
    is_small = not topology.get_layer_outputs(model, 'fc7')
    return build_layer_extractor(model, 'flat' if is_small else 'fc7')


def _name_activations(layer: str) -> list[str]:
    """Names the layers that may be the activation of a layer with weights; [] for another layer."""
    if not (parts := _WITH_WEIGHTS.fullmatch(layer)):
        return []
    kind, number, column = parts.groups(default='')
    number = '_conv6' if kind + number == 'conv6' else number  # relu6 follows fc6
    return [f'relu{number}{column}', f'tanh{number}{column}']


def _describe_unknown(layer: str, model: keras.Model) -> str:
    names = [*topology.list_column_layers(model), topology.list_layer_names(model)[-1]]
    hint = errors.suggest(layer, names)
    return f'layer={layer}: the network has no such layer.{hint} It has {", ".join(names)}.'
