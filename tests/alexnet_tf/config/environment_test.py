"""What the environment says cannot change results, and another backend than TensorFlow is refused.

Each in a process of its own, since Keras reads the environment when it is imported.
"""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

import alexnet_tf

RECIPE = {'crop_size': 67, 'initial_sd': 0.05}
# Prints nothing but the outputs of a small network after a step of training.
PROGRAM = """
import sys
import alexnet_tf, numpy
recipe = alexnet_tf.Recipe.from_name('source2012').replace(crop_size=67, initial_sd=0.05)
model = alexnet_tf.AlexNet(recipe=recipe, classes=3, width=0.03, include_preprocessing=True)
images = numpy.random.default_rng(0).integers(0, 256, (2, 67, 67, 3), numpy.uint8)
numpy.savez(
    sys.argv[1],
    images=model(images),
    features=alexnet_tf.AlexNet(recipe=recipe, width=0.03, include_top=False)(images),
    small=alexnet_tf.AlexNet(recipe='figure1', classes=3, width=0.2)(images[:, :32, :32]),
)
model.save(sys.argv[1] + '.keras')
"""


def run(program, *arguments, keras_json=None, tmp_path, **variables):
    """Runs a program with the Keras settings of a user who has only these."""
    environment = {key: value for key, value in os.environ.items() if 'KERAS' not in key}
    home = tmp_path / 'keras_home'
    home.mkdir(exist_ok=True)
    if keras_json is not None:
        (home / 'keras.json').write_text(json.dumps(keras_json))
    return subprocess.run(
        [sys.executable, *program, *map(str, arguments)],
        env=environment | {'KERAS_HOME': str(home)} | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def compute_outputs(tmp_path, **environment):
    done = run(['-c', PROGRAM], tmp_path / 'outputs.npz', tmp_path=tmp_path, **environment)
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / 'outputs.npz') as outputs:
        return dict(outputs)


@pytest.fixture(scope='module')
def expected():
    """The outputs in this process, whose environment sets nothing."""
    recipe = alexnet_tf.Recipe.from_name('source2012').replace(**RECIPE)
    images = np.random.default_rng(0).integers(0, 256, (2, 67, 67, 3), np.uint8)
    whole = alexnet_tf.AlexNet(recipe=recipe, classes=3, width=0.03, include_preprocessing=True)
    features = alexnet_tf.AlexNet(recipe=recipe, width=0.03, include_top=False)
    small = alexnet_tf.AlexNet(recipe='figure1', classes=3, width=0.2)
    return {
        'images': whole(images).numpy(),
        'features': features(images).numpy(),
        'small': small(images[:, :32, :32]).numpy(),
    }


@pytest.mark.parametrize(
    'keras_json',
    [{'image_data_format': 'channels_first'}, {'floatx': 'float16'}],
    ids=['image_data_format', 'floatx'],
)
def test_settings_in_keras_json_have_no_effect(tmp_path, expected, keras_json):
    outputs = compute_outputs(tmp_path, keras_json=keras_json)
    for name, value in expected.items():
        assert outputs[name].dtype == value.dtype
        np.testing.assert_array_equal(outputs[name], value, err_msg=name)


def test_legacy_keras_is_not_needed(tmp_path, expected):
    outputs = compute_outputs(tmp_path, TF_USE_LEGACY_KERAS='1')
    np.testing.assert_array_equal(outputs['images'], expected['images'])


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


@pytest.mark.parametrize(('environment', 'message'), BACKENDS)
def test_another_backend_is_an_import_error_at_the_first_use(tmp_path, environment, message):
    done = run(['-c', FIRST_USE], tmp_path=tmp_path, **environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(message)
    assert done.stdout.endswith('Set KERAS_BACKEND=tensorflow before Python starts.')
    assert '\n' not in done.stdout


@pytest.mark.parametrize(('environment', 'message'), BACKENDS)
def test_another_backend_is_a_usage_error_of_the_command_line(tmp_path, environment, message):
    command = ['-m', 'alexnet_tf.main', '--mode=report', f'--run_dir={tmp_path}']
    done = run(command, tmp_path=tmp_path, **environment)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f'alexnet_tf: error: {message}')


@pytest.mark.parametrize(
    'environment',
    [
        {'KERAS_BACKEND': 'tensorflow', 'keras_json': {'backend': 'jax'}},
        {'KERAS_BACKEND': '', 'keras_json': {'floatx': 'float32'}},
        {},
    ],
    ids=['variable before file', 'empty variable', 'nothing set'],
)
def test_tensorflow_is_accepted(tmp_path, environment):
    program = 'from alexnet_tf.config import environment; environment.check_backend()'
    assert run(['-c', program], tmp_path=tmp_path, **environment).returncode == 0


def test_help_needs_no_backend(tmp_path):
    command = ['-m', 'alexnet_tf.main', '--help']
    assert run(command, tmp_path=tmp_path, KERAS_BACKEND='jax').returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    'environment',
    [
        {'TF_USE_LEGACY_KERAS': '1'},
        {'keras_json': {'floatx': 'float16', 'image_data_format': 'channels_first'}},
    ],
    ids=['legacy keras', 'keras.json'],
)
def test_the_command_line_trains_the_same_weights(folder, tmp_path, environment):
    """Prepares, trains and exports with and without, and compares the checkpoints to the bit."""
    flags = ['--mode=prepare', '--source=folder', f'--source_dir={folder}']
    records = f'--data_dir={tmp_path / "records"}'
    assert run(['-m', 'alexnet_tf.main', *flags, records], tmp_path=tmp_path).returncode == 0
    weights = []
    for name, variables in (('plain', {}), ('set', environment)):
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
