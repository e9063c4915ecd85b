"""Two logical CPU devices, seeds, and markers that say why they skip."""

import os

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')

import keras
import pytest
import tensorflow as tf

_CPU = tf.config.list_physical_devices('CPU')[0]
tf.config.set_logical_device_configuration(_CPU, [tf.config.LogicalDeviceConfiguration()] * 2)
tf.config.experimental.enable_tensor_float_32_execution(False)


def pytest_addoption(parser):
    parser.addoption('--slow', action='store_true', help='run the slow tests too')


def pytest_collection_modifyitems(config, items):
    for item in items:
        if 'slow' in item.keywords and not config.getoption('--slow'):
            item.add_marker(pytest.mark.skip(reason='slow: runs with --slow'))
        if 'gpu' in item.keywords and not tf.config.list_physical_devices('GPU'):
            item.add_marker(pytest.mark.skip(reason='needs a GPU'))


@pytest.fixture(autouse=True)
def seeded():
    keras.utils.set_random_seed(0)
