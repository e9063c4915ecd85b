"""Losses that are no numbers, and a second trainer on the same run."""

import json

import numpy as np
import pytest

from alexnet_tf import main
from alexnet_tf.commands import train
from alexnet_tf.reports import progress
from alexnet_tf.runs import training_data
from alexnet_tf.training import checkpoint, signals
from input_pipeline import errors, locks


@pytest.fixture
def bad_batch(monkeypatch):
    """Makes the batch that begins at (epoch, examples) no numbers, each time that it comes."""

    def spoil(*places):
        real = training_data.batches

        def batches(config, stream, start, epochs, **more):
            epoch, examples = start
            total = sum(number for _, number in stream.shards)
            for images, labels, mask in real(config, stream, start, epochs, **more):
                bad = (epoch, examples) in places
                yield images * (np.nan if bad else 1.0), labels, mask
                examples += int(mask.shape[0])
                if examples >= total:
                    epoch, examples = epoch + 1, 0

        monkeypatch.setattr(training_data, 'batches', batches)

    return spoil


def test_it_stops_with_4_and_says_which_examples(config_of, tmp_path, bad_batch):
    bad_batch((1, 4))
    config = config_of(tmp_path, '--learning_rate=0.001')
    with pytest.raises(signals.NotFinite, match=r'step 4 \(epoch 2, rate 0\.001\)') as raised:
        train.run(config)
    assert raised.value.exit_code == 4
    assert checkpoint.load_newest(tmp_path / 'checkpoints').name == 'step-00000003.epoch-0001'
    found = json.loads((tmp_path / 'nonfinite.json').read_text())
    assert (found['step'], found['epoch'], found['learning_rate']) == (4, 1, 0.001)
    assert found['norms']['gradient_norm/conv1'] == 'nan'
    assert float(found['norms']['weight_norm/conv1']) > 0
    stream = train.Trainer(config)._stream()
    order = [each.indices.numpy() for each in stream.chunks(start=(1, 0), epochs=2)]
    second = np.concatenate(order)[4:8]
    assert len(found['examples']) == len(second) == 4
    for said, index in zip(found['examples'], second, strict=True):
        shard = next(at for at, (path, _) in enumerate(stream.shards) if path in said)
        before = sum(number for _, number in stream.shards[:shard])
        assert f' record {index - before} ' in said
        assert '.jpg' in said


def test_an_epoch_after_which_it_answers_no_numbers_is_not_kept(config_of, tmp_path, monkeypatch):
    trainer = train.Trainer(config_of(tmp_path))
    monkeypatch.setattr(trainer, 'scorer', lambda *_: {'loss': np.nan, 'top1_error': 1.0})
    trainer.resume()
    with pytest.raises(signals.Diverged, match=r'after step 3 \(epoch 1, rate 0.01\)') as raised:
        trainer.epoch(trainer.rate(), signals.StopRequest())
    assert raised.value.exit_code == 4
    assert not list((tmp_path / 'checkpoints').glob('step-*.epoch-*'))


@pytest.mark.slow
def test_rollback_passes_over_the_batch(config_of, tmp_path, bad_batch, variables, rows, capsys):
    """What is learned is what would be if that batch taught nothing."""
    bad_batch((0, 4), (1, 0))
    train.run(config_of(tmp_path / 'run', '--on_nonfinite=rollback'))
    said = capsys.readouterr().out
    assert said.count('goes back to') == 2
    assert len(rows(tmp_path / 'run')) == 3
    state = checkpoint.read_state(checkpoint.load_newest(tmp_path / 'run' / 'checkpoints'))
    assert state['passed_over'] == [[0, 4], [1, 0]]
    assert all(np.isfinite(value).all() for value in variables(tmp_path / 'run').values())
    # The same run, the batches known beforehand.
    trainer = train.Trainer(config_of(tmp_path / 'known'))
    trainer.resume()
    trainer.state.passed_over = [[0, 4], [1, 0]]
    while (rate := trainer.rate()) is not None:
        trainer.epoch(rate, signals.StopRequest())
    assert rows(tmp_path / 'known') == rows(tmp_path / 'run')
    expected = variables(tmp_path / 'run')
    for name, value in variables(tmp_path / 'known').items():
        np.testing.assert_array_equal(value, expected[name], err_msg=name)


@pytest.mark.slow
def test_rollback_gives_up(config_of, tmp_path, bad_batch):
    bad_batch(*[(0, at) for at in (0, 4, 8)], (1, 0))
    with pytest.raises(signals.NotFinite):
        train.run(config_of(tmp_path, '--on_nonfinite=rollback'))


@pytest.mark.slow
def test_an_overflow_of_float16_is_left_out_and_counted(config_of, tmp_path, bad_batch):
    """Down to a scale of 1, where it is no overflow any more."""
    bad_batch((0, 4), (0, 8))
    trainer = train.Trainer(config_of(tmp_path, '--precision=float16', '--epochs=1'))
    trainer.resume()
    scale, kernel = trainer.learner.scale.scale, trainer.learner.model.get_layer('conv1_a').kernel
    meter, rate = progress.Meter(), trainer.rate()
    before = kernel.numpy()
    for start in (2.0**120, 2.0):
        scale.assign(start)
        assert trainer._one_step(meter, rate) == 4
        assert scale.numpy() == start / 2
    with pytest.raises(signals.NotFinite, match='step 2 '):
        trainer._one_step(meter, rate)
    trainer.save()
    state = checkpoint.read_state(checkpoint.load_newest(tmp_path / 'checkpoints'))
    assert state['overflows'] == state['step'] == 2
    np.testing.assert_array_equal(kernel.numpy(), before)
    assert np.isnan(trainer.state.means()['loss'])


def test_a_second_trainer_is_refused(config_of, tmp_path, data, capsys):
    config = config_of(tmp_path, '--epochs=1')
    with locks.held(tmp_path):
        flags = ['--width=0.1', '--crop_size=67', '--batch_size=4', '--schedule=list']
        assert main.main(['a', '--mode=train', data, f'--run_dir={tmp_path}', *flags]) == 3
    assert 'is in use by process' in capsys.readouterr().err
    assert config.run_dir == str(tmp_path)


def test_a_run_resumed_before_a_batch_to_pass_over(config_of, tmp_path):
    """There is no outcome to show yet."""
    trainer = train.Trainer(config_of(tmp_path, '--epochs=1', '--log_every_steps=1'))
    trainer.resume()
    trainer.state.passed_over = [[0, 0]]
    trainer.epoch(trainer.rate(), signals.StopRequest())
    assert trainer.state.epoch == 1


@pytest.mark.parametrize('workers', [2, 3])
def test_workers_that_were_begun_differently_are_refused(workers):
    def cluster(*numbers):
        class Others(signals.distribution.One):
            def total(self, values):
                made = {float(number): [float(each) for each in numbers] for number in numbers}
                squares = {float((n % 2**20) ** 2) for n in numbers}
                if values[0] in made:
                    return [sum(map(float, numbers))]
                if values[0] in squares:
                    return [float(sum((n % 2**20) ** 2 for n in numbers))]
                return values

        copies = Others()
        copies.workers = len(numbers)
        return copies

    same = [2**39 + 7] * workers
    signals.check_agreed(cluster(*same), {'settings': same[0]})
    other = [*same[:-1], 2**38 + 1]
    with pytest.raises(errors.DataError, match=r'differently \(settings\)'):
        signals.check_agreed(cluster(*other), {'settings': other[0]})
