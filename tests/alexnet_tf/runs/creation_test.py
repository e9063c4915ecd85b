"""Settings that must stay the same when a run resumes, and the lock of a run directory."""

import dataclasses
import json
import pathlib

import numpy as np
import pytest

from alexnet_tf.config import fields, serialization
from alexnet_tf.config import flags as flags_lib
from alexnet_tf.models import recipes
from alexnet_tf.runs import creation, run_directory
from alexnet_tf.training import distribution
from input_pipeline import errors


def parse(*arguments):
    return flags_lib.parse(['alexnet_tf', '--mode=train', '--recipe=source2012', *arguments])


@pytest.mark.parametrize(
    ('before', 'now', 'differences'),
    [
        ((), ('--epochs=3', '--data_dir=elsewhere', '--devices=/CPU:0'), []),
        ((), ('--momentum=0.5',), ['momentum: 0.9 then, 0.5 now']),
        (('--seed=1', '--width=0.5'), (), ['seed: 1 then, 0 now', 'width: 0.5 then, 1 now']),
        (
            ('--schedule=geometric', '--epochs=8'),
            ('--schedule=geometric', '--epochs=9'),
            ['epochs: 8 then, 9 now'],
        ),
    ],
)
def test_differences_of_fixed_settings_are_described(before, now, differences):
    then, now = (creation.list_fixed_settings(parse(*flags)) for flags in (before, now))
    assert creation.describe_differences(then, now) == differences


def test_a_directory_in_which_nothing_was_created_is_removed(tmp_path):
    with creation.lock(tmp_path / 'run', distribution.SingleReplica()):
        assert (tmp_path / 'run').exists()
    assert not (tmp_path / 'run').exists()
    with creation.lock(tmp_path / 'run', distribution.SingleReplica()):
        (tmp_path / 'run' / 'config.json').touch()
    assert (tmp_path / 'run' / 'config.json').exists()


def test_a_run_directory_is_locked_once(tmp_path):
    replicas = distribution.SingleReplica()
    with (
        creation.lock(tmp_path, replicas),
        pytest.raises(errors.DataError, match='is in use'),
        creation.lock(tmp_path, replicas),
    ):
        pass


class Manifest:
    sha256 = 'a'


def test_the_identity_of_workers_names_what_differs():
    checkpoint = pathlib.Path('step-00000004')
    expected = creation.compute_identity(parse(), Manifest(), checkpoint)
    assert all(0 <= digest < 2**40 for digest in expected.values())
    assert creation.compute_identity(parse('--log_every_steps=3'), Manifest(), checkpoint) == (
        expected
    )
    others = ['--epochs=1', '--max_steps=9', '--validate_every_epochs=2', '--eval_batch_size=30']
    others += ['--keep_every_epochs=2', '--accumulate_steps=2']
    for identity, name in [
        (creation.compute_identity(parse(), Manifest(), None), 'the newest checkpoint'),
        (creation.compute_identity(parse('--seed=1'), Manifest(), checkpoint), 'settings'),
        *(
            (creation.compute_identity(parse(flag), Manifest(), checkpoint), 'epochs')
            for flag in others
        ),
    ]:
        (differing,) = [key for key in expected if identity[key] != expected[key]]
        assert differing.startswith(name)


def test_a_run_resumes_with_its_recipe_whatever_a_later_version_has(tmp_path):
    config = parse(f'--run_dir={tmp_path}')
    stored = dataclasses.asdict(recipes.SOURCE2012.replace(crop_chunk=1, epochs=9))
    (tmp_path / 'config.json').write_text(serialization.to_json(config))
    assert creation.restore_former_values(config) is config  # is no run yet
    data = {'manifest_sha256': 'a', 'classes': []}
    (tmp_path / 'data.json').write_text(json.dumps(data))
    assert creation.restore_former_values(config) is config  # of an older version
    (tmp_path / 'data.json').write_text(json.dumps(data | {'recipe': stored}))
    kept = run_directory.read_config(tmp_path)
    assert (kept.training.crop_chunk, kept.training.epochs) == (1, 9)
    for _ in range(3):  # again, after the settings were written
        restored = creation.restore_former_values(config)
        assert restored.training.crop_chunk == 1
        creation.create_or_check(restored, Manifest())
    other = creation.restore_former_values(parse(f'--run_dir={tmp_path}', '--crop_chunk=2'))
    with pytest.raises(fields.UsageError, match='crop_chunk: 1 then, 2 now'):
        creation.check_same_run(other, Manifest())


@pytest.mark.parametrize(
    ('flags', 'former'),
    [
        ((), {'crop_size': 176, 'training_crop_size': 128}),
        (('--crop_size=192',), {}),
        (('--training_crop_size=96',), {'crop_size': 176}),
    ],
)
def test_the_size_of_training_stays_beside_a_former_size(tmp_path, flags, former):
    stored = dataclasses.asdict(recipes.MODERN.replace(crop_size=176, training_crop_size=128))
    data = {'manifest_sha256': 'a', 'classes': [], 'recipe': stored}
    (tmp_path / 'data.json').write_text(json.dumps(data))
    config = flags_lib.parse(['alexnet_tf', '--mode=train', '--recipe=modern', *flags])
    settings = serialization.to_settings(config)
    assert run_directory.list_former_values(tmp_path, settings) == former


@pytest.mark.parametrize('name', recipes.RECIPES)
def test_a_recipe_that_has_not_changed_has_no_former_values(tmp_path, name):
    stored = dataclasses.asdict(recipes.RECIPES[name])
    data = {'manifest_sha256': 'a', 'classes': [], 'recipe': stored}
    (tmp_path / 'data.json').write_text(json.dumps(data))
    settings = serialization.to_settings(parse(f'--recipe={name}'))
    assert run_directory.list_former_values(tmp_path, settings) == {}


def test_imported_weights_are_of_no_training_run(tmp_path):
    (tmp_path / 'data.json').write_text('{"manifest_sha256": "", "classes": [], "weights": {}}')
    config = parse(f'--run_dir={tmp_path}')
    with pytest.raises(fields.UsageError, match=f'Give --init_weights={tmp_path} and another'):
        creation.check_same_run(config, Manifest())


def test_the_identity_of_weights_is_that_of_their_bits():
    weights = [np.zeros((2, 3), np.float32), np.float64(())]
    same, other = [array.copy() for array in weights], [array.copy() for array in weights]
    other[0][1, 2] = 1e-30
    identities = [creation.compute_weights_identity(each) for each in (weights, same, other)]
    assert identities[0] == identities[1] != identities[2]
    assert all(0 <= digest < 2**40 for identity in identities for digest in identity.values())
