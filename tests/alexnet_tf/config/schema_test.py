"""Settings: their way through JSON and flags, and their bounds."""

import dataclasses
import math
import pathlib

import pytest

from alexnet_tf.config import fields, schema
from alexnet_tf.config import flags as flags_lib
from alexnet_tf.models import recipes

FLAGFILES = sorted((pathlib.Path(__file__).parents[2] / 'flags').glob('*.cfg'))


def parse(*flags):
    return flags_lib.parse(['program', *flags])


def test_flags_json_and_back():
    config = parse('--mode=train', '--drop_epochs=3,5', '--devices=/CPU:0', '--lrn_k=1', '--debug')
    assert config.training.drop_epochs == (3, 5)
    assert config.network.devices == ('/CPU:0',)
    assert config.network.lrn_k == 1.0
    assert schema.from_json(schema.to_json(config)) == config


def test_no_flags_give_the_defaults():
    assert parse() == schema.Config()


def test_later_flags_win():
    assert parse('--seed=1', '--seed=2').seed == 2


def test_names_are_unique():
    names = [
        f.name for part in fields.sections(schema.Config).values() for f in fields.fields(part)
    ]
    assert len(names) == len(set(names))


def test_every_setting_is_in_the_help():
    shown = flags_lib.help_text()
    for name in schema.to_settings(schema.Config()):
        assert f'--{name}=' in shown


@pytest.mark.parametrize('name', schema.MODES)
def test_every_mode_is_a_workflow(name):
    assert (pathlib.Path(schema.__file__).parent / 'workflows' / f'{name}.py').exists()


def test_unknown_settings_are_refused():
    with pytest.raises(schema.UsageError, match='unknown settings: nonsense'):
        schema.from_settings({'nonsense': 1})


@pytest.mark.parametrize('path', FLAGFILES, ids=lambda path: path.name)
def test_flagfiles_say_their_command_and_can_be_read(path):
    first, second, *rest = path.read_text().splitlines()
    assert first.startswith('# ')
    assert f'--flagfile=flags/{path.name}' in first
    assert second.startswith('# ')
    assert any(line.startswith('# ') and 'Expected' in line for line in [second, *rest])
    extra = ['--source_dir=x'] if '--source_dir' in first else []
    parse(f'--flagfile={path}', *extra)


def test_recipes_take_overrides_and_nothing_else():
    changed = recipes.resolve('paper', lrn_k=1.0, momentum=None)
    assert changed == dataclasses.replace(recipes.PAPER, lrn_k=1.0)
    with pytest.raises(TypeError, match='nonsense'):
        recipes.resolve('paper', nonsense=1)
    with pytest.raises(KeyError):
        recipes.resolve('nonsense')


def test_the_recipes_hold_the_numbers_of_the_paper_and_of_its_source():
    paper, source = recipes.PAPER, recipes.SOURCE2012
    assert (paper.lrn_k, paper.lrn_n, paper.lrn_alpha, paper.lrn_beta) == (2, 5, 1e-4, 0.75)
    assert (paper.learning_rate, paper.momentum, paper.weight_decay) == (0.01, 0.9, 0.0005)
    assert (paper.batch_size, paper.epochs, paper.dropout, paper.crop_size) == (128, 90, 0.5, 224)
    assert (source.lrn_alpha, source.bias_rate_multiplier) == (pytest.approx(2e-5), 2)
    assert source.initial_sd_middle == 0.03


@pytest.mark.parametrize(
    ('flags', 'said'),
    [
        ({'mode': 'train', 'dry_run': True}, '--dry_run belongs to --mode=prepare'),
        ({'mode': 'everything', 'verify_only': True}, '--verify_only belongs to --mode=prepare'),
        ({'mode': 'train', 'init_layers': ('conv1',)}, '--init_weights is missing'),
        (
            {'mode': 'train', 'on_nonfinite': 'rollback', 'data_service': 'grpc://a:1'},
            'a batch cannot be found again',
        ),
        ({'mode': 'train', 'profile_steps': (3,)}, 'a first and a last step'),
        ({'mode': 'train', 'profile_steps': (20, 10)}, 'a first and a last step'),
        ({'mode': 'train', 'learning_rate': math.inf}, '--learning_rate=inf: expected a number'),
        ({'mode': 'train', 'initial_bias': math.nan}, '--initial_bias=nan: expected a number'),
        ({'strategy': 'mirrored', 'devices': ('/CPU:0', '/CPU:0')}, 'a device has one copy'),
        (
            {'mode': 'train', 'strategy': 'multi_worker', 'devices': ('/CPU:0',)},
            'would place them wrongly',
        ),
        ({'mode': 'everything', 'strategy': 'multi_worker'}, '--mode=train of many'),
        ({'strategy': 'two_columns', 'devices': ('/CPU:0',)}, 'needs two --devices'),
        ({'strategy': 'one_device', 'devices': ('/CPU:0', '/CPU:1')}, '--strategy=mirrored'),
        ({'mode': 'benchmark', 'data_service': 'grpc://a:1'}, 'measurements are of this host'),
        ({'mode': 'benchmark', 'strategy': 'mirrored'}, 'measurements are of one copy'),
        ({'mode': 'benchmark', 'accumulate_steps': 2}, '--accumulate_steps'),
        ({'data_service': 'grpc://a:1', 'cache': 'disk'}, "this host's copy"),
        ({'run_dir': 'gs://bucket/run'}, 'expected a directory of a disk'),
        ({'export_dir': 's3://bucket/run'}, '--export_dir=s3://bucket/run: expected a directory'),
    ],
)
def test_flags_that_do_not_go_together_are_refused(flags, said):
    with pytest.raises(schema.UsageError, match=said):
        schema.from_settings(flags)


@pytest.mark.parametrize(
    ('name', 'text'),
    [
        ('learning_rate', '0.0100000001'),
        ('dropout', '0'),
        ('reshuffle', 'true'),
        ('drop_epochs', '7,9'),
        ('seed', '3'),
        ('data_dir', 'a,b=c'),
    ],
)
def test_a_value_is_written_as_it_is_read(name, text):
    assert fields.written(fields.read(schema.Config, name, text)) == text


def test_a_list_in_a_grid_may_have_spaces_as_one_of_a_flag():
    asked = schema.changed(schema.Config(mode='train'), {'layer_rates': 'conv1=0.1, fc8=10'})
    assert asked.training.layer_rates == ('conv1=0.1', 'fc8=10')
