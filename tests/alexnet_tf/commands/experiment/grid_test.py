"""A grid expands into runs."""

import re

import pytest

from alexnet_tf.commands.experiment import grid
from alexnet_tf.config import fields, serialization


def expand(text, **more):
    return grid.expand_grid(
        serialization.from_settings({'mode': 'experiment', 'grid': text, **more})
    )


def names(text, **more):
    return [trial.name for trial in expand(text, **more)]


def test_a_grid_is_every_combination_the_last_part_changing_fastest():
    assert names('activation=relu|tanh; conv6=true|false') == [
        'conv6=true+activation=relu',
        'conv6=false+activation=relu',
        'conv6=true+activation=tanh',
        'conv6=false+activation=tanh',
    ]


def test_an_alternative_may_change_nothing_or_several_settings():
    assert names('|columns=1 + pool_size=2|dropout=0.0') == [
        'base',
        'columns=1+pool_size=2',
        'dropout=0',
    ]
    assert names('seed=1;|columns=1') == ['seed=1', 'seed=1+columns=1']
    assert names('batch_size=128|batch_size=512+accumulate_steps=4') == [
        'batch_size=128',
        'batch_size=512+accumulate_steps=4',
    ]


def test_a_network_of_one_column_has_one_of_two_devices():
    grid = '|columns=1|recipe=torchvision'
    devices = {'devices': ('/CPU:0', '/CPU:1')}
    placed = {trial.name: trial.config.network.devices for trial in expand(grid, **devices)}
    assert placed == {
        'base': ('/CPU:0', '/CPU:1'),
        'columns=1': ('/CPU:0',),
        'recipe=torchvision': ('/CPU:0',),
    }
    (trial,) = expand('columns=1', strategy='mirrored', **devices)
    assert trial.config.network.devices == ('/CPU:0', '/CPU:1')


def test_a_run_has_one_name_however_the_grid_is_written():
    assert names('seed=1|01|2;learning_rate=0.01|1e-2') == [
        'seed=1+learning_rate=0.01',
        'seed=2+learning_rate=0.01',
    ]
    assert names('learning_rate=0.01;seed=1') == names('--seed = 1+learning_rate=1e-02')
    assert names('normalization=False|0|f') == ['normalization=false']


def test_learning_rates_that_differ_in_the_last_digit_are_two_runs():
    assert names('learning_rate=0.01|0.0100000001') == [
        'learning_rate=0.01',
        'learning_rate=0.0100000001',
    ]


def test_values_of_every_type_are_parsed_and_named():
    (trial,) = expand('lrn_n=3+width=0.5+learning_rate=1e+1+drop_epochs=7,9+layer_rates=')
    assert trial.name == 'width=0.5+lrn_n=3+learning_rate=10+layer_rates=+drop_epochs=7-9'
    assert (trial.config.network.lrn_n, trial.config.network.width) == (3, 0.5)
    training = trial.config.training
    assert (training.learning_rate, training.drop_epochs) == (10.0, (7, 9))
    assert training.layer_rates == ()
    assert names('drop_epochs=7,9|8') == ['drop_epochs=7-9', 'drop_epochs=8']


def test_runs_differ_in_the_settings_of_the_grid_and_nothing_else():
    config = serialization.from_settings(
        {'mode': 'experiment', 'grid': 'normalization=false|true;seed=3', 'epochs': 7}
    )
    one, other = grid.expand_grid(config)
    before, after = serialization.to_settings(config), serialization.to_settings(one.config)
    changed = {name for name, value in after.items() if value != before[name]}
    assert changed == {'mode', 'grid', 'run_dir', 'normalization', 'seed'}
    assert after['normalization'] is False
    assert other.config.network.normalization is True
    assert one.config.run_dir == 'runs/experiment/seed=3+normalization=false'
    assert (one.group, other.group) == ('normalization=false', 'normalization=true')


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('colour=red', '--grid: there is no --colour'),
        ('seed=x', '--grid: --seed=x: expected an integer'),
        ('normalization=maybe', 'expected true or false'),
        ('activation=sigmoid', 'expected one of relu, tanh'),
        ('1|2', '1 is a value without a setting'),
        ('seed=1,2', '--seed=1,2: expected an integer'),
        ('activation=relu+learning_rate=0.1|0.3', '0.3 is a value without a setting'),
        ('activation=tanh|relu+dropout=0', 'relu is a value without a setting'),
        ('seed=1+seed=2', 'seed=1+seed=2 sets one setting twice'),
        ('seed=1;seed=2', 'two parts set seed'),
        ('run_dir=elsewhere', 'run_dir cannot differ between runs'),
        ('mode=predict', 'mode cannot differ'),
        ('data_dir=a|b', 'data_dir cannot differ'),
        ('devices=/CPU:0', 'devices cannot differ'),
        ('init_weights=a/b', 'cannot be the name of a directory'),
    ],
)
def test_invalid_grids_are_refused(text, message):
    with pytest.raises(fields.UsageError, match=re.escape(message)):
        names(text)


def test_a_grid_belongs_to_experiments_on_one_host():
    with pytest.raises(fields.UsageError, match='--mode=experiment needs either --grid'):
        serialization.from_settings({'mode': 'experiment'})
    with pytest.raises(fields.UsageError, match='--grid belongs to --mode=experiment'):
        serialization.from_settings({'mode': 'train', 'grid': 'seed=1'})
    with pytest.raises(fields.UsageError, match='--mode=experiment runs on one host'):
        expand('seed=1', strategy='multi_worker')
