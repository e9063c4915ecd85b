"""What runs a grid asks for."""

import pytest

from alexnet_tf import config as configs
from alexnet_tf.workflows import grid


def names(text, **more):
    parts = {'mode': 'experiment', 'grid': tuple(text.split(',')), **more}
    return [each.name for each in grid.trials(configs.from_settings(parts))]


def test_every_combination_the_last_changing_fastest():
    assert names('activation=relu|tanh,seed=1|2') == [
        'activation=relu+seed=1',
        'activation=relu+seed=2',
        'activation=tanh+seed=1',
        'activation=tanh+seed=2',
    ]


def test_nothing_changed_and_several_at_once():
    assert names('|columns=1+pool_size=2|dropout=0.0') == [
        'base',
        'columns=1+pool_size=2',
        'dropout=0.0',
    ]
    assert names('seed=1,|columns=1') == ['seed=1', 'seed=1+columns=1']


def test_the_same_run_is_there_once():
    assert names('seed=1|1|2') == ['seed=1', 'seed=2']


def test_runs_differ_in_what_is_asked_and_nothing_else():
    asked = configs.from_settings(
        {'mode': 'experiment', 'grid': ('normalization=false|true', 'seed=3'), 'epochs': 7}
    )
    one, other = grid.trials(asked)
    before = configs.to_settings(asked)
    after = configs.to_settings(one.config)
    changed = {name for name, value in after.items() if value != before[name]}
    assert changed == {'mode', 'grid', 'run_dir', 'normalization', 'seed'}
    assert after['normalization'] is False
    assert other.config.network.normalization is True
    assert one.config.run_dir == 'runs/experiment/normalization=false+seed=3'
    assert (one.group, other.group) == ('normalization=false', 'normalization=true')


def test_values_of_every_kind():
    (one,) = grid.trials(
        configs.from_settings(
            {
                'mode': 'experiment',
                'grid': ('lrn_n=3+width=0.5+init_layers=conv1', 'init_weights=a'),
            }
        )
    )
    assert (one.config.network.lrn_n, one.config.network.width) == (3, 0.5)
    assert one.config.training.init_layers == ('conv1',)


@pytest.mark.parametrize(
    ('text', 'said'),
    [
        ('colour=red', '--grid: colour=red: there is no --colour'),
        ('seed=x', '--grid: seed=x: --seed=x: expected int'),
        ('normalization=maybe', 'expected bool'),
        ('activation=sigmoid', 'expected one of relu, tanh'),
        ('1|2', 'expected SETTING=VALUE'),
        ('seed=1,seed=2', 'seed=1+seed=2 sets something twice'),
        ('run_dir=elsewhere', '--run_dir cannot differ between runs'),
        ('mode=predict', '--mode cannot differ'),
        ('init_weights=a/b', 'cannot be the name of a directory'),
    ],
)
def test_bad_grids_are_refused(text, said):
    with pytest.raises(configs.UsageError, match=said.replace('+', r'\+')):
        names(text)


def test_a_grid_belongs_to_experiments():
    with pytest.raises(configs.UsageError, match='--mode=experiment needs --grid'):
        configs.from_settings({'mode': 'experiment'})
    with pytest.raises(configs.UsageError, match='--grid belongs to --mode=experiment'):
        configs.from_settings({'mode': 'train', 'grid': ('seed=1',)})
