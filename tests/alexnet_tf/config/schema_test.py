"""The schema: its names, its modes, and what the commands read of it."""

import ast
import dataclasses
import pathlib

import pytest

from alexnet_tf import main
from alexnet_tf.config import fields, schema
from alexnet_tf.models import recipes

COMMANDS = pathlib.Path(schema.__file__).parents[1] / 'commands'
# Commands that read these settings of a run's config.json, or of a trial's.
CONFIGS_OF_RUNS = {
    ('report', 'init_weights'),
    ('report', 'linear_head'),
    ('report', 'precision'),
    ('experiment', 'run_dir'),
}
SECTIONS = fields.get_sections(schema.Config)
CLASSES = {section.__name__: name for name, section in SECTIONS.items()}


def all_settings():
    return [
        (section, field) for section in SECTIONS.values() for field in fields.list_settings(section)
    ]


def paths_of(mode):
    name = main._MODULES.get(mode, mode)
    package = COMMANDS / name
    return package.rglob('*.py') if package.is_dir() else [COMMANDS / f'{name}.py']


def list_reads(source):
    """Lists the (section, setting) that functions read, by whatever name for a section."""
    reads = set()
    for function in ast.walk(ast.parse(source)):
        if isinstance(function, ast.FunctionDef):
            nodes = list(ast.walk(function))
            named = name_sections(nodes)
            attributes = [node for node in nodes if isinstance(node, ast.Attribute)]
            reads |= {(section_of(node.value, named), node.attr) for node in attributes}
    return reads & {
        (section, setting)
        for section, settings in SECTIONS.items()
        for setting in fields.map_settings(settings)
    }


def name_sections(nodes):
    """Maps the names of a function's arguments and variables to the sections that they are."""
    named = {}
    for node in nodes:
        match node:
            case ast.arg(annotation=ast.Attribute(value=ast.Name(id='schema'), attr=kind)):
                named[node.arg] = CLASSES[kind]
            case ast.Assign(targets=[ast.Tuple(elts=targets)], value=ast.Tuple(elts=values)):
                for target, value in zip(targets, values, strict=True):
                    named[ast.unparse(target)] = section_of(value, named)
            case ast.Assign(targets=[ast.Name(id=name)]):
                named[name] = section_of(node.value, named)
    return named


def section_of(node, named):
    """The section that an expression is, '' for a config; None for neither."""
    match node:
        case ast.Name(id='config') | ast.Attribute(attr='config' | '_config'):
            return ''
        case ast.Name(id=name):
            return named.get(name)
        case ast.Attribute(attr=name) if name in SECTIONS and section_of(node.value, named) == '':
            return name
    return None


def test_names_are_unique():
    names = [field.name for _, field in all_settings()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize('mode', schema.MODES)
def test_a_command_reads_only_settings_that_name_its_mode(mode):
    for path in paths_of(mode):
        for section, setting in list_reads(path.read_text()):
            field = fields.map_settings(SECTIONS[section])[setting]
            is_of_run = (mode, setting) in CONFIGS_OF_RUNS
            assert is_of_run or mode in fields.get_modes(SECTIONS[section], field), setting


def test_reads_by_other_names_are_found():
    source = """
def predict(self, data: schema.Data, trial):
    options, path = trial.config.predict, self._config.run_dir
    training = config.training
    return options.output, training.epochs, self._config.export.export_dir, data.source, path.seed
"""
    assert list_reads(source) == {
        ('', 'run_dir'),
        ('predict', 'output'),
        ('training', 'epochs'),
        ('export', 'export_dir'),
        ('data', 'source'),
    }


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
