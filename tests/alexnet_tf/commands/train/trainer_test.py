"""Non-finite losses and gradients, and a second process that trains the same run."""

import dataclasses
import itertools
import json
import signal
import types

import numpy as np
import pytest

from alexnet_tf import main
from alexnet_tf.commands import train
from alexnet_tf.commands.train import trainer
from alexnet_tf.config import schema
from alexnet_tf.models import recipes
from alexnet_tf.reports import progress
from alexnet_tf.runs import training_data
from alexnet_tf.training import checkpoint, distribution, evaluator, health, signals
from alexnet_tf.training import state as state_lib
from input_pipeline import errors, locks


@pytest.fixture
def nan_batches(monkeypatch):
    """Fills the batches that start at some (epoch, examples) with NaN, each time they are read."""

    def patch(*positions):
        read_batches = training_data.read_batches

        def read(config, stream, start, epochs, **more):
            epoch, examples = start
            total = sum(number for _, number in stream.shards)
            for images, labels, mask in read_batches(config, stream, start, epochs, **more):
                is_nan = (epoch, examples) in positions
                yield images * (np.nan if is_nan else 1.0), labels, mask
                examples += int(mask.shape[0])
                if examples >= total:
                    epoch, examples = epoch + 1, 0

        monkeypatch.setattr(training_data, 'read_batches', read)

    return patch


def make_trainer(recipe, *, examples, **given):
    """A trainer of some settings and parts, without the parts that a test does not need."""
    names = {field.name for field in dataclasses.fields(trainer.Trainer) if field.init}
    parts = dict.fromkeys(names) | {name: given.pop(name) for name in names & set(given)}
    parts |= {'stream': types.SimpleNamespace(num_examples=examples)}
    return trainer.Trainer(**parts | {'config': schema.Config(**given), 'recipe': recipe})


def test_a_nan_stops_training_with_4_and_a_file_names_the_examples(
    config_of, tmp_path, nan_batches
):
    nan_batches((1, 4))
    config = config_of(tmp_path, '--learning_rate=0.001')
    with pytest.raises(
        health.NonFiniteError, match=r'step 5 \(epoch 2, learning rate 0\.001\)'
    ) as raised:
        train.run(config)
    assert raised.value.exit_code == 4
    assert 'Run again with --on_nonfinite=rollback, or with a lower' in str(raised.value)
    assert checkpoint.find_newest(tmp_path / 'checkpoints').name == 'step-00000004.epoch-0001'
    diagnosis = json.loads((tmp_path / 'nonfinite.json').read_text())
    assert (diagnosis['step'], diagnosis['epoch'], diagnosis['learning_rate']) == (5, 1, 0.001)
    assert diagnosis['norms']['gradient_norm/conv1'] == 'nan'
    assert float(diagnosis['norms']['weight_norm/conv1']) > 0
    stream = train.create_trainer(config).stream
    order = [chunk.indices.numpy() for chunk in stream.read_chunks(start=(1, 0), epochs=2)]
    second = np.concatenate(order)[4:8]
    assert len(diagnosis['examples']) == len(second) == 4
    for example, index in zip(diagnosis['examples'], second, strict=True):
        shard = next(at for at, (path, _) in enumerate(stream.shards) if path in example)
        before = sum(number for _, number in stream.shards[:shard])
        assert f' record {index - before} ' in example
        assert '.jpg' in example


def test_an_epoch_with_a_nan_validation_loss_is_not_saved(config_of, idle, tmp_path):
    """Its first batch is passed over, so there is no step to log yet."""
    checkpoints, saved = tmp_path / 'checkpoints', []

    def diverge(*_, **__):
        saved.extend(path.name for path in checkpoints.iterdir())
        return evaluator.Evaluation({'loss': np.nan, 'top1_error': 1.0}, {})

    training = dataclasses.replace(
        idle(train.create_trainer(config_of(tmp_path, '--log_every_steps=1'))),
        evaluator=types.SimpleNamespace(evaluate=diverge),
    )
    state = train.resume_or_create(training)
    state.passed_over = [[0, 0]]
    training._saved_at -= 100  # so that it saves before it validates
    with pytest.raises(
        health.DivergedError, match=r'after step 4 \(epoch 1, learning rate 0.01\)'
    ) as raised:
        training.train(state, signals.StopRequest())
    assert raised.value.exit_code == 4
    assert saved == ['step-00000004']
    assert not list(checkpoints.iterdir())


