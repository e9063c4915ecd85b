"""Reads from a built network its layers with weights and the connections between them."""

import dataclasses
from collections.abc import Iterator, Sequence

import keras

INPUT = 'images'


@dataclasses.dataclass(frozen=True)
class LayerNode:
    """A layer with weights, or the input.

    Attributes:
        name: The layer's name, such as 'conv1_a'.
        column: 'a' or 'b'; '' for a layer of neither, such as fc8.
        shape: The shape of its output, without the batch.
        kernel: The shape of its weights; () for the input.
        parameters: The number of its weights and biases.
        device: The device it was placed on; '' if TensorFlow decides.
        reads: The names of the nodes that it reads, directly or through other layers.
        follows: The layers between, without the column, such as ('norm1', 'pool1').
    """

    name: str
    column: str
    shape: tuple[int, ...]
    kernel: tuple[int, ...] = ()
    parameters: int = 0
    device: str = ''
    reads: tuple[str, ...] = ()
    follows: tuple[str, ...] = ()


def list_nodes(model: keras.Model) -> list[LayerNode]:
    """Lists the input and the layers with weights of a functional model, in its order."""
    nodes = []
    for layer in model.layers:
        shape = tuple(layer.output.shape[1:])
        if isinstance(layer, keras.layers.InputLayer):
            nodes.append(LayerNode(INPUT, '', shape))
        elif hasattr(layer, 'kernel'):
            sources, between = _trace_sources(layer)
            nodes.append(
                LayerNode(
                    layer.name,
                    _get_column(layer.name),
                    shape,
                    tuple(layer.kernel.shape),
                    layer.count_params(),
                    layer.device or '',
                    tuple(sorted(sources)),
                    tuple(between),
                )
            )
    return nodes


def find_crossings(nodes: Sequence[LayerNode]) -> list[tuple[str, str]]:
    """Finds the connections between columns: (source, target) names."""
    columns = {node.name: node.column for node in nodes}
    return [
        (source, node.name)
        for node in nodes
        for source in node.reads
        if columns[source] and node.column and columns[source] != node.column
    ]


def list_inbound_layers(layer: keras.Layer) -> Iterator[keras.Layer]:
    """Iterates over the layers that a layer of a functional model reads."""
    for node in layer._inbound_nodes[:1]:
        for parent in node.parent_nodes:
            yield parent.operation


def list_layer_names(model: keras.Model) -> list[str]:
    """Lists the layers with weights by the paper's names, once for both columns."""
    names = [get_layer_name(variable) for variable in model.weights]
    return list(dict.fromkeys(names))


def get_layer_outputs(model: keras.Model, name: str) -> dict[str, keras.KerasTensor]:
    """Returns the outputs of a layer by column.

    Args:
        model: A functional model.
        name: The layer's name without its column, such as 'norm1'.

    Returns:
        The outputs by 'a' and 'b'; by '' for a layer of neither, such as 'logits'; {} if there is
        no such layer.
    """
    names = {name: '', f'{name}_a': 'a', f'{name}_b': 'b'}
    return {names[layer.name]: layer.output for layer in model.layers if layer.name in names}


def list_column_layers(model: keras.Model) -> list[str]:
    """Lists all layers of the columns, without the column: 'conv1', 'norm1', 'pool1', ..."""
    names = [layer.name[:-2] for layer in model.layers if _get_column(layer.name) == 'a']
    return list(dict.fromkeys(names))


def get_layer_name(variable: keras.Variable, *, with_column: bool = False) -> str:
    """Returns the paper's name of a variable's layer: 'conv1' for the kernel of conv1_b.

    The scale and offset of a batch normalisation belong to the layer before it.

    Args:
        variable: A variable of any Keras model.
        with_column: Return the layer's own name: 'conv1_b'.
    """
    name = variable.path.split('/')[-2:][0]
    if with_column:
        return name
    return name.removesuffix(f'_{_get_column(name)}').removesuffix('_batch_norm')


def is_bias(variable: keras.Variable) -> bool:
    """Returns whether a variable is a layer's bias, or the scale or offset of a batch norm."""
    return variable.path.endswith(('bias', 'gamma', 'beta'))


def _trace_sources(layer: keras.Layer) -> tuple[set[str], list[str]]:
    """Finds the nodes that a layer reads, and the layers between, nearest to the source first."""
    sources, between, waiting = set(), [], list(list_inbound_layers(layer))
    while waiting:
        inbound = waiting.pop()
        if isinstance(inbound, keras.layers.InputLayer):
            sources.add(INPUT)
        elif hasattr(inbound, 'kernel'):
            sources.add(inbound.name)
        else:
            kind = inbound.name.removesuffix(f'_{_get_column(inbound.name)}')
            if kind not in between:
                between.insert(0, kind)
            waiting += list_inbound_layers(inbound)
    return sources, between


def _get_column(name: str) -> str:
    return name[-1] if name.endswith(('_a', '_b')) else ''
