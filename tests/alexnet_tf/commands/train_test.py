"""Training runs: complete, interrupted and resumed, refused."""

import csv
import json
import os
import shutil
import signal
import tempfile
import time

import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf import main
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


def test_the_learning_rate_drops_after_the_listed_epochs(whole, rows):
    assert [float(row['learning_rate']) for row in rows(whole)] == [0.01, 0.01, 0.001]


@pytest.mark.slow
def test_a_plateau_divides_the_learning_rate_three_times_and_then_ends(config_of, tmp_path, rows):
    no_progress = ('--learning_rate=0', '--patience_epochs=1', '--epochs=20', '--drop_epochs=')
    train.run(config_of(tmp_path, '--schedule=plateau', *no_progress))
    assert len(rows(tmp_path)) == 5  # one that is the best, and four that are no better


@pytest.mark.slow
def test_an_epoch_that_an_earlier_process_trained_has_no_speed(config_of, train_steps, tmp_path):
    config = config_of(tmp_path, '--epochs=1', '--batch_size=5')
    steps_of_an_epoch = 3
    train_steps(config, steps_of_an_epoch)
    train.run(config)
    with open(tmp_path / 'summary.csv') as file:
        (row,) = csv.DictReader(file)
    assert row['images_per_sec'] == ''
    assert float(row['train_loss']) > 0


@pytest.mark.slow
def test_a_signal_during_validation_keeps_the_checkpoint_of_the_epoch(
    config_of, tmp_path, whole, monkeypatch
):
    validate = train.trainer.Trainer.validate

    def interrupt_and_validate(training):
        os.kill(os.getpid(), signal.SIGTERM)
        return validate(training)

    monkeypatch.setattr(train.trainer.Trainer, 'validate', interrupt_and_validate)
    with pytest.raises(signals.Stopped):
        train.run(config_of(tmp_path))
    (path,) = (tmp_path / 'checkpoints').glob('step-*')
    assert path.name.endswith('.epoch-0001')
    assert (whole / 'checkpoints' / path.name).exists()


def test_training_lowers_the_loss_and_its_speed_excludes_validation(
    config_of, tmp_path, rows, monkeypatch
):
    validate, monotonic, validation_secs = train.trainer.Trainer.validate, time.monotonic, 0

    def validate_in_a_day(training):
        nonlocal validation_secs
        validation_secs += 86_400
        return validate(training)

    monkeypatch.setattr(train.trainer.Trainer, 'validate', validate_in_a_day)
    monkeypatch.setattr(time, 'monotonic', lambda: monotonic() + validation_secs)
    start = ('--initial_sd=0.02', '--initial_sd_middle=0.1', '--initial_sd_hidden=0.1')
    easy = ('--dropout=0', '--initial_bias=0.1', '--random_crops=false', '--colour_shift_sd=0')
    flags = ('--epochs=6', '--drop_epochs=6', '--learning_rate=0.003')
    train.run(config_of(tmp_path, *flags, *start, *easy))
    losses = [float(row['train_loss']) for row in rows(tmp_path)]
    assert min(losses[-3:]) < 0.2
    assert losses[0] > 0.5
    last = (tmp_path / 'summary.csv').read_text().splitlines()[-1]
    assert float(last.split(',')[-1]) > 12 / 86_400


def test_a_precision_that_the_processor_emulates_gives_a_warning(
    config_of, tmp_path, monkeypatch, capsys
):
    training = train.create_trainer(config_of(tmp_path, '--precision=float16'))
    monkeypatch.setattr(placement, 'is_emulated', lambda precision, placed: precision == 'float16')
    training.monitor.log_start()
    warning, network, images = capsys.readouterr().out.splitlines()
    assert 'no float16 arithmetic' in warning
    assert '--precision=float32' in warning
    assert 'parameters, on /' in network
    assert '14 images of 2 classes' in images


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


def test_a_run_directory_has_all_of_its_files(trained):
    names = {path.name for path in trained.iterdir()}
    assert names >= {'config.json', 'data.json', 'environment.json', 'summary.csv', 'tensorboard'}


def tags(directory):
    return {
        value.tag
        for path in directory.glob('events.*')
        for event in tf.compat.v1.train.summary_iterator(str(path))
        for value in event.summary.value
    }


def test_tensorboard_gets_all_that_the_docs_list(whole):
    board = whole / 'tensorboard'
    layers = [f'conv{number}' for number in range(1, 6)] + ['fc6', 'fc7', 'fc8']
    norms = {f'{kind}_norm/{name}' for kind in ('gradient', 'weight') for name in layers}
    curves = {'loss', 'top1_error', 'top5_error', 'learning_rate', 'images_per_sec'}
    more = {'input_wait_share', 'epoch_loss', 'conv1_kernels'}
    assert tags(board / 'train') >= curves | more | norms
    dead = {f'dead_units/{name}' for name in layers[:-1]}
    assert tags(board / 'validation') == {*dead, *(f'epoch_{name}' for name in outputs.METRICS)}
    assert tags(board) == {'_hparams_/session_start_info'}  # above both
    assert list(board.glob('train/plugins/profile/*/*.xplane.pb'))


