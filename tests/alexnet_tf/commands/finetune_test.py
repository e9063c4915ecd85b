"""Networks that begin with another run's weights."""

import shutil

import numpy as np
import pytest

from alexnet_tf.commands import train
from alexnet_tf.config import fields
from alexnet_tf.training import checkpoint
from input_pipeline import errors

STILL = ('--learning_rate=0', '--epochs=1', '--seed=5')


@pytest.fixture(scope='module')
def first(whole, tmp_path_factory):
    directory = tmp_path_factory.mktemp('first') / 'run'
    shutil.copytree(whole, directory)
    return directory


@pytest.fixture
def begun(config_of, tmp_path):
    """The weights that a trainer begins with, by layer."""

    def begin(*flags):
        trainer = train.Trainer(config_of(tmp_path / 'run', *STILL, *flags))
        trainer.resume()
        return {each.path: each.numpy() for each in trainer.learner.variables()}

    return begin


def differing(begun, first, variables):
    saved = variables(first)
    return {
        name.split('/')[0]
        for name, value in begun.items()
        if name.endswith('/kernel') and not np.array_equal(value, saved[name])
    }


def test_all_layers_of_a_run_and_no_velocities(first, begun, variables, capsys):
    found = begun(f'--init_weights={first}')
    assert differing(found, first, variables) == set()
    assert not any(value.any() for name, value in found.items() if 'velocity' in name)
    assert f'train: begins with {first}' in capsys.readouterr().out


def test_a_file_of_a_checkpoint(first, begun, variables):
    newest = checkpoint.load_newest(first / 'checkpoints')
    found = begun(f'--init_weights={newest / "variables.npz"}')
    assert differing(found, first, variables) == set()


def test_named_layers_only(first, begun, variables, capsys):
    found = begun(f'--init_weights={first}', '--init_layers=conv1,conv2,fc6')
    rest = {f'{name}_{at}' for name in ('conv3', 'conv4', 'conv5', 'fc7') for at in 'ab'}
    assert differing(found, first, variables) == {*rest, 'fc8'}
    assert 'begins afresh: conv3_a' in capsys.readouterr().out


def test_of_a_run_on_other_classes_the_head_is_left(first, begun, variables):
    """Even where there are as many."""
    path = first / 'data.json'
    whole = path.read_text()
    try:
        path.write_text(whole.replace('"dog"', '"eel"'))
        found = begun(f'--init_weights={first}')
    finally:
        path.write_text(whole)
    assert differing(found, first, variables) == {'fc8'}


@pytest.mark.slow
def test_a_layer_at_rate_0_stands_still(first, config_of, tmp_path, variables):
    flags = (f'--init_weights={first}', '--layer_rates=conv1=0,conv2=0,fc8=2', '--epochs=1')
    train.run(config_of(tmp_path / 'run', *flags, '--recipe=source2012', '--drop_epochs=9'))
    before, after = variables(first), variables(tmp_path / 'run')
    moved = {
        name.split('_')[0]
        for name in after
        if name.endswith('/kernel') and not np.array_equal(before[name], after[name])
    }
    assert not moved & {'conv1', 'conv2'}
    assert {'conv3', 'fc6', 'fc8/kernel'} <= moved


def test_a_folder_that_is_no_run_is_refused(begun, tmp_path):
    with pytest.raises(errors.DataError, match=r'--init_weights=.* holds no trained network'):
        begun(f'--init_weights={tmp_path}')


def test_layers_that_this_network_lacks_are_refused(first, begun):
    with pytest.raises(fields.UsageError, match='--init_layers=conv6: this network has conv1'):
        begun(f'--init_weights={first}', '--init_layers=conv1,conv6')
