"""What the environment says cannot change results, and another backend than TensorFlow is refused.

Each in a process of its own, since Keras reads the environment when it is imported.
"""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

import alexnet_tf
from alexnet_tf.config import environment

RECIPE = {'crop_size': 67, 'initial_sd': 0.05}
# Saves the outputs of small networks, and of a model that another program saved.
PROGRAM = """
import sys
import alexnet_tf, keras, numpy
assert not any(name.startswith('alexnet_tf.models') for name in sys.modules)
loaded = keras.models.load_model(sys.argv[2])
recipe = alexnet_tf.Recipe.from_name('source2012').replace(crop_size=67, initial_sd=0.05)
model = alexnet_tf.AlexNet(recipe=recipe, classes=3, width=0.03, include_preprocessing=True)
images = numpy.random.default_rng(0).integers(0, 256, (2, 67, 67, 3), numpy.uint8)
model.save(sys.argv[1] + '.keras')
numpy.savez(
    sys.argv[1],
    loaded=loaded(images),
    images=model(images),
    features=alexnet_tf.AlexNet(recipe=recipe, width=0.03, include_top=False)(images),
    small=alexnet_tf.AlexNet(recipe='figure1', classes=3, width=0.2)(images[:, :32, :32]),
)
"""


def run(program, *arguments, keras_json=None, tmp_path, **variables):
    """Runs a program with the Keras settings of a user who has only these."""
    inherited = {key: value for key, value in os.environ.items() if 'KERAS' not in key}
    home = tmp_path / 'keras_home'
    home.mkdir(exist_ok=True)
    if keras_json is not None:
        (home / 'keras.json').write_text(json.dumps(keras_json))
    return subprocess.run(
        [sys.executable, *program, *map(str, arguments)],
        env=inherited | {'KERAS_HOME': str(home)} | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def compute_outputs(saved, tmp_path, **settings):
    done = run(['-c', PROGRAM], tmp_path / 'outputs.npz', saved, tmp_path=tmp_path, **settings)
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / 'outputs.npz') as outputs:
        return dict(outputs)


@pytest.fixture(scope='module')
def expected(tmp_path_factory):
    """The outputs in this process, whose environment sets nothing, and a model that it saved."""
    recipe = alexnet_tf.Recipe.from_name('source2012').replace(**RECIPE)
    images = np.random.default_rng(0).integers(0, 256, (2, 67, 67, 3), np.uint8)
    whole = alexnet_tf.AlexNet(recipe=recipe, classes=3, width=0.03, include_preprocessing=True)
    features = alexnet_tf.AlexNet(recipe=recipe, width=0.03, include_top=False)
    small = alexnet_tf.AlexNet(recipe='figure1', classes=3, width=0.2)
    path = tmp_path_factory.mktemp('saved') / 'model.keras'
    whole.save(path)
    return path, {
        'loaded': whole(images).numpy(),
        'images': whole(images).numpy(),
        'features': features(images).numpy(),
        'small': small(images[:, :32, :32]).numpy(),
    }


ALL = {
    'keras_json': {'image_data_format': 'channels_first', 'floatx': 'float16', 'epsilon': 1e-3},
    'TF_USE_LEGACY_KERAS': '1',
}
ONE_BY_ONE = [
    {'keras_json': {'image_data_format': 'channels_first'}},
    {'keras_json': {'floatx': 'float16'}},
    {'TF_USE_LEGACY_KERAS': '1'},
]


@pytest.mark.parametrize(
    'settings',
    [ALL, *(pytest.param(one, marks=pytest.mark.slow) for one in ONE_BY_ONE)],
    ids=['all', 'image_data_format', 'floatx', 'legacy keras'],
)
def test_what_a_user_sets_for_keras_has_no_effect_on_a_network(tmp_path, expected, settings):
    saved, values = expected
    outputs = compute_outputs(saved, tmp_path, **settings)
    for name, value in values.items():
        assert outputs[name].dtype == value.dtype
        np.testing.assert_array_equal(outputs[name], value, err_msg=name)


