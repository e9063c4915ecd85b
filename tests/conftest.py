"""Two logical CPU devices, seeds, markers that say why they skip, a small folder of images."""

import gc
import io
import os
import pathlib
import random
import shutil
import signal

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')
os.environ.setdefault('TF_ENABLE_ONEDNN_OPTS', '1')  # as the package does

import keras
import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest
import tensorflow as tf

# Tests send what is ignored by a shell's background jobs, and below nohup.
for number, handler in {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGHUP: signal.SIG_DFL,
}.items():
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, handler)

_CPU = tf.config.list_physical_devices('CPU')[0]
tf.config.set_logical_device_configuration(_CPU, [tf.config.LogicalDeviceConfiguration()] * 2)
tf.config.experimental.enable_tensor_float_32_execution(False)
# Once: each call makes TensorFlow discard its compiled functions.
keras.utils.set_random_seed(0)
tf.config.list_logical_devices()  # starts it, with the threads that are usual
gc.freeze()  # imported modules are no garbage, and take long to traverse


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
    """Seeds Python's generator, from which Keras draws its seeds, and NumPy's."""
    random.seed(0)
    np.random.seed(0)


@pytest.fixture(scope='session')
def show_by_pillow():
    """Decodes an image by Pillow: upright, its transparent pixels on a background."""

    def show(encoded, background):
        image = PIL.ImageOps.exif_transpose(PIL.Image.open(io.BytesIO(encoded)))
        if not image.has_transparency_data:
            return np.asarray(image.convert('RGB'))
        image, canvas = image.convert('RGBA'), PIL.Image.new('RGB', image.size, background)
        canvas.paste(image, mask=image.getchannel('A'))
        return np.asarray(canvas)

    return show


def _encode_image(seed: int, label: int) -> bytes:
    random = np.random.default_rng(seed)
    small = random.integers(0, 256, (6, 6, 3), np.uint8)
    small[..., 2 * label] //= 3  # cats lack red, dogs lack blue
    small = PIL.Image.fromarray(small)
    buffer = io.BytesIO()
    small.resize((280, 300), PIL.Image.BICUBIC).save(buffer, 'JPEG')
    return buffer.getvalue()


def _write_images(root: pathlib.Path) -> pathlib.Path:
    for label, name in enumerate(('cat', 'dog')):
        (root / name).mkdir(parents=True)
        for number in range(12):
            encoded = _encode_image(100 * label + number, label)
            (root / name / f'{number:02d}.jpg').write_bytes(encoded)
    return root


@pytest.fixture
def folder(shared_folder, tmp_path):
    """A folder of two class folders of 12 images each, which the test may change."""
    return shutil.copytree(shared_folder, tmp_path / 'photos')


@pytest.fixture(scope='session')
def shared_folder(tmp_path_factory):
    """The same folder for all tests, which must not change it."""
    return _write_images(tmp_path_factory.mktemp('shared') / 'photos')


@pytest.fixture
def export_little(monkeypatch):
    """Exports one signature, unchecked, for tests that query it; export_test has all of them."""
    from alexnet_tf.export import saved_model, signatures

    build = signatures.build
    monkeypatch.setattr(
        signatures,
        'build',
        lambda served: {'serving_default': build(served)['serving_default']},
    )
    monkeypatch.setattr(saved_model, '_measure_difference', lambda *_: 0.0)


@pytest.fixture(scope='session')
def real_data():
    """The folder of real images that ALEXNET_TF_DATA names."""
    if 'ALEXNET_TF_DATA' not in os.environ:
        pytest.skip('needs real images: ALEXNET_TF_DATA names their folder')
    return pathlib.Path(os.environ['ALEXNET_TF_DATA'])
