"""matplotlib, where it is installed."""

from typing import Any, NamedTuple

from alexnet_tf.config import schema


def at_hand():
    """The module that draws, or None without matplotlib."""
    try:
        from alexnet_tf.plots import charts
    except ImportError:
        return None
    return charts


def needed(flag: str):
    """The same.

    Raises:
        UsageError: matplotlib is missing; `flag` asked for a figure.
    """
    found = at_hand()
    if found is None:
        raise schema.UsageError(f'{flag} needs matplotlib: pip install "alexnet_tf[plots]".')
    return found


class Drawn(NamedTuple):
    """A figure and its numbers.

    Attributes:
        figure: Of matplotlib.
        header, rows: The numbers as a table.
    """

    figure: Any
    header: tuple[str, ...]
    rows: list[tuple]
