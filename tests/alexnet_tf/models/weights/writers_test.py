"""Files that are written, and read again to the bit."""

import json
import struct

import keras
import numpy as np
import pytest

from alexnet_tf.models import alexnet, recipes
from alexnet_tf.models.weights import assignment, readers, recognition, writers

pytest.importorskip('safetensors')
RECIPE = recipes.CAFFE.replace(crop_size=99)


def read_header(path):
    content = path.read_bytes()
    (size,) = struct.unpack('<Q', content[:8])
    return json.loads(content[8 : 8 + size]), content[8 + size :]


@pytest.mark.parametrize('columns', [1, 2])
def test_a_network_is_written_and_read_to_the_bit(columns, tmp_path):
    recipe = RECIPE.replace(columns=columns)
    model, other = (alexnet.build(recipe, num_classes=3, width=0.1, seed=seed) for seed in range(2))
    path = tmp_path / 'weights.safetensors'
    assert not writers.write_safetensors(path, model, {'recipe': 'caffe'})
    file = readers.read(path)
    assert file.metadata == {'recipe': 'caffe'}
    assignment.assign(other, file, recognition.recognize(file))
    for first, second in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(first, second)
    header, data = read_header(path)
    start, end = header['conv3_a/kernel']['data_offsets']
    kernel = np.frombuffer(data[start:end], '<f4').reshape(header['conv3_a/kernel']['shape'])
    np.testing.assert_array_equal(kernel, model.get_layer('conv3_a').kernel)


def build_torchvision():
    """Builds torchvision's layers at a sixteenth of the width, without what has no weights."""
    images = keras.Input((16, 16, 3))
    x = keras.layers.Rescaling([1 / 58.395, 1 / 57.12, 1 / 57.375])(images)
    for index, filters in enumerate((4, 12, 24, 16, 16), 1):
        stride = 2 if index in (1, 2, 5) else 1
        name = f'conv{index}_a'
        x = keras.layers.Conv2D(filters, 3, stride, padding='same', name=name)(x)
    x = keras.layers.Flatten(name='pool5_flat_a')(x)
    for name, units in (('fc6_a', 20), ('fc7_a', 20), ('fc8', 5)):
        x = keras.layers.Dense(units, bias_initializer='glorot_normal', name=name)(x)
    return keras.Model(images, x)


def test_a_network_of_torchvisions_layers_has_its_keys(tmp_path):
    model, path = build_torchvision(), tmp_path / 'weights.safetensors'
    assert writers.write_safetensors(path, model)
    file = readers.read(path)
    assert recognition.recognize(file).recipes == ('torchvision',)
    np.testing.assert_array_equal(
        file.arrays['features.3.weight'][5, 2], model.get_layer('conv2_a').kernel[:, :, 2, 5]
    )
    # classifier.1 reads map by map, 2x2 positions each.
    np.testing.assert_array_equal(
        file.arrays['classifier.1.weight'][:, 7 * 4 + 3],
        model.get_layer('fc6_a').kernel[(1 * 2 + 1) * 16 + 7],
    )


@pytest.mark.parametrize(
    ('name', 'changes'),
    [
        ('one_weird_trick', {}),
        ('torchvision', {'activation': 'tanh'}),
        ('torchvision', {'conv1_padding': 0}),
        ('torchvision', {'dropout_inverted': False}),
        ('torchvision', {'input_sd': (1, 1, 1)}),
        ('torchvision', {'input_sd': ()}),
        ('torchvision', {'global_pooling': True}),
        ('torchvision', None),
    ],
)
def test_only_what_computes_as_torchvision_has_its_keys(name, changes, tmp_path):
    """The weights of all these networks have the same shapes."""
    recipe = recipes.RECIPES[name].replace(crop_size=67, **(changes or {}))
    model = alexnet.build(recipe, num_classes=3, width=1 / 32)
    path = tmp_path / 'weights.safetensors'
    assert writers.write_safetensors(path, model) == (changes is None)


def test_a_file_of_torchvision_is_read_and_written_to_the_bit(tmp_path, encode):
    written = tmp_path / 'written.safetensors'
    writers.write_safetensors(written, build_torchvision())
    random = np.random.default_rng(0)
    arrays = {
        name: random.normal(size=array.shape).astype(np.float32)
        for name, array in readers.read(written).arrays.items()
    }
    original = tmp_path / 'original.safetensors'
    original.write_bytes(encode.safetensors(arrays))
    model, file = build_torchvision(), readers.read(original)
    assert assignment.assign(model, file, recognition.recognize(file))[1] == []
    writers.write_safetensors(written, model)
    again = readers.read(written).arrays
    assert again.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(again[name], array)