def test_an_epoch_whose_report_cannot_be_written_is_saved_and_reported_later(
    config_of, idle, tmp_path, rows
):
    training = idle(train.create_trainer(config_of(tmp_path, '--epochs=1')))
    state, message = train.resume_or_create(training), r'summary\.csv is no table with commas'
    (tmp_path / 'summary.csv').write_text('epoch;step\n0;0\n')  # as a spreadsheet saves it
    with pytest.raises(errors.DataError, match=message):
        training.train(state, signals.StopRequest())
    with pytest.raises(errors.DataError, match=message):
        train.resume_or_create(training)
    (tmp_path / 'summary.csv').unlink()
    resumed = train.resume_or_create(training)
    assert (resumed.epoch, resumed.examples) == (0, training.examples)
    training.train(resumed, signals.StopRequest())
    assert [row['epoch'] for row in rows(tmp_path)] == ['1']


def test_a_run_that_is_stopped_after_its_last_step_is_validated_when_it_resumes(
    config_of, idle, tmp_path, rows
):
    stop, config = signals.StopRequest(), config_of(tmp_path, '--epochs=1')
    training = idle(train.create_trainer(config))
    state, step = train.resume_or_create(training), training.learner.step

    def stop_at_the_end(*batch):
        stop.number = signal.SIGTERM if state.step == training.total_steps - 1 else 0
        return step(*batch)

    learner = dataclasses.replace(training.learner, step=stop_at_the_end)
    with pytest.raises(signals.Stopped):
        dataclasses.replace(training, learner=learner).train(state, stop)
    assert checkpoint.read_state(training.find_newest_checkpoint())['examples'] == 14
    assert not (tmp_path / 'summary.csv').exists()
    training.train(train.resume_or_create(training), signals.StopRequest())
    ((row,), newest) = rows(tmp_path), checkpoint.find_newest(tmp_path / 'checkpoints')
    assert (row['epoch'], float(row['learning_rate'])) == ('1', 0.01)
    assert float(row['validation_top1_error']) == 0.5  # of the idle validation
    assert newest.name == 'step-00000004.epoch-0001'


@pytest.mark.slow
def test_a_run_that_ended_inside_an_epoch_ends_with_its_epochs(config_of, idle, tmp_path):
    """The epoch that --max_steps ended counts as one; without it, nothing is left of two."""
    for flags, steps in ((['--max_steps=6'], 6), ([], 6), (['--epochs=3'], 10)):
        training = idle(train.create_trainer(config_of(tmp_path, '--epochs=2', *flags)))
        state = training.train(train.resume_or_create(training), signals.StopRequest())
        assert state.step == steps
        training.monitor.close()


def test_epochs_that_begin_again_take_no_steps_from_later_ones(
    config_of, idle, tmp_path, rows, monkeypatch
):
    """As with a data service, where the order of an epoch is not known after a stop."""
    monkeypatch.setattr(training_data, 'is_order_fixed', lambda config: False)
    training = idle(train.create_trainer(config_of(tmp_path, '--validate_every_epochs=3')))
    stop, counter, step = signals.StopRequest(), itertools.count(1), training.learner.step

    def stop_after_three(*batch):
        stop.number = signal.SIGTERM if next(counter) == 3 else 0
        return step(*batch)

    learner = dataclasses.replace(training.learner, step=stop_after_three)
    stoppable, state = dataclasses.replace(training, learner=learner), state_lib.TrainingState()
    with pytest.raises(signals.Stopped):
        stoppable.train(state, stop)
    state = training.train(train.resume_or_create(training), signals.StopRequest())
    assert (state.epoch, state.step, state.planned_step) == (3, 3 + 3 * 4, 3 * 4)
    assert [float(row['learning_rate']) for row in rows(tmp_path)] == [pytest.approx(0.001)]


