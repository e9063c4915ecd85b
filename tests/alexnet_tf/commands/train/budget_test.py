"""A budget of minutes becomes settings that end in time and train the same network again."""

import numpy as np
import pytest

from alexnet_tf import main
from alexnet_tf.commands import train
from alexnet_tf.commands.train import budget
from alexnet_tf.commands.train import speed as speed_lib
from alexnet_tf.config import environment, fields, serialization
from alexnet_tf.config import flags as flags_lib
from alexnet_tf.models import placement
from alexnet_tf.runs import run_directory, training_data
from alexnet_tf.training import checkpoint

TINY = ('--width=0.06', '--crop_size=68', '--training_crop_size=64', '--batch_size=4')
BUDGET = ('--minutes=0.5', '--devices=/CPU:0,/CPU:1')
COUNT_OPERATIONS, OPERATIONS = budget._count_operations, {}


def parse(data, run_dir, *flags):
    argv = ['a', '--mode=train', data, f'--run_dir={run_dir}', '--recipe=modern', *flags]
    return flags_lib.parse(argv)


def count_operations(recipe, manifest):
    """Counts as `budget` does, each network once for all tests."""
    sizes = recipe.width, recipe.training_crop_size, recipe.crop_size
    if sizes not in OPERATIONS:
        OPERATIONS[sizes] = COUNT_OPERATIONS(recipe, manifest)
    return OPERATIONS[sizes]


class Machine:
    """A machine whose steps take a known time, and its clock."""

    def __init__(self, monkeypatch, *, operations_per_sec, examples, age=0.0):
        self.operations, self.age, self.measured = operations_per_sec, age, []
        monkeypatch.setattr(speed_lib, 'measure', self.measure)
        monkeypatch.setattr(budget, '_count_operations', count_operations)
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
        self.measured.append((recipe.width, recipe.training_crop_size, recipe.cutmix))
        self.age += 5.0
        return speed_lib.Speed(recipe.batch_size * operations / self.operations, start_secs=3.0)


def choose(monkeypatch, data, tmp_path, *flags, **machine):
    machine = Machine(monkeypatch, **machine)
    config, lines = budget.choose_settings(parse(data, tmp_path, *flags))
    recipe = budget.build.resolve_recipe(config)
    return machine, config, recipe, lines


