"""Networks initialised from another run."""

import dataclasses
import shutil

import numpy as np
import pytest

from alexnet_tf.commands import train
from alexnet_tf.config import fields
from alexnet_tf.models import recipes
from alexnet_tf.runs import initial_weights
from alexnet_tf.training import checkpoint
from input_pipeline import errors

NO_TRAINING = ('--learning_rate=0', '--epochs=1', '--seed=5')


@pytest.fixture(scope='module')
def first(whole, tmp_path_factory):
    directory = tmp_path_factory.mktemp('first') / 'run'
    shutil.copytree(whole, directory)
    return directory


@pytest.fixture
def initialise(config_of, tmp_path):
    """Starts a run, and returns its variables before the first step, by name."""

    def start(*flags):
        training = train.create_trainer(config_of(tmp_path / 'run', *NO_TRAINING, *flags))
        train.resume_or_create(training)
        return {variable.path: variable.numpy() for variable in training.learner.variables}

    return start


def list_differing(initial, first, variables):
    """Lists the layers whose initial kernels are not those of the first run."""
    saved = variables(first)
    return {
        name.split('/')[0]
        for name, value in initial.items()
        if name.endswith('/kernel') and not np.array_equal(value, saved[name])
    }


def test_all_layers_of_a_run_are_loaded_and_no_velocities(first, initialise, variables, capsys):
    initial = initialise(f'--init_weights={first}')
    assert list_differing(initial, first, variables) == set()
    assert not any(value.any() for name, value in initial.items() if 'velocity' in name)
    assert f'train: initialised from {first}' in capsys.readouterr().out


def test_the_variables_file_of_a_checkpoint_is_loaded(first, initialise, variables):
    newest = checkpoint.find_newest(first / 'checkpoints')
    initial = initialise(f'--init_weights={newest / "variables.npz"}')
    assert list_differing(initial, first, variables) == set()


def test_only_the_named_layers_are_loaded(first, initialise, variables, capsys):
    initial = initialise(f'--init_weights={first}', '--init_layers=conv1,conv2,fc6')
    rest = {f'{name}_{column}' for name in ('conv3', 'conv4', 'conv5', 'fc7') for column in 'ab'}
    assert list_differing(initial, first, variables) == {*rest, 'fc8'}
    assert 'randomly initialised: conv3_a' in capsys.readouterr().out


def test_the_last_layer_of_a_run_on_as_many_other_classes_is_not_loaded(
    first, initialise, variables
):
    path = first / 'data.json'
    whole = path.read_text()
    try:
        path.write_text(whole.replace('"dog"', '"eel"'))
        initial = initialise(f'--init_weights={first}')
    finally:
        path.write_text(whole)
    assert list_differing(initial, first, variables) == {'fc8'}


@pytest.mark.slow
def test_a_layer_at_learning_rate_0_does_not_change(first, config_of, tmp_path, variables):
    flags = (f'--init_weights={first}', '--layer_rates=conv1=0,conv2=0,fc8=2', '--epochs=1')
    train.run(config_of(tmp_path / 'run', *flags, '--drop_epochs=9'))
    before, after = variables(first), variables(tmp_path / 'run')
    moved = {
        name.split('_')[0]
        for name in after
        if name.endswith('/kernel') and not np.array_equal(before[name], after[name])
    }
    assert not moved & {'conv1', 'conv2'}
    assert {'conv3', 'fc6', 'fc8/kernel'} <= moved


def test_a_folder_that_is_not_a_run_is_refused(initialise, tmp_path):
    with pytest.raises(errors.DataError, match=r'--init_weights=.* holds no trained network'):
        initialise(f'--init_weights={tmp_path}')


@pytest.mark.parametrize(
    ('flags', 'difference'),
    [
        (['--activation=tanh'], 'activation: relu then, tanh now'),
        (['--lrn_alpha=0.5'], r'lrn_alpha: 0\.0001 then, 0\.5 now'),
        (['--width=0.3'], r'width: [\d.]+ then, 0\.3 now'),
    ],
)
def test_a_run_with_another_network_is_refused_before_anything_is_written(
    first, initialise, tmp_path, flags, difference
):
    message = rf'--init_weights=.* another network \({difference}\)\. .*variables\.npz, whose'
    with pytest.raises(fields.UsageError, match=message):
        initialise(f'--init_weights={first}', *flags)
    assert not (tmp_path / 'run').exists()


@pytest.mark.parametrize(
    'flags',
    [
        ['--dropout=0.2', '--dropout_inverted', '--momentum=0.8', '--weight_decay=0'],
        ['--activation=tanh', '--init_layers=conv1,conv2'],
    ],
)
def test_training_and_layers_named_one_by_one_may_differ(first, initialise, variables, flags):
    initial = initialise(f'--init_weights={first}', *flags)
    assert not list_differing(initial, first, variables) & {'conv1_a', 'conv2_b'}


def test_every_hyperparameter_is_of_the_network_or_of_its_training():
    of_training = {
        *('name', 'view_size', 'initial_sd', 'initial_sd_middle', 'initial_sd_hidden'),
        *('initial_bias_last', 'input_mean'),
        *('he_initialization', 'initial_bias', 'learning_rate', 'bias_rate_multiplier', 'momentum'),
        *('layer_rates', 'nesterov', 'weight_decay', 'batch_size', 'epochs', 'schedule', 'warmup'),
        *('max_steps', 'cutmix', 'label_smoothing', 'drop_epochs', 'reshuffle', 'random_crops'),
        *('crop_chunk', 'training_crop_size', 'optimizer', 'trust_coefficient'),
        *('base_batch_size', 'decay_power'),
        *('min_crop_area', 'max_crop_aspect', 'contrast', 'colour_shift_sd'),
        *('colour_shift_divisor', 'colour_shift_epochs'),
    }
    checked = {*initial_weights.NETWORK_FIELDS, 'layers', 'dropout', 'dropout_inverted'}
    checked |= {'dropout_on_inputs'}
    assert of_training | checked == {field.name for field in dataclasses.fields(recipes.Recipe)}
    assert not of_training & checked


def test_the_file_of_a_run_is_loaded_into_another_network(first, initialise, variables):
    file = checkpoint.find_newest(first / 'checkpoints') / 'variables.npz'
    initial = initialise(f'--init_weights={file}', '--activation=tanh')
    assert list_differing(initial, first, variables) == set()


def test_layers_that_the_network_does_not_have_are_refused(first, initialise):
    with pytest.raises(fields.UsageError, match='--init_layers=conv6: this network has conv1'):
        initialise(f'--init_weights={first}', '--init_layers=conv1,conv6')


def test_an_empty_list_of_layers_is_none(first, initialise):
    with pytest.raises(fields.UsageError, match='another network'):
        initialise(f'--init_weights={first}', '--init_layers=', '--activation=tanh')
