"""Imports the charts if matplotlib is installed."""

from input_pipeline import errors


def load_plots():
    """Returns the module `charts`, or None if matplotlib is not installed."""
    try:
        from alexnet_tf.plots import charts
    except ImportError:
        return None
    return charts


def require_plots(flag: str):
    """Returns the module `charts`.

    Args:
        flag: The flag that asks for a plot, for the message.

    Raises:
        PackageMissing: matplotlib is not installed.
    """
    charts = load_plots()
    if charts is None:
        raise errors.PackageMissing(f'{flag} requires matplotlib: pip install "alexnet_tf[plots]".')
    return charts
