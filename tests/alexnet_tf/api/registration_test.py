"""Saved models load in a program that has only imported `alexnet_tf`."""

import subprocess
import sys

import keras
import numpy as np
import pytest

import alexnet_tf
from alexnet_tf.api import registration

RECIPE = alexnet_tf.Recipe.from_name('source2012').replace(crop_size=67)


def test_every_registered_class_has_a_stand_in():
    alexnet_tf.AlexNet(recipe=RECIPE, width=0.03)  # imports the classes of all layers
    registered = {
        name.partition('>')[2]: kind
        for name, kind in keras.saving.get_custom_objects().items()
        if name.startswith('alexnet_tf>')
    }
    listed = {name: module for module, names in registration.CLASSES.items() for name in names}
    assert set(registered) == set(listed)
    for name, kind in registered.items():
        if isinstance(kind, type):  # or its module is not imported yet
            assert (kind.__module__, kind.__name__) == (listed[name], name)


@pytest.fixture(scope='module')
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp('saved') / 'model.keras'
    model = alexnet_tf.AlexNet(recipe=RECIPE, width=0.03, classes=3, include_preprocessing=True)
    model.save(path)
    return path, model(np.full([1, 67, 67, 3], 100.0)).numpy()


@pytest.mark.slow  # environment_test loads one, too
@pytest.mark.parametrize('imports', ['alexnet_tf, keras', 'keras, alexnet_tf'])
def test_a_saved_model_loads_in_another_program(saved, tmp_path, imports):
    path, expected = saved
    program = (
        f'import {imports}, numpy; '
        'assert not any(name.startswith("alexnet_tf.models") for name in __import__("sys").modules)'
        f'; model = keras.models.load_model({str(path)!r}); '
        f'numpy.save({str(tmp_path / "y.npy")!r}, model(numpy.full([1, 67, 67, 3], 100.0)))'
    )
    subprocess.run([sys.executable, '-c', program], check=True, capture_output=True)
    np.testing.assert_array_equal(np.load(tmp_path / 'y.npy'), expected)


def test_keras_is_found_as_without_the_finder():
    finder = registration._KerasFinder()
    assert finder.find_spec('numpy') is None
    spec = finder.find_spec('keras')
    assert spec.origin == keras.__file__