@pytest.mark.slow
def test_an_epoch_that_reaches_the_given_train_error_is_validated(config_of, idle, tmp_path, rows):
    """Its training error is 1; validation would follow the third epoch."""
    flags = '--stop_train_error=1', '--validate_every_epochs=3'
    training = idle(train.create_trainer(config_of(tmp_path, *flags)))
    training.train(train.resume_or_create(training), signals.StopRequest())
    assert [row['epoch'] for row in rows(tmp_path)] == ['1']
    assert checkpoint.find_newest(tmp_path / 'checkpoints').name == 'step-00000004.epoch-0001'


@pytest.mark.slow
def test_a_rollback_passes_over_the_batch_as_if_it_were_not_there(
    config_of, tmp_path, nan_batches, variables, rows, capsys
):
    nan_batches((0, 4), (1, 0))
    train.run(config_of(tmp_path / 'run', '--on_nonfinite=rollback'))
    printed = capsys.readouterr().out
    assert printed.count('rolls back to') == printed.count('skips that batch') == 2
    assert len(rows(tmp_path / 'run')) == 3
    saved = checkpoint.read_state(checkpoint.find_newest(tmp_path / 'run' / 'checkpoints'))
    assert saved['passed_over'] == [[0, 4], [1, 0]]
    assert all(np.isfinite(value).all() for value in variables(tmp_path / 'run').values())
    # The same run, the batches known from the start.
    training = train.create_trainer(config_of(tmp_path / 'known'))
    state = train.resume_or_create(training)
    state.passed_over = [[0, 4], [1, 0]]
    training.train(state, signals.StopRequest())
    assert rows(tmp_path / 'known') == rows(tmp_path / 'run')
    expected = variables(tmp_path / 'run')
    for name, value in variables(tmp_path / 'known').items():
        np.testing.assert_array_equal(value, expected[name], err_msg=name)


@pytest.mark.slow
def test_the_fourth_rollback_is_an_error(config_of, tmp_path, nan_batches):
    nan_batches(*[(0, examples) for examples in (0, 4, 8)], (1, 0))
    with pytest.raises(health.NonFiniteError, match='3 batches were skipped already') as raised:
        train.run(config_of(tmp_path, '--on_nonfinite=rollback'))
    assert 'on_nonfinite' not in str(raised.value)


@pytest.mark.slow
def test_an_overflow_of_float16_is_skipped_and_counted_down_to_a_loss_scale_of_1(
    config_of, tmp_path, nan_batches
):
    nan_batches((0, 4), (0, 8))
    config = config_of(tmp_path, '--precision=float16', '--epochs=1')
    training = train.create_trainer(config)
    state = train.resume_or_create(training)
    scale = training.learner.loss_scale.scale
    kernel = training.learner.model.get_layer('conv1_a').kernel
    before, meter = kernel.numpy(), progress.Meter()
    reader = training_data.BatchReader(config, training.stream, 1, is_cancelled=lambda: False)
    for number, start in enumerate((2.0**120, 2.0), 1):
        scale.assign(start)
        batch = reader.read(state.position)
        result = training.train_one_step(state, batch)
        assert not result.is_non_finite
        training.count_batch(state, result, batch, meter)
        assert state.examples == 4 * number
        assert scale.numpy() == start / 2
    result = training.train_one_step(state, reader.read(state.position))
    assert result.is_non_finite
    with pytest.raises(health.NonFiniteError, match='step 2 '):
        training.handle_non_finite(state, result, 0.01)
    training.save_checkpoint(state)
    saved = checkpoint.read_state(checkpoint.find_newest(tmp_path / 'checkpoints'))
    assert saved['overflows'] == saved['step'] == 2
    np.testing.assert_array_equal(kernel.numpy(), before)
    assert np.isnan(state.compute_means()['loss'])


