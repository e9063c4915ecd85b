"""Training runs: whole, cut short and taken up again, refused."""

import csv
import os
import signal
import tempfile
import time

import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.commands import train
from alexnet_tf.models import outputs, placement
from alexnet_tf.training import signals
from input_pipeline import errors
from input_pipeline.batches import data_service


def test_a_finished_run_is_left_alone(config_of, whole, capsys):
    before = {path: path.stat().st_mtime_ns for path in (whole / 'checkpoints').rglob('*')}
    train.run(config_of(whole))
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert 'train: done, 3 epochs' in capsys.readouterr().out


def test_the_rate_follows_the_list(whole, rows):
    assert [float(row['learning_rate']) for row in rows(whole)] == [0.01, 0.01, 0.001]


@pytest.mark.slow
def test_a_plateau_divides_three_times_and_then_ends(config_of, tmp_path, rows):
    standing_still = ('--learning_rate=0', '--patience_epochs=1', '--epochs=20', '--drop_epochs=')
    train.run(config_of(tmp_path, '--schedule=plateau', *standing_still))
    assert len(rows(tmp_path)) == 5  # one that is the best, and four that are no better


@pytest.mark.slow
def test_an_epoch_that_was_trained_by_an_earlier_process_has_no_rate(
    config_of, stop_after, tmp_path
):
    steps_of_an_epoch = 3
    for stop in (stop_after(steps_of_an_epoch), signals.StopRequest()):
        trainer = train.Trainer(config_of(tmp_path, '--epochs=1', '--batch_size=5'))
        trainer.resume()
        trainer.epoch(trainer.rate(), stop)
        trainer.save()
    with open(tmp_path / 'summary.csv') as file:
        (row,) = csv.DictReader(file)
    assert row['images_per_sec'] == ''
    assert float(row['train_loss']) > 0


@pytest.mark.slow
def test_asked_to_stop_in_validation_it_keeps_the_checkpoint_of_the_epoch(
    config_of, tmp_path, whole, monkeypatch
):
    scores = train.Trainer._scores

    def interrupted(trainer):
        os.kill(os.getpid(), signal.SIGTERM)
        return scores(trainer)

    monkeypatch.setattr(train.Trainer, '_scores', interrupted)
    with pytest.raises(signals.Stopped):
        train.run(config_of(tmp_path))
    (kept,) = (tmp_path / 'checkpoints').glob('step-*')
    assert kept.name.endswith('.epoch-0001')
    assert (whole / 'checkpoints' / kept.name).exists()


def test_training_learns(config_of, tmp_path, rows, monkeypatch):
    validate = train.Trainer._scores

    def slowly(trainer):
        time.sleep(2 * (trainer.state.epoch == 13))
        return validate(trainer)

    monkeypatch.setattr(train.Trainer, '_scores', slowly)
    start = ('--initial_sd=0.02', '--initial_sd_middle=0.1', '--initial_sd_hidden=0.1')
    easy = ('--learning_rate=0.001', '--dropout=0', '--initial_bias=0.1')
    train.run(config_of(tmp_path, '--epochs=14', '--drop_epochs=14', *start, *easy))
    losses = [float(row['train_loss']) for row in rows(tmp_path)]
    assert min(losses[-3:]) < 0.2
    assert losses[0] > 0.5
    last = (tmp_path / 'summary.csv').read_text().splitlines()[-1]
    assert float(last.split(',')[-1]) > 12 / 2  # of training alone, not of validation


def test_a_precision_that_is_imitated_is_warned_of(config_of, tmp_path, monkeypatch, capsys):
    trainer = train.Trainer(config_of(tmp_path, '--precision=float16'))
    monkeypatch.setattr(placement, 'slow', lambda precision, placed: precision == 'float16')
    trainer.watch.greet(24)
    warning, line = capsys.readouterr().out.splitlines()
    assert 'no float16 arithmetic' in warning
    assert '--precision=float32' in warning
    assert '24 pictures of 2 classes, on /' in line


@pytest.mark.parametrize(
    'variant',
    [
        pytest.param('--conv6', marks=pytest.mark.slow),
        pytest.param('--columns=1', marks=pytest.mark.slow),
        pytest.param('--activation=tanh', marks=pytest.mark.slow),
    ],
)
def test_variants_train(config_of, tmp_path, variant, rows):
    train.run(config_of(tmp_path, '--epochs=1', '--drop_epochs=1', variant))
    assert len(rows(tmp_path)) == 1


def test_everything_that_a_run_owns_is_written(trained):
    names = {path.name for path in trained.iterdir()}
    assert names >= {'config.json', 'data.json', 'environment.json', 'summary.csv', 'tensorboard'}


def tags(directory):
    return {
        value.tag
        for path in directory.glob('events.*')
        for event in tf.compat.v1.train.summary_iterator(str(path))
        for value in event.summary.value
    }


def test_tensorboard_gets_all_that_the_page_says(whole):
    board = whole / 'tensorboard'
    layers = [f'conv{at}' for at in range(1, 6)] + ['fc6', 'fc7', 'fc8']
    norms = {f'{kind}_norm/{name}' for kind in ('gradient', 'weight') for name in layers}
    curves = {'loss', 'top1_error', 'top5_error', 'learning_rate', 'images_per_sec'}
    more = {'input_wait_share', 'epoch_loss', 'conv1_kernels', '_hparams_/session_start_info'}
    assert tags(board / 'train') >= curves | more | norms
    dead = {f'dead_units/{name}' for name in layers[:-1]}
    assert tags(board / 'validation') == {*dead, *(f'epoch_{name}' for name in outputs.METRICS)}
    assert list(board.glob('train/plugins/profile/*/*.xplane.pb'))