def test_the_command_line_resets_keras():
    try:
        keras.config.set_floatx('float64')
        keras.config.set_image_data_format('channels_first')
        keras.config.set_epsilon(1e-3)
        environment.reset_keras()
        settings = keras.config.floatx(), keras.config.image_data_format(), keras.config.epsilon()
    finally:
        keras.config.set_floatx('float32')
        keras.config.set_image_data_format('channels_last')
        keras.config.set_epsilon(1e-7)
    assert settings == ('float32', 'channels_last', 1e-7)


FIRST_USE = (
    'import alexnet_tf\n'
    'try:\n    alexnet_tf.AlexNet\nexcept ImportError as error:\n    print(error, end="")\n'
    'import sys; assert "keras" not in sys.modules and "tensorflow" not in sys.modules'
)
BACKENDS = [
    ({'KERAS_BACKEND': 'jax'}, 'Keras is set to run on jax (KERAS_BACKEND=jax), but'),
    ({'KERAS_BACKEND': 'torch'}, 'Keras is set to run on torch (KERAS_BACKEND=torch), but'),
    ({'keras_json': {'backend': 'jax'}}, 'Keras is set to run on jax ('),
]


@pytest.mark.parametrize(('settings', 'message'), BACKENDS)
def test_another_backend_is_an_import_error_at_the_first_use(tmp_path, settings, message):
    done = run(['-c', FIRST_USE], tmp_path=tmp_path, **settings)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(message)
    assert done.stdout.endswith('Set KERAS_BACKEND=tensorflow before Python starts.')
    assert '\n' not in done.stdout


@pytest.mark.parametrize(('settings', 'message'), BACKENDS)
def test_another_backend_is_a_usage_error_of_the_command_line(tmp_path, settings, message):
    command = ['-m', 'alexnet_tf.main', '--mode=report', f'--run_dir={tmp_path}']
    done = run(command, tmp_path=tmp_path, **settings)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f'alexnet_tf: error: {message}')


@pytest.mark.parametrize(
    'settings',
    [
        {'KERAS_BACKEND': 'tensorflow', 'keras_json': {'backend': 'jax'}},
        {'KERAS_BACKEND': '', 'keras_json': {'floatx': 'float32'}},
        {},
    ],
    ids=['variable before file', 'empty variable', 'nothing set'],
)
def test_tensorflow_is_accepted(tmp_path, settings):
    program = 'from alexnet_tf.config import environment; environment.check_backend()'
    assert run(['-c', program], tmp_path=tmp_path, **settings).returncode == 0


def test_help_needs_no_backend(tmp_path):
    command = ['-m', 'alexnet_tf.main', '--help']
    assert run(command, tmp_path=tmp_path, KERAS_BACKEND='jax').returncode == 0


@pytest.mark.slow
def test_the_command_line_trains_the_same_weights(folder, tmp_path):
    """Compares the checkpoints of runs with and without what a user sets for Keras."""
    flags = ['--mode=prepare', '--source=folder', f'--source_dir={folder}']
    records = f'--data_dir={tmp_path / "records"}'
    assert run(['-m', 'alexnet_tf.main', *flags, records], tmp_path=tmp_path).returncode == 0
    weights = []
    for name, variables in (('plain', {}), ('set', ALL)):
        (tmp_path / name).mkdir()
        network = ['--width=0.03', '--crop_size=67', '--batch_size=8', '--epochs=1']
        command = ['-m', 'alexnet_tf.main', '--mode=train', records, *network]
        done = run(
            command, f'--run_dir={tmp_path / name / "run"}', tmp_path=tmp_path / name, **variables
        )
        assert done.returncode == 0, done.stderr
        (path,) = (tmp_path / name / 'run' / 'checkpoints').glob('step-*/variables.npz')
        weights.append(dict(np.load(path)))
    assert set(weights[0]) == set(weights[1])
    for name, value in weights[0].items():
        np.testing.assert_array_equal(weights[1][name], value, err_msg=name)
