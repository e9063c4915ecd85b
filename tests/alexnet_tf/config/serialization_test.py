"""Configs as settings, as JSON and as command lines."""

import dataclasses
import json
import shlex

import pytest

from alexnet_tf.config import fields, flags, serialization
from alexnet_tf.runs import creation


def test_a_config_survives_json():
    values = {'mode': 'train', 'drop_epochs': (3, 5), 'devices': ('/CPU:0',), 'lrn_k': 1.0}
    config = serialization.from_settings(values)
    assert config.training.drop_epochs == (3, 5)
    assert serialization.from_settings(json.loads(serialization.to_json(config))) == config
    assert serialization.from_settings(serialization.to_settings(config)) == config


def test_the_json_of_an_older_version_resumes_the_same_run():
    config = serialization.from_settings({'mode': 'all', 'source': 'sample'})
    settings = json.loads(serialization.to_json(config))
    old = settings | {'mode': 'everything', 'source': 'photographs'}
    loaded = serialization.from_settings(json.loads(json.dumps(old)))
    assert loaded == config
    resumed = dataclasses.replace(config, mode='train')
    assert creation.list_fixed_settings(loaded) == creation.list_fixed_settings(resumed)


def test_unknown_settings_are_refused():
    with pytest.raises(fields.UsageError, match='unknown settings: nonsense'):
        serialization.from_settings({'nonsense': 1})


def test_a_default_that_was_given_is_not_filled_in():
    settings = {'mode': 'train', 'precision': 'float32', 'init_weights': 'x.npy'}
    config = serialization.from_settings(settings, ['precision'])
    config = serialization.replace(config, {'seed': 3})
    filled = serialization.fill_in(config, {'precision': 'bfloat16', 'linear_head': True})
    assert (filled.network.precision, filled.training.linear_head) == ('float32', True)
    assert '--precision=float32' in serialization.to_flags(config, 'train')


def test_only_settings_that_have_their_defaults_are_filled_in():
    config = serialization.from_settings({'width': 0.5, 'seed': 3})
    filled = serialization.fill_in(config, {'width': 0.25, 'crop_size': 128, 'seed': 4})
    expected = {'width': 0.5, 'crop_size': 128, 'seed': 3}
    assert filled == serialization.from_settings(expected)


def test_a_command_line_gives_the_config_back():
    config = serialization.from_settings(
        {'mode': 'train', 'run_dir': 'a b', 'seed': 3, 'width': 0.25, 'drop_epochs': (3, 5)}
    )
    expected = ['--mode=train', '--run_dir=a b', '--seed=3', '--width=0.25', '--drop_epochs=3,5']
    assert serialization.to_flags(config, 'train') == expected
    python, *command = shlex.split(serialization.to_command(config, 'train'))
    assert [python, *command[:2]] == ['python', '-m', 'alexnet_tf.main']
    assert flags.parse(command[1:]) == config


def test_a_command_line_holds_only_what_the_mode_reads():
    config = serialization.from_settings(
        {'mode': 'train', 'run_dir': 'run', 'width': 0.25, 'views': ('1',)}
    )
    assert serialization.to_flags(config, 'evaluate') == [
        *('--mode=evaluate', '--run_dir=run', '--views=1')
    ]


def test_the_command_line_of_training_holds_what_decides_an_index_of_images():
    settings = {'data_dir': 'x', 'validation_fraction': 0.1, 'background': 'black'}
    config = serialization.from_settings({'mode': 'train', 'shard_examples': 96} | settings)
    assert serialization.to_flags(config, 'train') == [
        *('--mode=train', '--data_dir=x', '--background=black'),
        *('--validation_fraction=0.1', '--shard_examples=96'),
    ]
