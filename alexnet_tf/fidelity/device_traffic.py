"""Measures what crosses devices in a step, from the graphs that TensorFlow really ran."""

import dataclasses
import re
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

# The layers whose outputs cross, and the concatenations whose gradients cross.
_OUTPUTS = {'pool2': 'pool2', 'pool5_flat': 'pool5', 'drop6': 'fc6', 'drop7': 'fc7'}
_GRADIENTS = {'conv3_join': 'pool2', 'fc6_join': 'pool5', 'fc7_join': 'fc6', 'fc8_join': 'fc7'}
_SCALAR = 8  # bytes: sums of squares, which show whether gradients are finite; the learning rate


@dataclasses.dataclass(frozen=True)
class Transfer:
    """A tensor sent from one device to another.

    Attributes:
        tensor: The name of the operation that made it.
        source: The device it was on, such as 'CPU:0'.
        target: The device it was sent to.
        num_bytes: Its size in one step.
    """

    tensor: str
    source: str
    target: str
    num_bytes: int


def run_and_partition(step: Callable, *arguments) -> list[Any]:
    """Runs a step once and returns the GraphDef of each device, placed and optimised.

    Args:
        step: A tf.function that has not run before with such arguments, since graphs are
            partitioned when they first run.
        *arguments: Its arguments.
    """
    _trace_graphs(lambda: None)  # a trace contains what ran since the one before it
    functions = _trace_graphs(lambda: step(*arguments))
    # Single operations ran beside the step.
    return list(max(functions, key=lambda graphs: sum(len(graph.node) for graph in graphs)))


def _trace_graphs(call: Callable[[], object]) -> list[Any]:
    """Returns the GraphDefs, by device, of every function that first ran in `call`."""
    with tempfile.TemporaryDirectory() as directory:
        writer = tf.summary.create_file_writer(directory)
        with writer.as_default():
            tf.summary.trace_on(graph=True, profiler=False)
            call()
            tf.summary.trace_export('call', step=0)
        writer.close()
        records = tf.data.TFRecordDataset(tf.io.gfile.glob(f'{directory}/*'))
        events = [tf.compat.v1.Event.FromString(record.numpy()) for record in records]
    functions = []
    for value in (value for event in events for value in event.summary.value):
        if value.metadata.plugin_data.plugin_name == 'graph_run_metadata_graph':
            metadata = tf.compat.v1.RunMetadata.FromString(value.tensor.string_val[0])
            functions += [graphs.partition_graphs for graphs in metadata.function_graphs]
    return functions


def list_transfers(graphs: Sequence[Any], step: Callable, *arguments) -> list[Transfer]:
    """Lists what the graphs send to each other, without signals that an operation is done.

    Args:
        graphs: From `run_and_partition`, with the same step and arguments.
        step: The tf.function.
        *arguments: Its arguments, whose shapes are known.
    """
    traced = step.get_concrete_function(*arguments).graph
    transfers = set()
    for node in (node for graph in graphs for node in graph.node if node.op == '_Send'):
        # Such as 'edge_62_images'; the name of a control edge has a '^'.
        name = re.sub(r'^edge_\d+_', '', node.attr['tensor_name'].s.decode())
        if '^' in name or 'CrossDeviceControlEdges' in name:
            continue
        ends = [_shorten(node.attr[end].s.decode()) for end in ('send_device', 'recv_device')]
        # Operations may have been fused: the name is still that of the original operation.
        size = tf.as_dtype(node.attr['T'].type).size
        transfers.add(Transfer(name, *ends, _count_elements(traced, name) * size))
    return sorted(transfers, key=lambda transfer: (transfer.source, transfer.tensor))


def sum_by_layer(transfers: Sequence[Transfer]) -> tuple[dict[str, int], list[str]]:
    """Sums the bytes of the paper's transfers, and names the others.

    Returns:
        Bytes by layer and kind, such as 'pool2 outputs' and 'pool2 gradients'; and the names of
        further tensors, without the images and single values.
    """
    totals: dict[str, int] = {}
    others = []
    for transfer in transfers:
        path = transfer.tensor.removeprefix('gradients/').split('/')
        layer = path[1].rsplit('_', 2)[0] if len(path) > 1 else path[0]
        is_gradient = transfer.tensor.startswith('gradients/')
        if crossing := (_GRADIENTS if is_gradient else _OUTPUTS).get(layer):
            name = f'{crossing} {"gradients" if is_gradient else "outputs"}'
            totals[name] = totals.get(name, 0) + transfer.num_bytes
        elif transfer.tensor != 'images' and transfer.num_bytes > _SCALAR:
            others.append(transfer.tensor)
    return totals, others


def _count_elements(traced, name: str) -> int:
    try:
        return traced.get_operation_by_name(name).outputs[0].shape.num_elements()
    except KeyError:  # part of an inlined conditional: a boolean or the learning rate
        return 1


def _shorten(device: str) -> str:
    spec = tf.DeviceSpec.from_string(device)
    return f'{spec.device_type}:{spec.device_index}'