@pytest.mark.parametrize('flags', [(), ('--validate_every_epochs=2',)], ids=['chosen', 'given'])
def test_steps_and_validation_fit_the_minutes(monkeypatch, data, tmp_path, flags):
    machine = {'operations_per_sec': 200e9, 'examples': 3000, 'age': 8}
    machine, config, recipe, lines = choose(
        monkeypatch, data, tmp_path, '--minutes=10', *flags, **machine
    )
    assert config.training.validate_every_epochs == 2 or not flags
    manifest = training_data.load_manifest(config)
    step_secs = machine.measure(config, manifest).step_secs
    validations = -(-recipe.epochs // config.training.validate_every_epochs)
    seconds = 18 + recipe.max_steps * step_secs
    pixels = (recipe.crop_size / recipe.training_crop_size) ** 2
    seconds += validations * budget._EVALUATION_COST * pixels * 750 / recipe.batch_size * step_secs
    assert 0.94 * 600 < seconds < 600
    assert recipe.batch_size == 64
    assert recipe.epochs == -(-recipe.max_steps // 47)  # steps an epoch, the last of 56 images
    assert config.network.precision == 'bfloat16'
    assert '10 minutes for 3,000 images of 2 classes' in lines[0]


def test_a_faster_machine_and_fewer_images_buy_a_larger_network_and_then_cutmix(
    monkeypatch, data, tmp_path
):
    chosen = []
    for operations, examples, *flags in (
        (200e9, 100_000),
        (20e9, 3000),
        (2000e9, 3000),
        (2000e9, 3000, '--cutmix=0.2'),
    ):
        with monkeypatch.context() as patch:
            machine = {'operations_per_sec': operations, 'examples': examples}
            choices = choose(patch, data, tmp_path, '--minutes=10', *flags, **machine)
        machine, _, recipe, lines = choices
        assert machine.measured[-1] == (recipe.width, recipe.training_crop_size, recipe.cutmix)
        chosen.append((recipe.width, recipe.crop_size, recipe.cutmix))
        assert (f'CutMix in {100 * recipe.cutmix:.0f} %' in lines[0]) == (recipe.cutmix > 0)
    assert chosen == [(0.375, 160, 0.0), (0.5, 160, 0.0), (0.5, 144, 0.5), (0.5, 160, 0.2)]


def test_what_is_given_is_not_chosen(monkeypatch, data, tmp_path):
    machine, config, recipe, _ = choose(
        *(monkeypatch, data, tmp_path, '--minutes=2', *TINY),
        **{'operations_per_sec': 1e9, 'examples': 100},
    )
    assert (recipe.width, recipe.training_crop_size, recipe.batch_size) == (0.06, 64, 4)
    assert machine.measured == [(0.06, 64, 0.0)]
    assert config.training.learning_rate is None


def test_few_images_come_in_small_batches_with_a_smaller_learning_rate(monkeypatch, data, tmp_path):
    machine = {'operations_per_sec': 200e9, 'examples': 30}
    _, _, recipe, _ = choose(monkeypatch, data, tmp_path, '--minutes=1', **machine)
    assert recipe.batch_size == 4
    assert recipe.learning_rate == pytest.approx(0.05 * 4 / 64)


def test_the_chosen_batch_has_the_parts_that_it_is_divided_into(monkeypatch, data, tmp_path):
    machine = {'operations_per_sec': 200e9, 'examples': 30}
    parts = '--accumulate_steps=6'
    _, _, recipe, _ = choose(monkeypatch, data, tmp_path, '--minutes=1', parts, **machine)
    assert recipe.batch_size == 6
    machine['examples'] = 3000
    parts = '--accumulate_steps=3'
    _, _, recipe, _ = choose(monkeypatch, data, tmp_path, '--minutes=1', parts, **machine)
    assert recipe.batch_size == 66


@pytest.mark.parametrize(
    ('flags', 'message'),
    [
        (('--schedule=plateau',), '--minutes needs a schedule whose end is known'),
        (('--strategy=multi_worker',), '--minutes measures one host'),
        (('--minutes=0.01',), '--minutes=0.01 is too short'),
        (('--max_steps=9',), '--max_steps=9: --minutes=1 chooses this itself'),
    ],
)
def test_what_a_budget_cannot_do_is_refused(monkeypatch, data, tmp_path, flags, message):
    with pytest.raises(fields.UsageError, match=message):
        choose(
            *(monkeypatch, data, tmp_path, '--minutes=1', *flags),
            **{'operations_per_sec': 200e9, 'examples': 100},
        )


@pytest.fixture(scope='module')
def budgeted(data, tmp_path_factory):
    """The directory of a run whose budget is 10 steps, after a real measurement of the speed."""
    directory = tmp_path_factory.mktemp('budgeted')
    measure_speed = speed_lib.measure

    def measure(*arguments):
        speed = measure_speed(*arguments)
        assert 0 < speed.step_secs < speed.start_secs
        return speed_lib.Speed(step_secs=1.0, start_secs=0.0)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(speed_lib, '_WARM_STEPS', 9)  # more than the four of an epoch
        patch.setattr(speed_lib, '_MEASURED_SECS', 0.01)
        patch.setattr(speed_lib, 'measure', measure)
        patch.setattr(budget, '_compute_seconds_left', lambda *_: 12.0)
        patch.setattr(budget, '_CUTMIX_EPOCHS', 3)
        patch.setattr(budget, '_VALIDATION_SHARE', 0.2)  # so every second epoch is validated
        command = ['a', '--mode=train', f'--run_dir={directory}', data, '--recipe=modern', *TINY]
        assert main.main([*command, *BUDGET]) == 0
    return directory


def test_training_stops_after_max_steps_inside_an_epoch_and_validates(budgeted):
    newest = checkpoint.find_newest(budgeted / 'checkpoints')
    assert newest.name == 'step-00000010.epoch-0003'
    errors = checkpoint.read_state(newest)['validation_errors']
    assert np.isnan(errors).tolist() == [True, False, False]
    assert all(0 <= error <= 1 for error in errors[1:])


def test_the_same_command_resumes_with_the_chosen_settings(data, budgeted):
    config = parse(data, budgeted, *TINY, *BUDGET)
    chosen, lines = budget.choose_settings(config)
    assert lines == []
    assert (chosen.training.max_steps, chosen.training.epochs) == (10, 3)
    assert (chosen.training.cutmix, chosen.network.crop_size) == (0.5, 68)
    assert chosen == run_directory.read_config(budgeted)


def test_other_minutes_change_nothing_in_a_run_and_say_so(data, budgeted):
    chosen, (warning,) = budget.choose_settings(
        parse(data, budgeted, *TINY, *BUDGET, '--minutes=9')
    )
    assert chosen == run_directory.read_config(budgeted)
    assert f'--minutes=9 changes nothing in {budgeted}' in warning
    config = parse(data, budgeted, *TINY, *BUDGET, '--max_steps=12')
    assert budget.choose_settings(config)[0].training.max_steps == 12


@pytest.mark.slow
def test_the_flagfile_trains_the_same_network_also_if_interrupted(
    budgeted, train_steps, tmp_path, variables
):
    """Inside an epoch, after one that was not validated: batch norm, resized crops, CutMix."""
    flagfile = budgeted / budget.FLAGFILE
    assert '--minutes' not in flagfile.read_text()
    config = flags_lib.parse(['a', f'--flagfile={flagfile}', f'--run_dir={tmp_path}'])
    saved = train_steps(config, 5)
    assert (saved['epoch'], saved['step']) == (1, 5)
    train.run(config)
    expected, resumed = variables(budgeted), variables(tmp_path)
    assert expected.keys() == resumed.keys()
    assert np.ptp(expected['conv1_batch_norm_a/moving_mean']) > 0
    for name, value in resumed.items():
        np.testing.assert_array_equal(value, expected[name], err_msg=name)


@pytest.mark.slow
def test_modern_resumes_to_the_same_bits_on_one_device(data, train_steps, tmp_path, variables):
    flags = (*TINY, '--epochs=3', '--validate_every_epochs=3', '--cutmix=0.5')
    whole, parts = (parse(data, tmp_path / name, *flags) for name in ('whole', 'parts'))
    train.run(whole)
    train_steps(parts, 5)
    train.run(parts)
    expected = variables(tmp_path / 'whole')
    for name, value in variables(tmp_path / 'parts').items():
        np.testing.assert_array_equal(value, expected[name], err_msg=name)


def test_a_batch_that_fine_tuning_chose_is_divided_too(monkeypatch, data, tmp_path):
    Machine(monkeypatch, operations_per_sec=200e9, examples=30)
    config = parse(data, tmp_path, '--minutes=1', '--accumulate_steps=3')
    config, _ = budget.choose_settings(serialization.fill_in(config, {'batch_size': 64}))
    assert config.training.batch_size == 66  # not that of few images, as before


def test_another_precision_of_a_run_is_not_overridden(data, tmp_path):
    saved = parse(data, tmp_path, '--precision=bfloat16', '--minutes=1')
    other, _ = budget._keep_settings(parse(data, tmp_path, '--precision=float32'), saved)
    assert other.network.precision == 'float32'  # which resuming refuses
    kept, _ = budget._keep_settings(parse(data, tmp_path), saved)
    assert kept.network.precision == 'bfloat16'