def test_a_second_process_that_trains_the_same_run_is_refused(tmp_path, data, capsys):
    with locks.acquire(tmp_path):
        flags = ['--width=0.1', '--crop_size=67', '--batch_size=4', '--schedule=list']
        assert main.main(['a', '--mode=train', data, f'--run_dir={tmp_path}', *flags]) == 3
    assert 'is in use by process' in capsys.readouterr().err


@pytest.mark.parametrize(('workers', 'is_cancelled'), [(1, True), (2, False)])
def test_a_signal_interrupts_the_wait_for_a_batch_unless_others_take_the_step(
    workers, is_cancelled, monkeypatch
):
    readers = []
    monkeypatch.setattr(training_data, 'BatchReader', lambda *args: readers.append(args))
    replicas = types.SimpleNamespace(workers=workers)
    training = make_trainer(recipes.PAPER.replace(epochs=1), examples=8, replicas=replicas)
    done = state_lib.TrainingState(epoch=1, step=1)
    assert training.train(done, signals.StopRequest(15)) is done
    assert readers[0][-1]() == is_cancelled


@pytest.mark.parametrize(
    ('step', 'repeated', 'share'), [(0, 0, 0.5), (5, 0, 5.5), (7, 2, 5.5), (12, 0, 11.5)]
)
def test_the_learning_rate_is_that_of_the_middle_of_a_planned_step(step, repeated, share):
    recipe = recipes.PAPER.replace(schedule='cosine', epochs=3, learning_rate=2.0, batch_size=4)
    state = state_lib.TrainingState(step=step, repeated_steps=repeated, examples=4)
    learning_rate = make_trainer(recipe, examples=16).compute_learning_rate(state)
    assert learning_rate == pytest.approx(1 + np.cos(np.pi * share / 12))


def test_epochs_to_keep_are_validated():
    training = make_trainer(
        recipes.PAPER.replace(batch_size=4),
        examples=40,
        training=schema.Training(validate_every_epochs=5, keep_every_epochs=2),
    )
    states = [state_lib.TrainingState(epoch=epoch, step=10 * epoch + 10) for epoch in range(10)]
    for state in states:
        state.add_metrics([1.0, 1.0, 1.0], 10)
    validated = [state.epoch + 1 for state in states if training.is_validation_due(state)]
    assert validated == [2, 4, 5, 6, 8, 10]


def test_a_run_ends_at_the_end_of_an_epoch_only():
    """Not where it is resumed inside one, with a rule that an earlier epoch fulfils."""
    rule, recipe = schema.Training(stop_train_error=0.5), recipes.SOURCE2012.replace(batch_size=4)
    training = make_trainer(recipe, examples=40, training=rule)
    state = state_lib.TrainingState(epoch=4, step=17, train_error=0.4)
    assert training.compute_learning_rate(state) is None
    state.examples = 8
    assert training.compute_learning_rate(state) == 0.01
    training = make_trainer(recipe.replace(epochs=4), examples=40, training=rule)
    state.validation_errors = [0.5] * 4
    assert training.compute_learning_rate(state) == 0.01


@pytest.mark.parametrize(('examples', 'repeated'), [(8, 2), (12, 0)])
def test_an_epoch_in_unknown_order_is_repeated_unless_it_was_read_to_its_end(
    examples, repeated, tmp_path
):
    training = make_trainer(
        recipes.PAPER.replace(batch_size=4, epochs=3),
        examples=12,
        run_dir=str(tmp_path),
        input=schema.Input(data_service='grpc://localhost:1'),
        monitor=types.SimpleNamespace(flush=lambda: None),
        learner=types.SimpleNamespace(variables=[]),
        replicas=distribution.SingleReplica(),
    )
    path = training.save_checkpoint(state_lib.TrainingState(step=3, examples=examples))
    saved = checkpoint.read_state(path)
    assert (saved['repeated_steps'], saved['examples']) == (repeated, 0 if repeated else examples)
