"""`prepare` and `train`: the commands as functions, with settings named as the flags."""

import json
import os
import pathlib
import shutil
import signal

import numpy as np
import pytest

from alexnet_tf.api import classifier, errors, settings
from alexnet_tf.api import commands as api_commands
from alexnet_tf.models import recipes
from alexnet_tf.runs import training_data


def read_variables(run_dir):
    newest = max((run_dir / 'checkpoints').glob('step-*'))
    with np.load(newest / 'variables.npz') as saved:
        return dict(saved)


def test_training_in_any_thread_gives_the_weights_of_the_command_line(run_dir, trained_by_command):
    variables, expected = map(read_variables, (run_dir, trained_by_command))
    assert variables.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(variables[name], values)


def test_the_same_call_keeps_what_is_done(records, run_dir, tiny, shared_folder, capsys):
    settings = {'shard_examples': 8, 'validation_fraction': 0.4}
    assert api_commands.prepare(shared_folder, records, **settings) == records
    assert 'already prepared' in capsys.readouterr().out
    assert 'step 4' in repr(api_commands.train(records, run_dir, **tiny))
    assert 'train: resumes from' in capsys.readouterr().out


def test_ctrl_c_saves_a_checkpoint_and_raises_stopped(records, tiny, tmp_path, monkeypatch):
    def interrupt(*_):
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(training_data.BatchReader, 'read', interrupt)
    with pytest.raises(errors.Stopped, match='stopped by Ctrl-C'):
        api_commands.train(records, tmp_path / 'run', **tiny)
    monkeypatch.undo()
    (saved,) = (tmp_path / 'run' / 'checkpoints').iterdir()
    assert saved.name == 'step-00000000'
    assert 'step 4' in repr(api_commands.train(run_dir=tmp_path / 'run', resume=True))


def test_without_records_or_run_there_is_nothing_to_train(records, run_dir):
    for directories in ({'run_dir': run_dir}, {'data_dir': records}, {'resume': True}):
        with pytest.raises(errors.UsageError, match=r'or run_dir and resume=True'):
            api_commands.train(**directories)


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        ({'batchsize': 3}, r'train\(\) has no setting batchsize. Did you mean batch_size'),
        ({'inputs': ['a']}, r'train\(\) does not use the setting inputs\. `python -m'),
        ({'callbacks': []}, r'train\(\) does not take callbacks, but Keras .*\.fit\(callbacks='),
        ({'class_weight': {0: 2.0}}, 'no setting class_weight. Here it is class_weights'),
        ({'class_weights': {0: 2.0}}, 'expected a string. Weights of the loss by class'),
        ({'schedule': 1}, "schedule=1: expected a string. Choose from 'plateau', 'list'"),
        ({'validation_split': 0.1}, 'Here it is validation_fraction, of images'),
        ({'validation_fraction': 0.1}, '^validation_fraction=0.1: .* was built with 0.4'),
        ({'loss': 'mse'}, r'train\(\) does not take loss, but Keras .*\.compile\(loss='),
        ({'recipe': recipes.PAPER.replace(name='mine')}, "recipe='mine': expected one of paper"),
        ({'layer_rates': ['conv9=.1']}, '^layer_rates=conv9=.1: .* with a layer from conv1'),
        ({'batch_size': 'big'}, "batch_size='big': expected an integer"),
        ({'batch_size': True}, 'batch_size=True: expected an integer'),
        ({'epochs': 0}, '^epochs=0: expected at least 1'),
        ({'devices': '/GPU:0'}, "devices='/GPU:0': expected a list"),
        ({'recipe': 'vgg'}, '^recipe=vgg: expected one of paper'),
        ({'momentum': [0.9]}, r'momentum=\[0.9\]: expected a number'),
        ({'lrn_n': 4}, 'lrn_n=4: expected an odd number'),
        ({'recipe': recipes.CIFAR13.replace(layers=())}, r'train\(\) cannot change layers'),
        ({'devices': ['/CPU:0', '/CPU:1', '/CPU:2']}, r'give strategy=mirrored\.$'),
    ],
)
def test_settings_that_cannot_be_used_are_named(records, tmp_path, settings, message):
    with pytest.raises(errors.UsageError, match=message):
        api_commands.train(records, tmp_path / 'run', **settings)
    assert not (tmp_path / 'run').exists()


