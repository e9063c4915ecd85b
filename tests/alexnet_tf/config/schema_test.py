"""The schema: its names, its modes, and what the commands read of it."""

import dataclasses
import pathlib
import re

import pytest

from alexnet_tf import main
from alexnet_tf.config import fields, schema
from alexnet_tf.models import recipes

COMMANDS = pathlib.Path(schema.__file__).parents[1] / 'commands'
# Commands that read these sections of a run's config.json.
CONFIGS_OF_RUNS = {('report', 'network'), ('report', 'training'), ('experiment', '')}
SECTIONS = fields.get_sections(schema.Config)


def all_settings():
    return [
        (section, field) for section in SECTIONS.values() for field in fields.list_settings(section)
    ]


def sources_of(mode):
    name = main._MODULES.get(mode, mode)
    package = COMMANDS / name
    paths = package.rglob('*.py') if package.is_dir() else [COMMANDS / f'{name}.py']
    return '\n'.join(path.read_text() for path in paths)


def test_names_are_unique():
    names = [field.name for _, field in all_settings()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize('mode', schema.MODES)
def test_a_command_reads_only_settings_that_name_its_mode(mode):
    for name, setting in re.findall(r'(?<![\w.])config\.(?:(\w+)\.)?(\w+)\b', sources_of(mode)):
        if (mode, name) in CONFIGS_OF_RUNS:
            continue
        if name in SECTIONS and setting in fields.map_settings(SECTIONS[name]):
            field = fields.map_settings(SECTIONS[name])[setting]
            assert mode in fields.get_modes(SECTIONS[name], field), f'--{setting}'


@pytest.mark.parametrize('section', SECTIONS.values(), ids=lambda section: section.__name__)
def test_settings_name_modes_that_exist(section):
    for field in fields.list_settings(section):
        modes = fields.get_modes(section, field)
        assert modes
        assert set(modes) <= set(schema.MODES), field.name
        assert len(set(modes)) == len(modes), field.name


def test_all_reads_what_its_commands_read():
    steps = {'prepare', 'train', 'evaluate', 'export', 'report'}
    refused = {'dry_run', 'verify_only', 'ensemble', 'ensemble_weights', 'search_weights'}
    refused |= {'compare_runs', 'paper_tables'}
    for section, field in all_settings():
        modes = fields.get_modes(section, field)
        if steps & set(modes) and field.name not in refused:
            assert 'all' in modes, field.name


def test_a_recipe_decides_exactly_the_settings_without_a_default():
    hyperparameters = {field.name for field in dataclasses.fields(recipes.Recipe)}
    hyperparameters |= {recipes.FORMER_ORDER}
    for _, field in all_settings():
        is_of_recipe = field.name in hyperparameters
        is_unset = field.default is None and field.name not in ('init_layers', 'export_version')
        assert is_of_recipe == is_unset, field.name


def test_the_recipes_of_the_schema_are_those_of_the_models():
    choices = fields.map_settings(schema.Config)['recipe'].metadata['choices']
    assert set(choices) == {*recipes.RECIPES, schema.ANY_RECIPE}


@pytest.mark.parametrize(
    ('values', 'expected'),
    [
        ({'mode': 'everything'}, 'all'),
        ({'mode': 'draw'}, 'plot'),
        ({'mode': 'prepare'}, 'prepare'),
    ],
)
def test_old_modes_are_aliases(values, expected):
    assert schema.Config(**values).mode == expected


def test_the_old_name_of_the_sample_is_an_alias():
    assert schema.Data(source='photographs') == schema.Data(source='sample')


@pytest.mark.parametrize('name', recipes._CHOICES)
def test_a_recipe_takes_the_values_that_its_flag_takes(name):
    choices = fields.map_settings(schema.Config)[name].metadata['choices']
    assert tuple(choices) == recipes._CHOICES[name]
    with pytest.raises(ValueError, match=f"{name}='other': expected one of"):
        recipes.PAPER.replace(**{name: 'other'})
