"""A diagram of the network like the paper's figure 2: two columns, and what crosses them."""

from collections.abc import Mapping, Sequence

import matplotlib.axes
import matplotlib.patches

from alexnet_tf.models import topology
from alexnet_tf.plots import charts

HEADER = ('layer', 'column', 'device', 'output', 'kernel', 'parameters', 'reads', 'crosses')
_BLUE, _ORANGE, _GREY = *charts.COLOURS[:2], '#777777'
_STEP, _HEIGHT, _WIDTH = 2.4, 1.5, 1.7


def plot_network(nodes: Sequence[topology.LayerNode], devices: Mapping[str, str]) -> charts.Figure:
    """Plots layers as boxes in columns; orange arrows cross from one column to the other.

    Args:
        nodes: From `topology.list_nodes`.
        devices: Device of each column, 'a' and 'b', where it is known.
    """
    depths = _compute_depths(nodes)
    last = max(depths.values())
    columns = sorted({node.column for node in nodes} - {''})
    heights = {'a': 1.7, 'b': -1.7} if len(columns) > 1 else {'a': 0.0}
    size = (1.6 * (last + 1.6), 5.2 if len(columns) > 1 else 3.6)
    figure = charts.Figure(figsize=size, layout='constrained')
    axes = figure.subplots()
    axes.set_axis_off()
    places = {node.name: (_STEP * depths[node.name], heights.get(node.column, 0)) for node in nodes}
    crossings = set(topology.find_crossings(list(nodes)))
    for node in nodes:
        _plot_box(axes, node, *places[node.name])
        for source in node.reads:
            crosses = (source, node.name) in crossings
            _plot_arrow(axes, places[source], places[node.name], crosses=crosses)
        if node.follows and node.column != 'b':
            x, y = places[node.name][0] - _STEP / 2, heights['a'] + 1.05
            text = '\n'.join(_select_names(node.follows))
            axes.text(x, y, text, ha='center', va='bottom', fontsize=7, color=_GREY)
    for column in columns:
        text = f'column {column}' + (f': {devices[column]}' if devices.get(column) else '')
        x, y = _STEP - _WIDTH / 2, heights[column] - 1.1
        axes.text(x, y, text, fontsize=9, va='top', weight='bold')
    legend = '; orange crosses between the columns' if len(columns) > 1 else ''
    axes.set_title(f'{sum(node.parameters for node in nodes):,} parameters{legend}')
    bottom = -3.6 if len(columns) > 1 else -2.0
    axes.set(xlim=(-1.4, _STEP * last + 1.4), ylim=(bottom, heights['a'] + 2.3))
    return figure


def list_rows(nodes: Sequence[topology.LayerNode]) -> list[tuple]:
    """Lists the values of HEADER for each node."""
    crossings = set(topology.find_crossings(list(nodes)))
    rows = []
    for node in nodes:
        crossing = ' '.join(source for source in node.reads if (source, node.name) in crossings)
        place = node.name, node.column, node.device
        size = _format_shape(node.shape), _format_shape(node.kernel), node.parameters
        rows.append((*place, *size, ' '.join(node.reads), crossing))
    return rows


def _compute_depths(nodes) -> dict[str, int]:
    depths: dict[str, int] = {}
    for node in nodes:
        depths[node.name] = 1 + max((depths[source] for source in node.reads), default=-1)
    return depths


def _plot_box(axes: matplotlib.axes.Axes, node: topology.LayerNode, x: float, y: float) -> None:
    corner = (x - _WIDTH / 2, y - _HEIGHT / 2)
    style = {'boxstyle': 'round,pad=0.03', 'facecolor': 'white', 'edgecolor': 'black'}
    axes.add_patch(matplotlib.patches.FancyBboxPatch(corner, _WIDTH, _HEIGHT, **style))
    lines = [node.name, _format_shape(node.shape)]
    *kernel, count = node.kernel or (0,)
    lines += [f'{count} of', _format_shape(kernel)] if len(kernel) > 1 else []
    axes.text(x, y, '\n'.join(lines), ha='center', va='center', fontsize=8)


def _plot_arrow(axes: matplotlib.axes.Axes, source, target, *, crosses: bool) -> None:
    (x0, y0), (x1, y1) = source, target
    colour, width = (_ORANGE, 1.6) if crosses else (_BLUE, 1.1)
    arrow = {'arrowstyle': '->', 'color': colour, 'linewidth': width}
    axes.annotate('', (x1 - _WIDTH / 2, y1), (x0 + _WIDTH / 2, y0), arrowprops=arrow)


def _select_names(follows: Sequence[str]) -> list[str]:
    return [name for name in follows if not name.endswith(('_join', '_flat', '_pad'))]


def _format_shape(shape: Sequence[int]) -> str:
    return ' x '.join(map(str, shape))