def test_values_of_numpy_and_none_are_settings(records, tiny, run_dir):
    settings = tiny | {'epochs': np.int64(2), 'learning_rate': np.float64(0.001), 'momentum': None}
    assert 'step 4' in repr(api_commands.train(records, run_dir, **settings))


@pytest.mark.parametrize('stored', ['newest', 'best'])
def test_the_network_is_of_the_checkpoint_that_the_run_names(
    records, run_dir, tiny, tmp_path, monkeypatch, stored
):
    run, seen = shutil.copytree(run_dir, tmp_path / 'run'), []
    config = json.loads((run / 'config.json').read_text())
    (run / 'config.json').write_text(json.dumps(config | {'checkpoint': stored}))
    monkeypatch.setattr(api_commands.train_command, 'run', lambda _: None)
    monkeypatch.setattr(classifier, 'load_run', lambda *args: seen.append(args))
    api_commands.train(records, run, **tiny)
    assert seen == [(str(run), stored)]


def test_a_recipe_stands_for_its_name_and_its_changes(records, tiny, run_dir):
    recipe = recipes.PAPER.replace(crop_size=67, batch_size=8, schedule='list', epochs=90)
    settings = {name: tiny[name] for name in ('width', 'epochs', 'learning_rate', 'devices')}
    # The same run, so the settings are the same; what is given beside the recipe counts.
    assert 'step 4' in repr(api_commands.train(records, run_dir, recipe=recipe, **settings))


def test_images_and_records_that_cannot_be_used_are_named(shared_folder, tmp_path):
    with pytest.raises(errors.DataError, match='nowhere'):
        api_commands.prepare('nowhere', tmp_path / 'records')
    with pytest.raises(errors.UsageError, match='source=csv needs'):
        api_commands.prepare(None, tmp_path / 'records', source='csv')
    message = r'holds no prepared data: .* Run prepare\(\) first, or name another data_dir\.'
    with pytest.raises(errors.DataError, match=message):
        api_commands.train(tmp_path, tmp_path / 'run')
    with pytest.raises(errors.UsageError, match='lies in source_dir='):
        api_commands.prepare(shared_folder, shared_folder / 'records')


@pytest.mark.parametrize(
    ('message', 'expected'),
    [
        ('--mode=prepare --verify_only names them.', 'prepare(verify_only=True) names them.'),
        ('Give --recipe=caffe, or a --run_dir.', 'Give recipe=caffe, or a run_dir.'),
        ('Pass --source_dir=photos.', 'Pass directory=photos.'),
        (
            '--mode=report shows it; a--run_dir --unknown',
            '--mode=report shows it; a--run_dir --unknown',
        ),
    ],
)
def test_flags_in_messages_become_arguments(message, expected):
    arguments = settings.name_arguments(source_dir='directory')
    with pytest.raises(errors.DataError) as raised, arguments:
        raise errors.DataError(message)
    assert str(raised.value) == expected


def test_messages_of_other_errors_stay_as_they_are():
    with pytest.raises(RuntimeError, match='--run_dir'), settings.name_arguments():
        raise RuntimeError('--run_dir')


def test_the_next_command_is_not_printed(records, run_dir, tiny, capsys):
    api_commands.train(records, run_dir, **tiny)
    assert 'train: done' in (printed := capsys.readouterr().out)
    assert 'python' not in printed


def test_a_temporary_run_goes_with_the_classifier_of_weights(monkeypatch, tmp_path):
    class Loaded:
        pass

    configs = []
    monkeypatch.setattr(api_commands.import_command, 'run', configs.append)
    monkeypatch.setattr(api_commands.classifier, 'load_run', lambda run_dir: Loaded())
    loaded = api_commands.load_weights(tmp_path / 'a.pth', recipe='caffe')
    folder = pathlib.Path(configs[0].run_dir).parent
    assert folder.is_dir()
    del loaded
    assert not folder.exists()
    api_commands.load_weights('a.pth', tmp_path / 'run')
    assert configs[1].run_dir == str(tmp_path / 'run')
    assert (configs[0].network.recipe, configs[1].network.recipe) == ('caffe', 'auto')
