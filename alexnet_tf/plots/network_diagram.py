"""The network as the paper's figure 2 has it: two columns, and what crosses between them."""

from collections.abc import Mapping, Sequence

import matplotlib.patches

from alexnet_tf.models import topology
from alexnet_tf.plots import charts

_BLUE, _ORANGE, _GREY = '#0072b2', '#d55e00', '#777777'
_STEP, _HEIGHT, _WIDTH = 2.4, 1.5, 1.7


def figure(parts: Sequence[topology.Part], devices: Mapping[str, str]) -> charts.Figure:
    """Boxes of layers in columns; orange arrows cross from one to the other.

    Args:
        parts: From `wiring.parts`.
        devices: What to write at each column, 'a' and 'b'.
    """
    depths = _depths(parts)
    last = max(depths.values())
    columns = sorted({each.column for each in parts} - {''})
    both = len(columns) > 1
    drawn = charts.Figure(figsize=(1.6 * (last + 1.6), 5.2 if both else 3.6), layout='constrained')
    axes = drawn.subplots()
    axes.set_axis_off()
    rows = {'a': 1.7, 'b': -1.7} if both else {'a': 0.0}
    places = {each.name: (_STEP * depths[each.name], rows.get(each.column, 0.0)) for each in parts}
    for each in parts:
        _box(axes, each, *places[each.name])
        for source in each.reads:
            other = {part.name: part for part in parts}[source].column
            crosses = bool(other and each.column and other != each.column)
            _arrow(axes, places[source], places[each.name], crosses)
        if each.follows and each.column != 'b':
            where = places[each.name][0] - _STEP / 2, rows['a'] + 1.05
            said = '\n'.join(_shown(each.follows))
            axes.text(*where, said, ha='center', va='bottom', fontsize=7, color=_GREY)
    for column in columns:
        said = f'column {column}' + (f': {devices[column]}' if devices.get(column) else '')
        below = rows[column] - 1.1
        axes.text(_STEP - _WIDTH / 2, below, said, fontsize=9, va='top', weight='bold')
    total = sum(each.parameters for each in parts)
    crosses = '; orange crosses between the columns' if both else ''
    axes.set_title(f'{total:,} parameters{crosses}')
    axes.set(xlim=(-1.4, _STEP * last + 1.4), ylim=(-3.6 if both else -2.0, rows['a'] + 2.3))
    return drawn


def rows(parts: Sequence[topology.Part]) -> list[tuple]:
    """(layer, column, device, output, kernel, parameters, reads, crosses) of each part."""
    crossing = set(topology.crossings(list(parts)))
    return [
        (
            each.name,
            each.column,
            each.device,
            _sizes(each.shape),
            _sizes(each.kernel),
            each.parameters,
            ' '.join(each.reads),
            ' '.join(source for source in each.reads if (source, each.name) in crossing),
        )
        for each in parts
    ]


HEADER = ('layer', 'column', 'device', 'output', 'kernel', 'parameters', 'reads', 'crosses')


def _depths(parts) -> dict[str, int]:
    depths: dict[str, int] = {}
    for each in parts:
        depths[each.name] = 1 + max((depths[source] for source in each.reads), default=-1)
    return depths


def _box(axes, part: topology.Part, x: float, y: float) -> None:
    corner = (x - _WIDTH / 2, y - _HEIGHT / 2)
    axes.add_patch(
        matplotlib.patches.FancyBboxPatch(
            corner, _WIDTH, _HEIGHT, boxstyle='round,pad=0.03', facecolor='white', edgecolor='black'
        )
    )
    kernel = part.kernel[:-1]
    lines = [part.name, _sizes(part.shape)]
    lines += [f'{part.kernel[-1]} of', _sizes(kernel)] if len(kernel) > 1 else []
    axes.text(x, y, '\n'.join(lines), ha='center', va='center', fontsize=8)


def _arrow(axes, source, target, crosses: bool) -> None:
    (x0, y0), (x1, y1) = source, target
    axes.annotate(
        '',
        (x1 - _WIDTH / 2, y1),
        (x0 + _WIDTH / 2, y0),
        arrowprops={
            'arrowstyle': '->',
            'color': _ORANGE if crosses else _BLUE,
            'linewidth': 1.6 if crosses else 1.1,
        },
    )


def _shown(follows) -> list[str]:
    return [each for each in follows if not each.endswith(('_join', '_flat', '_pad'))]


def _sizes(shape) -> str:
    return ' x '.join(map(str, shape))
