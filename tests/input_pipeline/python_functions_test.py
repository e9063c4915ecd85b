"""Python functions as operations of data sets."""

import numpy as np
import tensorflow as tf

from input_pipeline import python_functions


def test_a_python_function_is_an_operation():
    square = tf.function(lambda x: python_functions.call(np.square, [x], tf.float32))
    assert square(tf.constant([2.0, 3.0])).numpy().tolist() == [4, 9]


def test_an_iterator_is_freed_that_is_not_at_its_end():
    """Otherwise about every other process would not end that stops within its first epoch."""
    iterator = iter(tf.data.Dataset.range(3))
    next(iterator)
    python_functions.free_iterators([iterator, 'something else'])
    assert not vars(iterator)
