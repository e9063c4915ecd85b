"""A budget of minutes becomes settings that end in time and train the same network again."""

import dataclasses
import pathlib

import numpy as np
import pytest

from alexnet_tf import main
from alexnet_tf.commands import train
from alexnet_tf.commands.train import budget
from alexnet_tf.config import environment, fields
from alexnet_tf.config import flags as flags_lib
from alexnet_tf.models import placement
from alexnet_tf.runs import run_directory, training_data
from alexnet_tf.training import checkpoint

TINY = ('--width=0.06', '--crop_size=68', '--training_crop_size=64', '--batch_size=4')


def parse(data, run_dir, *flags):
    argv = ['a', '--mode=train', data, f'--run_dir={run_dir}', '--recipe=modern', *flags]
    return flags_lib.parse(argv)


class Machine:
    """A machine whose steps take a known time, and its clock."""

    def __init__(self, monkeypatch, *, operations_per_sec, examples, age=0.0):
        self.operations, self.age, self.measured = operations_per_sec, age, []
        monkeypatch.setattr(budget, 'measure_speed', self.measure)
        monkeypatch.setattr(environment, 'measure_age', lambda: self.age)
        monkeypatch.setattr(placement, 'computes_bfloat16', lambda devices: True)
        counts = {'train': examples, 'validation': examples // 4}
        load = training_data.load_manifest

        def load_manifest(config):
            manifest = load(config)
            monkeypatch.setattr(type(manifest), 'count_examples', lambda _, split: counts[split])
            return manifest

        monkeypatch.setattr(training_data, 'load_manifest', load_manifest)

    def measure(self, config, manifest, replicas=None):
        recipe = budget.build.resolve_recipe(config)
        operations = budget._count_operations(recipe, manifest)
        self.measured.append((recipe.width, recipe.training_crop_size))
        self.age += 5.0
        return budget.Speed(recipe.batch_size * operations / self.operations, start_secs=3.0)


def choose(monkeypatch, data, tmp_path, *flags, **machine):
    machine = Machine(monkeypatch, **machine)
    config, lines = budget.choose_settings(parse(data, tmp_path, *flags))
    recipe = budget.build.resolve_recipe(config)
    return machine, config, recipe, lines


def test_steps_and_validation_fit_the_minutes(monkeypatch, data, tmp_path):
    machine, config, recipe, lines = choose(
        monkeypatch, data, tmp_path, '--minutes=10', operations_per_sec=200e9, examples=3000, age=8
    )
    manifest = training_data.load_manifest(config)
    step_secs = machine.measure(config, manifest).step_secs
    validations = -(-recipe.epochs // config.training.validate_every_epochs)
    seconds = 18 + recipe.max_steps * step_secs
    pixels = (recipe.crop_size / recipe.training_crop_size) ** 2
    seconds += validations * budget._EVALUATION_COST * pixels * 750 / recipe.batch_size * step_secs
    assert 0.94 * 600 < seconds < 600
    assert recipe.epochs == -(-recipe.max_steps * recipe.batch_size // 3000)
    assert config.network.precision == 'bfloat16'
    assert '10 minutes for 3,000 images of 2 classes' in lines[0]


def test_a_faster_machine_and_fewer_images_buy_a_larger_network(monkeypatch, data, tmp_path):
    sizes = []
    for operations, examples in ((200e9, 100_000), (20e9, 3000), (2000e9, 3000)):
        with monkeypatch.context() as patch:
            machine = {'operations_per_sec': operations, 'examples': examples}
            _, _, recipe, _ = choose(patch, data, tmp_path, '--minutes=10', **machine)
        sizes.append(recipe.width * recipe.training_crop_size)
    assert sizes == sorted(sizes)
    assert len(set(sizes)) == 3


def test_what_is_given_is_not_chosen(monkeypatch, data, tmp_path):
    machine, config, recipe, _ = choose(
        *(monkeypatch, data, tmp_path, '--minutes=2', *TINY),
        **{'operations_per_sec': 1e9, 'examples': 100},
    )
    assert (recipe.width, recipe.training_crop_size, recipe.batch_size) == (0.06, 64, 4)
    assert machine.measured == [(0.06, 64)]
    assert config.training.learning_rate is None


def test_few_images_come_in_small_batches_with_a_smaller_learning_rate(monkeypatch, data, tmp_path):
    machine = {'operations_per_sec': 200e9, 'examples': 30}
    _, _, recipe, _ = choose(monkeypatch, data, tmp_path, '--minutes=1', **machine)
    assert recipe.batch_size == 4
    assert recipe.learning_rate == pytest.approx(0.05 * 4 / 64)


@pytest.mark.parametrize(
    ('flags', 'message'),
    [
        (('--schedule=plateau',), '--minutes needs --schedule=cosine'),
        (('--strategy=multi_worker',), '--minutes measures one host'),
        (('--minutes=0.01',), '--minutes=0.01 is too short'),
    ],
)
def test_what_a_budget_cannot_do_is_refused(monkeypatch, data, tmp_path, flags, message):
    with pytest.raises(fields.UsageError, match=message):
        choose(
            *(monkeypatch, data, tmp_path, '--minutes=1', *flags),
            **{'operations_per_sec': 200e9, 'examples': 100},
        )


def test_the_flagfile_trains_the_same_network_and_the_same_command_resumes(
    monkeypatch, data, tmp_path, capsys
):
    monkeypatch.setattr(budget, '_MEASURED_SECS', 0.01)
    flags = [data, '--recipe=modern', *TINY, '--minutes=0.5']
    with monkeypatch.context() as patch:
        # So few steps that the test is fast.
        patch.setattr(budget, '_compute_seconds_left', lambda *_: 0.05 + _[2].start_secs)
        command = ['a', '--mode=train', f'--run_dir={tmp_path / "first"}', *flags]
        assert main.main(command) == 0
    capsys.readouterr()
    assert main.main(command) == 0  # nothing is left to do
    assert 'resumes from' in capsys.readouterr().out
    flagfile = tmp_path / 'first' / budget.FLAGFILE
    assert '--minutes' not in flagfile.read_text()
    assert main.main(['a', f'--flagfile={flagfile}', f'--run_dir={tmp_path / "again"}']) == 0
    first, again = (
        np.load(checkpoint.find_newest(tmp_path / name / 'checkpoints') / 'variables.npz')
        for name in ('first', 'again')
    )
    assert first.files == again.files
    for name in first.files:
        np.testing.assert_array_equal(first[name], again[name])
    config = run_directory.read_config(pathlib.Path(tmp_path / 'first'))
    assert dataclasses.replace(config.training, minutes=0.0).max_steps > 0


def test_training_stops_after_max_steps_inside_an_epoch_and_validates(config_of, tmp_path):
    config = config_of(tmp_path, '--max_steps=5', '--validate_every_epochs=5')
    train.run(config)
    newest = checkpoint.find_newest(tmp_path / 'checkpoints')
    assert newest.name == 'step-00000005.epoch-0002'
    errors = checkpoint.read_state(newest)['validation_errors']
    assert np.isnan(errors[0])
    assert 0 <= errors[1] <= 1


@pytest.mark.parametrize(
    'devices', [pytest.param('', marks=pytest.mark.slow), '--devices=/CPU:0,/CPU:1']
)
def test_modern_resumes_to_the_same_bits(data, train_steps, tmp_path, variables, devices):
    """Inside an epoch, after one that was not validated: batch norm, resized crops, CutMix."""
    flags = (*TINY, '--epochs=3', '--validate_every_epochs=3', '--cutmix=0.5')
    flags += (devices,) if devices else ()
    whole, parts = (parse(data, tmp_path / name, *flags) for name in ('whole', 'parts'))
    train.run(whole)
    saved = train_steps(parts, 5)
    assert (saved['epoch'], saved['step']) == (1, 5)
    train.run(parts)
    expected = variables(tmp_path / 'whole')
    assert np.ptp(expected['conv1_batch_norm_a/moving_mean']) > 0
    for name, value in variables(tmp_path / 'parts').items():
        np.testing.assert_array_equal(value, expected[name], err_msg=name)


def test_the_speed_of_few_images_is_measured_over_many_epochs(data, tmp_path, monkeypatch):
    config = parse(data, tmp_path, *TINY)  # four steps an epoch
    monkeypatch.setattr(budget, '_WARM_STEPS', 9)
    monkeypatch.setattr(budget, '_MEASURED_SECS', 0.01)
    replicas = budget.build.create_replicas(config)
    speed = budget.measure_speed(config, training_data.load_manifest(config), replicas)
    assert 0 < speed.step_secs < speed.start_secs
