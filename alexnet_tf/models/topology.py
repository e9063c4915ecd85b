"""What a built network is made of, and which part reads which: read from the model itself."""

import dataclasses
from collections.abc import Iterator

import keras

INPUT = 'images'


@dataclasses.dataclass(frozen=True)
class LayerNode:
    """A layer with weights, or the input.

    Attributes:
        name: As 'conv1_a'.
        column: 'a' or 'b'; '' for what is of neither.
        shape: Of its output, without the batch.
        kernel: Shape of its weights; () for the input.
        parameters: Number of its weights and biases.
        device: Where it was placed; '' where TensorFlow decides.
        reads: Names of the parts it reads, through whatever lies between.
        follows: What lies between, without the column's letter, as ('norm1', 'pool1').
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
    """The parts of a functional model, in its order."""
    found = []
    for layer in model.layers:
        if isinstance(layer, keras.layers.InputLayer):
            found.append(LayerNode(INPUT, '', tuple(layer.output.shape[1:])))
        elif hasattr(layer, 'kernel'):
            sources, between = _sources(layer)
            found.append(
                LayerNode(
                    layer.name,
                    _column(layer.name),
                    tuple(layer.output.shape[1:]),
                    tuple(layer.kernel.shape),
                    layer.count_params(),
                    layer.device or '',
                    tuple(sorted(sources)),
                    tuple(between),
                )
            )
    return found


def find_crossings(found: list[LayerNode]) -> list[tuple[str, str]]:
    """(from, to) where a part of one column reads one of the other."""
    columns = {each.name: each.column for each in found}
    return [
        (source, each.name)
        for each in found
        for source in each.reads
        if columns[source] and each.column and columns[source] != each.column
    ]


def get_layer_name(variable: keras.Variable) -> str:
    """Returns the paper's name of a variable's layer: 'conv1' for the kernel of conv1_b."""
    return variable.path.split('/')[-2].split('_')[0]


def is_bias(variable: keras.Variable) -> bool:
    """Returns whether a variable is a layer's bias."""
    return variable.path.endswith('bias')


def _sources(layer) -> tuple[set[str], list[str]]:
    """The parts that a layer reads, and the layers between, nearest to the source first."""
    sources, between, waiting = set(), [], list(list_inbound_layers(layer))
    while waiting:
        each = waiting.pop()
        if isinstance(each, keras.layers.InputLayer):
            sources.add(INPUT)
        elif hasattr(each, 'kernel'):
            sources.add(each.name)
        else:
            kind = each.name.removesuffix(f'_{_column(each.name)}')
            if kind not in between:
                between.insert(0, kind)
            waiting += list_inbound_layers(each)
    return sources, between


def list_inbound_layers(layer: keras.Layer) -> Iterator[keras.Layer]:
    """The layers that a layer of a functional model reads."""
    for node in layer._inbound_nodes[:1]:
        for parent in node.parent_nodes:
            yield parent.operation


def _column(name: str) -> str:
    return name[-1] if name.endswith(('_a', '_b')) else ''