def test_a_run_is_not_resumed_on_other_records(command, trained, tmp_path, shared_folder, capsys):
    source = ('--source=folder', f'--source_dir={shared_folder}', f'--data_dir={tmp_path}')
    assert command('prepare', *source, '--validation_fraction=0.3') == 0
    flags = (f'--data_dir={tmp_path}', f'--run_dir={trained}', '--seed=4', '--batch_size=4')
    assert command('train', *flags) == 3
    printed = capsys.readouterr().err
    differences = f'--data_dir={tmp_path}, and started with other settings (batch_size: 8 then, 4 '
    assert differences in printed
    assert '; seed: 0 then, 4 now)' in printed


def test_a_run_resumes_without_its_flags(trained, tmp_path, monkeypatch, capsys):
    """From another directory, after it has moved, and further than it was to go."""
    run = shutil.copytree(trained, tmp_path / 'moved')
    monkeypatch.chdir(tmp_path)
    assert main.main(['alexnet_tf', '--run_dir=moved', '--resume', '--epochs=3']) == 0
    printed = capsys.readouterr().out
    assert 'train: resumes from moved/checkpoints/step-00000004.epoch-0002' in printed
    assert 'train: done, 3 epochs, 6 steps, validation accuracy ' in printed
    config = json.loads((run / 'config.json').read_text())
    kept = json.loads((trained / 'config.json').read_text())
    assert config == kept | {'run_dir': 'moved', 'epochs': 3}
    assert main.main(['alexnet_tf', '--run_dir=moved', '--resume', '--momentum=0.5']) == 2
    assert 'momentum: 0.9 then, 0.5 now' in capsys.readouterr().err


@pytest.mark.slow
def test_a_layer_at_learning_rate_0_from_an_epoch_on_stops_and_the_others_train(
    config_of, tmp_path, variables
):
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
def test_float16_trains_and_resumes_to_the_same_bits(config_of, train_steps, tmp_path, variables):
    flags = ('--precision=float16', '--devices=/CPU:0,/CPU:1', '--learning_rate=0.001')
    whole, parts = (config_of(tmp_path / name, *flags) for name in ('whole', 'parts'))
    train.run(whole)
    train_steps(parts, 2)
    train.run(parts)
    expected = variables(tmp_path / 'whole')
    assert expected['loss_scale'] > 1
    for name, value in variables(tmp_path / 'parts').items():
        assert np.isfinite(value).all()
        np.testing.assert_array_equal(value, expected[name], err_msg=name)


@pytest.mark.parametrize(
    'flag',
    ['--init_weights=typo.npz', f'--init_weights={__file__}', '--layer_rates=conv6=0.1'],
)
def test_a_run_that_cannot_start_leaves_no_directory(config_of, tmp_path, flag):
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
def test_where_and_how_input_is_made_changes_no_bit(
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
def test_a_damaged_validation_record_is_named_and_the_trained_network_is_saved(
    config_of, tmp_path, damaged
):
    config = config_of(tmp_path / 'run', damaged('validation'))
    with pytest.raises(errors.DataError, match=r'Record \d+ \(from 0\) of .*validation-00000'):
        train.run(config)
    assert len(list((tmp_path / 'run' / 'checkpoints').glob('step-*'))) == 1


@pytest.mark.slow
def test_damaged_records_are_skipped_and_counted_up_to_the_limit(
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
def test_a_run_on_a_data_service_resumes_from_the_start_of_its_epoch(
    config_of, train_steps, tmp_path, rows
):
    dispatcher = data_service.start_dispatcher(0)
    workers = [data_service.start_worker(dispatcher.target, 'localhost', 0) for _ in range(2)]
    config = config_of(tmp_path / 'run', f'--data_service={dispatcher.target}', '--epochs=4')
    saved = train_steps(config, 2)
    assert (saved['step'], saved['examples']) == (2, 0)
    resumed = train.resume_or_create(train.create_trainer(config))
    assert (resumed.step, resumed.examples) == (2, 0)
    train.run(config)
    assert [row['epoch'] for row in rows(tmp_path / 'run')] == ['1', '2', '3', '4']
    for worker in workers:
        worker._stop()
    dispatcher._stop()


def test_weights_of_classes_reach_the_training_step(config_of, tmp_path, monkeypatch):
    class ReachedError(Exception):
        pass

    def stop(*_, class_weights, **__):
        raise ReachedError(class_weights)

    monkeypatch.setattr(train.build, 'build_learner', stop)
    (tmp_path / 'weights.csv').write_text('cat,1\ndog,3\n')
    config = config_of(tmp_path / 'run', f'--class_weights={tmp_path / "weights.csv"}')
    with pytest.raises(ReachedError) as raised:
        train.create_trainer(config)
    # As many images of each: scaled so that the mean is 1.
    assert raised.value.args[0] == pytest.approx((0.5, 1.5))
