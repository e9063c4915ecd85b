"""What crosses devices in one step, read from the graphs that TensorFlow really ran."""

import dataclasses
import re
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Crossing:
    """A tensor sent from one device to another.

    Attributes:
        tensor: The name of the operation that made it.
        source, target: As 'CPU:0'.
        number_of_bytes: Of one step.
    """

    tensor: str
    source: str
    target: str
    number_of_bytes: int


def partitions(step: Callable, *arguments) -> list[Any]:
    """Runs a step once; the GraphDef of each device, after placement and optimisation.

    Args:
        step: A tf.function that has not run before with such arguments: graphs are divided among
            devices when they first run.
    """
    _function_graphs(lambda: None)  # a trace brings along what ran since the one before it
    found = _function_graphs(lambda: step(*arguments))
    # Beside the step, single operations ran.
    return list(max(found, key=lambda parts: sum(len(part.node) for part in parts)))


def _function_graphs(call: Callable[[], object]) -> list[Any]:
    """The GraphDefs, by device, of every function that ran first in `call`."""
    with tempfile.TemporaryDirectory() as aside:
        writer = tf.summary.create_file_writer(aside)
        with writer.as_default():
            tf.summary.trace_on(graph=True, profiler=False)
            call()
            tf.summary.trace_export('call', step=0)
        writer.close()
        files = tf.io.gfile.glob(f'{aside}/*')
        events = [tf.compat.v1.Event.FromString(e.numpy()) for e in tf.data.TFRecordDataset(files)]
    found = []
    for value in (each for event in events for each in event.summary.value):
        if value.metadata.plugin_data.plugin_name == 'graph_run_metadata_graph':
            ran = tf.compat.v1.RunMetadata.FromString(value.tensor.string_val[0])
            found += [each.partition_graphs for each in ran.function_graphs]
    return found


def crossings(graphs: Sequence[Any], step: Callable, *arguments) -> list[Crossing]:
    """What the graphs send to each other, leaving out what only says 'done'.

    Args:
        graphs: From `partitions`, of the same step and arguments, whose shapes are known.
    """
    traced = step.get_concrete_function(*arguments).graph
    found = set()
    for node in (each for graph in graphs for each in graph.node if each.op == '_Send'):
        # 'edge_62_images'; a control edge's name has a '^'.
        name = re.sub(r'^edge_\d+_', '', node.attr['tensor_name'].s.decode())
        if '^' in name or 'CrossDeviceControlEdges' in name:
            continue
        ends = [_short(node.attr[end].s.decode()) for end in ('send_device', 'recv_device')]
        # Two operations may have been fused to one: the name is that of the tensor's own.
        size = tf.as_dtype(node.attr['T'].type).size
        found.add(Crossing(name, *ends, _elements(traced, name) * size))
    return sorted(found, key=lambda each: (each.source, each.tensor))


def _elements(traced, name: str) -> int:
    try:
        return traced.get_operation_by_name(name).outputs[0].shape.num_elements()
    except KeyError:  # TensorFlow's own, of a condition that was taken apart: one truth value
        return 1


def _short(device: str) -> str:
    spec = tf.DeviceSpec.from_string(device)
    return f'{spec.device_type}:{spec.device_index}'
