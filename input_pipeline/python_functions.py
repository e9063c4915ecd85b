"""Python functions as operations of data sets, without keeping the interpreter from exiting."""

import atexit
import functools
import gc
from collections.abc import Callable, Iterable, Sequence

import tensorflow as tf


def call(function: Callable, arguments: Sequence[tf.Tensor], dtype: tf.DType | list[tf.DType]):
    """Calls a Python function in a graph, like `tf.numpy_function`; see `free_iterators`.

    Args:
        function: Takes NumPy arrays and returns one, or a tuple of them.
        arguments: Tensors.
        dtype: Dtype of the result, or a list for a tuple.

    Returns:
        A tensor, or a list of them.

    Example:
    >>> call(lambda x: x + 1, [tf.constant(1)], tf.int32).numpy()
    np.int32(2)
    """
    _free_iterators_at_exit()
    return tf.numpy_function(function, arguments, dtype)


def free_iterators(objects: Iterable[object]) -> None:
    """Ends those objects that are iterators of data sets, and waits for what they still compute.

    Once the interpreter ends, their threads cannot call Python any more, and TensorFlow would wait
    for such calls forever.
    """
    for candidate in objects:
        if tf.data.Iterator in type(candidate).__mro__:  # `isinstance` would wake lazy objects
            vars(candidate).clear()


@functools.cache  # once, and not in processes that call no Python: it takes some tenths of a second
def _free_iterators_at_exit() -> None:
    atexit.register(lambda: free_iterators(gc.get_objects()))
