"""One-line descriptions of errors of TensorFlow and the operating system."""

import pathlib

import pytest
import tensorflow as tf

from input_pipeline import errors


def test_a_graph_error_is_described_without_names_of_operations():
    images = tf.data.Dataset.from_tensors(b'no image').map(tf.io.decode_png)
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        next(iter(images))
    description = errors.describe(caught.value)
    assert 'image' in description
    assert not any(mark in description for mark in ('{{', 'Op:', '[[', 'iterator', '\n'))


def test_an_error_of_the_operating_system_is_described_by_its_reason():
    with pytest.raises(FileNotFoundError) as caught:
        pathlib.Path('/none').read_bytes()
    assert errors.describe(caught.value) == 'No such file or directory'


def test_an_error_without_a_message_is_described_by_its_type():
    assert errors.describe(ValueError()) == 'ValueError'
