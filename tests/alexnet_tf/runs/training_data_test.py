"""Batches from any position on, and settings that do not fit the records."""

import pathlib
import types

import numpy as np
import pytest

from alexnet_tf.config import fields, flags
from alexnet_tf.models import recipes
from alexnet_tf.runs import network_checks, training_data
from input_pipeline import errors


def parse(*arguments):
    return flags.parse(['alexnet_tf', '--mode=train', '--run_dir=none', *arguments])


@pytest.fixture
def reader(monkeypatch):
    """Reads two epochs of 10 examples in batches of 4; a batch is its position, and when opened."""
    opened = []

    def read_batches(config, stream, start, epochs, *, is_cancelled):
        opened.append(start)
        epoch, examples = start
        while epoch < epochs:
            yield (epoch, examples), len(opened)
            examples += 4
            if examples >= 10:
                epoch, examples = epoch + 1, 0

    monkeypatch.setattr(training_data, 'read_batches', read_batches)
    stream = types.SimpleNamespace(num_examples=10, batch_size=4)
    return training_data.BatchReader(None, stream, 2, is_cancelled=lambda: False)


def test_batches_in_a_row_are_read_without_reopening_the_records(reader):
    positions = [(0, 4), (0, 8), (1, 0), (1, 4), (1, 8)]
    assert [reader.read(position) for position in positions] == [
        (position, 1) for position in positions
    ]
    assert reader.read((2, 0)) is None


def test_another_position_reopens_the_records(reader):
    assert reader.read((1, 4)) == ((1, 4), 1)
    assert reader.read((0, 4)) == ((0, 4), 2)
    assert reader.read((0, 8)) == ((0, 8), 2)


def create_manifest(size=256):
    return types.SimpleNamespace(
        layout=types.SimpleNamespace(square_size=size),
        directory=pathlib.Path('records'),
        count_examples=lambda split: 100,
    )


@pytest.mark.parametrize(
    ('arguments', 'size', 'replicas', 'message'),
    [
        (('--drop_epochs=3', '--recipe=paper'), 256, 1, 'belongs to --schedule=list'),
        (('--decay_power=3', '--recipe=modern'), 256, 1, 'polynomial, but the schedule is cosine'),
        (('--optimizer=lars',), 256, 1, 'needs a --learning_rate of its own'),
        (('--trust_coefficient=1',), 256, 1, 'belongs to --optimizer=lars, .* is sgd'),
        (('--batch_size=10',), 256, 4, 'a multiple of 4'),
        (('--batch_size=10', '--accumulate_steps=3'), 256, 2, 'a multiple of 6'),
        (('--crop_size=67',), 32, 1, 'the images in records are 32 x 32'),
        (('--recipe=cifar13',), 256, 1, 'for images of 32 x 32'),
        (('--conv6', '--recipe=modern'), 256, 1, '--conv6 reads the maps of pool5'),
        (('--initial_bias=3', '--recipe=modern'), 256, 1, '--initial_bias changes nothing'),
        (('--hidden_units=33',), 256, 1, '33 units cannot be divided among 2 columns'),
    ],
)
def test_settings_that_do_not_go_together_are_refused(arguments, size, replicas, message):
    config = parse(*arguments)
    overrides = {
        'batch_size': config.training.batch_size,
        'crop_size': config.network.crop_size,
        'drop_epochs': config.training.drop_epochs,
        'optimizer': config.training.optimizer,
        'conv6': config.network.conv6,
        'initial_bias': config.network.initial_bias,
        'hidden_units': config.network.hidden_units,
    }
    overrides = {name: value for name, value in overrides.items() if value}
    recipe = recipes.RECIPES[config.network.recipe].replace(**overrides)
    with pytest.raises(fields.UsageError, match=message):
        training_data.check_settings(config, recipe, create_manifest(size), replicas)


@pytest.mark.parametrize(
    ('recipe', 'changes', 'cause'),
    [
        ('modern', {'normalization': False}, 'batch_norm=true'),
        ('batch_norm', {'lrn_alpha': 1.0}, 'batch_norm=true'),
        ('torchvision', {'lrn_n': 3}, 'normalization=false'),
        ('tf2cv', {'initial_sd_middle': 0.5}, 'he_initialization=true'),
        ('modern', {'batch_norm': False, 'normalization': False}, ''),
        ('source2012', {'normalization': False, 'lrn_k': 1.0}, ''),
        ('tf2cv', {'lrn_alpha': 1.0, 'initial_sd': 0.5}, ''),
    ],
)
def test_a_change_that_the_recipe_leaves_without_effect_is_refused(recipe, changes, cause):
    changed = recipes.RECIPES[recipe].replace(**changes)
    if not cause:
        return network_checks.check_effects(changed)
    (name,) = changes
    with pytest.raises(fields.UsageError, match=f'^--{name} changes nothing in .* has {cause}'):
        network_checks.check_effects(changed)