def test_other_settings_are_refused(command, data, trained, capsys):
    assert command('train', data, f'--run_dir={trained}', '--batch_size=4') == 2
    assert 'batch_size: 8 then, 4 now' in capsys.readouterr().err


def test_other_data_are_refused(command, trained, tmp_path, shared_folder, capsys):
    source = ('--source=folder', f'--source_dir={shared_folder}', f'--data_dir={tmp_path}')
    assert command('prepare', *source, '--validation_fraction=0.3') == 0
    assert command('train', f'--data_dir={tmp_path}', f'--run_dir={trained}') == 3
    assert 'was begun on other data' in capsys.readouterr().err


@pytest.mark.slow
def test_late_changes_of_the_source(config_of, tmp_path, variables):
    """conv1 stands still after its epoch, up to its velocity, and the others go on."""
    late = ('--layer_rates=conv1=0@1,fc8=2', '--momentum=0', '--drop_epochs=', '--seed=3')
    kernels = []
    for epochs in (1, 2):
        directory = tmp_path / str(epochs)
        train.run(config_of(directory, *late, f'--epochs={epochs}', '--colour_shift_epochs=1'))
        kernels.append(variables(directory))
    for name in ('conv1_a/kernel', 'conv1_b/bias'):
        np.testing.assert_array_equal(kernels[0][name], kernels[1][name])
    assert np.abs(kernels[0]['fc8/kernel'] - kernels[1]['fc8/kernel']).max() > 0


@pytest.mark.slow
def test_float16_trains_and_goes_on(config_of, stop_after, tmp_path, variables):
    flags = ('--precision=float16', '--devices=/CPU:0,/CPU:1', '--learning_rate=0.001')
    whole, parts = (config_of(tmp_path / name, *flags) for name in ('whole', 'parts'))
    train.run(whole)
    trainer = train.Trainer(parts)
    trainer.resume()
    trainer.epoch(trainer.rate(), stop_after(2))
    trainer.save()
    train.run(parts)
    saved = variables(tmp_path / 'whole')
    assert saved['loss_scale'] > 1
    for name, value in variables(tmp_path / 'parts').items():
        assert np.isfinite(value).all()
        np.testing.assert_array_equal(value, saved[name], err_msg=name)


@pytest.mark.parametrize(
    'flag',
    ['--init_weights=typo.npz', '--init_weights=weights.h5', '--layer_rates=conv6=0.1'],
)
def test_what_cannot_begin_leaves_no_directory(config_of, tmp_path, flag):
    with pytest.raises(Exception, match=r'typo\.npz|that ends in \.npy|no such layer') as raised:
        train.run(config_of(tmp_path / 'run', flag))
    assert raised.value.exit_code in (2, 3)
    assert not (tmp_path / 'run').exists()


@pytest.mark.parametrize(
    'flags',
    [
        pytest.param(('--augment_on=accelerator',), marks=pytest.mark.slow),
        pytest.param(('--cache=disk',), marks=pytest.mark.slow),
        pytest.param(('--on_bad_record=skip',), marks=pytest.mark.slow),
    ],
)
def test_where_and_how_input_is_made_changes_nothing(
    config_of, tmp_path, whole, flags, monkeypatch, rows, variables
):
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path))
    train.run(config_of(tmp_path / 'run', *flags))
    assert rows(tmp_path / 'run') == rows(whole)
    expected = variables(whole)
    for name, value in variables(tmp_path / 'run').items():
        np.testing.assert_array_equal(value, expected[name], err_msg=name)


def test_a_damaged_record_stops_training_and_is_named(config_of, tmp_path, damaged):
    with pytest.raises(errors.DataError, match=r'Record \d+ \(from 0\) of .*train-00000') as raised:
        train.run(config_of(tmp_path / 'run', damaged('train')))
    assert raised.value.exit_code == 3


@pytest.mark.slow
def test_a_damaged_validation_record_is_named_and_what_was_learned_is_kept(
    config_of, tmp_path, damaged
):
    config = config_of(tmp_path / 'run', damaged('validation'))
    with pytest.raises(errors.DataError, match=r'Record \d+ \(from 0\) of .*validation-00000'):
        train.run(config)
    assert len(list((tmp_path / 'run' / 'checkpoints').glob('step-*'))) == 1


@pytest.mark.slow
def test_damaged_records_are_skipped_and_counted_within_the_budget(
    config_of, tmp_path, damaged, capsys
):
    flags = (damaged('train'), '--epochs=1', '--on_bad_record=skip')
    train.run(config_of(tmp_path / 'run', *flags, '--max_bad_fraction=0.2'))
    assert 'train: 1 records could not be read and were skipped' in capsys.readouterr().out
    with pytest.raises(
        errors.DataError, match=r': 1 training records .* more than --max_bad_fraction'
    ):
        train.run(config_of(tmp_path / 'other', *flags, '--max_bad_fraction=0.01'))


@pytest.mark.slow
def test_a_data_service_trains_and_begins_its_epoch_again(
    config_of, stop_after, tmp_path, capsys, rows
):
    dispatcher = data_service.dispatcher(0)
    workers = [data_service.worker(dispatcher.target, 'localhost', 0) for _ in range(2)]
    config = config_of(tmp_path / 'run', f'--data_service={dispatcher.target}', '--epochs=4')
    trainer = train.Trainer(config)
    trainer.resume()
    trainer.epoch(trainer.rate(), stop_after(2))
    trainer.save()
    assert trainer.state.examples
    again = train.Trainer(config)
    again.resume()
    assert (again.state.step, again.state.examples) == (2, 0)
    train.run(config)
    assert [row['epoch'] for row in rows(tmp_path / 'run')] == ['1', '2', '3', '4']
    for worker in workers:
        worker._stop()
    dispatcher._stop()