@pytest.mark.parametrize(
    ('lanes', 'workers', 'message'),
    [
        (48, 1, 'a batch of 128 cannot have as many .* divides --batch_size=128'),
        (128, 1, 'only 100 training examples'),
        (4, 8, '8 workers cannot have as many lanes each. Give a multiple of 8'),
        (64, 3, 'a multiple of 3'),
    ],
)
def test_lanes_that_cannot_be_shared_are_refused(lanes, workers, message):
    config = parse(f'--lanes={lanes}')
    with pytest.raises(fields.UsageError, match=f'--lanes={lanes}: .*{message}'):
        training_data.create_stream(
            config, recipes.PAPER, create_manifest(), None, share=(0, workers)
        )


def test_several_workers_share_a_data_service_only_with_lanes():
    config = parse('--data_service=grpc://a:1', '--strategy=multi_worker')
    manifest = create_manifest()
    manifest.layout.encoding = 'jpeg'
    with pytest.raises(fields.UsageError, match='Give --lanes, a multiple of the number of work'):
        training_data.check_settings(config, recipes.PAPER, manifest, 2)
    assert not training_data.is_order_fixed(config)
    config = parse('--data_service=grpc://a:1', '--strategy=multi_worker', '--lanes=4')
    training_data.check_settings(config, recipes.PAPER, manifest, 2)
    assert training_data.is_order_fixed(config)


@pytest.mark.parametrize(
    ('arguments', 'unreadable', 'message'),
    [
        ((), 0, None),
        ((), 1, 'and --on_bad_record=skip is not given'),
        (('--on_bad_record=skip', '--max_bad_fraction=0.05'), 5, None),
        (('--on_bad_record=skip', '--max_bad_fraction=0.05'), 6, 'more than --max_bad_fraction'),
        (('--on_bad_record=skip', '--max_bad_fraction=0.05'), -1, 'has 101 training records'),
    ],
)
def test_unreadable_records_are_an_error_above_the_limit(arguments, unreadable, message):
    config = parse(*arguments)
    if message is None:
        training_data.check_unreadable(config, create_manifest(), unreadable)
        return
    with pytest.raises(errors.DataError, match=message):
        training_data.check_unreadable(config, create_manifest(), unreadable)


def test_images_as_they_lie_are_not_decoded_on_other_hosts():
    config, manifest = parse('--data_service=grpc://a:1'), create_manifest(256)
    manifest.layout.encoding = 'reference'
    with pytest.raises(fields.UsageError, match='Prepare records'):
        training_data.check_settings(config, recipes.PAPER, manifest, 1)


@pytest.mark.parametrize('reshuffle', [True, False])
def test_the_stream_is_as_recipe_and_flags_say(reshuffle):
    manifest, labels = create_manifest(), np.arange(100) % 2
    manifest.list_shards = lambda split: [(split, 100)]
    recipe = recipes.PAPER.replace(batch_size=4, reshuffle=reshuffle)
    config = parse('--seed=7', '--on_bad_record=skip')
    stream = training_data.create_stream(
        config, recipe, manifest, None, (1, 2), balanced_labels=labels
    )
    assert (stream.shards, stream.seed, stream.reshuffle) == ([('train', 100)], 7, reshuffle)
    assert (stream.batch_size, stream.share, stream.tolerant) == (4, (1, 2), True)
    assert stream.balanced_labels is labels


@pytest.mark.parametrize('schedule', ['list', 'geometric', 'plateau'])
def test_a_warmup_that_the_schedule_has_not_is_refused(schedule):
    config = parse('--warmup=0.05', f'--schedule={schedule}')
    recipe = recipes.PAPER.replace(warmup=0.05, schedule=schedule)
    with pytest.raises(fields.UsageError, match=r'--warmup=0\.05 belongs to --schedule=cosine'):
        training_data.check_settings(config, recipe, create_manifest(), 1)


def test_patience_without_a_plateau_is_refused():
    with pytest.raises(
        fields.UsageError, match='--patience_epochs=3 belongs to --schedule=plateau'
    ):
        training_data.check_settings(
            parse('--patience_epochs=3'), recipes.SOURCE2012, create_manifest(), 1
        )
