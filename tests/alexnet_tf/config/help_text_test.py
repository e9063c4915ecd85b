"""What --help prints, and the reference page."""

import pathlib
import re

import pytest

from alexnet_tf.config import fields, help_text, schema
from alexnet_tf.models import recipes

PAGE = pathlib.Path(__file__).parents[3] / 'docs' / 'reference' / 'flags.md'
RECIPES = {name: vars(recipe) for name, recipe in recipes.RECIPES.items()}


def describe(mode, recipe='source2012'):
    return help_text.describe_mode(mode, recipe, RECIPES)


def flags_in(page):
    return re.findall(r'^  --(\w+)=', page, re.MULTILINE)


def test_the_program_lists_modes_and_shared_flags():
    page = help_text.describe_program()
    for mode, sentence in schema.MODES.items():
        assert re.search(rf'^  {mode} +{sentence[:40]}', page, re.MULTILINE)
    assert flags_in(page) == ['run_dir', 'data_dir', 'seed', 'debug', 'flagfile']
    assert '--mode=MODE --help' in page


@pytest.mark.parametrize('mode', schema.MODES)
def test_a_mode_lists_the_flags_that_it_reads(mode):
    expected = {'flagfile'} | {
        field.name
        for section in fields.get_sections(schema.Config).values()
        for field in fields.list_settings(section)
        if mode in fields.get_listed_modes(section, field)
    }
    assert set(flags_in(describe(mode))) == expected - {'mode'}


def test_help_of_training_is_about_training_alone():
    shown = set(flags_in(describe('train')))
    assert {'recipe', 'learning_rate', 'init_weights', 'data_service', 'data_dir'} <= shown
    assert not shown & {'source', 'inputs', 'export_dir', 'grid', 'views', 'figure', 'benchmark'}


def test_help_of_training_takes_three_screens_at_most():
    assert len(describe('train').splitlines()) <= 160


def test_what_weights_decide_has_no_default():
    page = help_text.describe_mode('import', 'auto', RECIPES | {'auto': {}})
    assert re.search(r'^  --recipe=auto ', page, re.MULTILINE)
    assert re.search(r'^  --crop_size= ', page, re.MULTILINE)
    assert not set(flags_in(page)) & {'initial_sd', 'devices', 'strategy', 'learning_rate'}


def test_every_value_of_a_choice_is_named():
    page = help_text.reference_page(RECIPES)
    for name, field in fields.map_settings(schema.Config).items():
        (row,) = re.findall(rf'^\| `--{name}` \|(.*)$', page, re.MULTILINE)
        for choice in field.metadata.get('choices', ()) if name != 'mode' else ():
            assert re.search(rf'\b{choice}\b', row.rpartition(' | ')[2]), (name, choice)


@pytest.mark.parametrize('mode', schema.MODES)
def test_pages_fit_a_terminal(mode):
    for page in (describe(mode), help_text.describe_program()):
        assert max(map(len, page.splitlines())) <= 80
        assert page.isascii()


@pytest.mark.parametrize(
    ('recipe', 'expected'),
    [
        ('source2012', ['--epochs=93', '--crop_size=224', '--lrn_alpha=2e-05']),
        ('caffe', ['--epochs=90', '--crop_size=227', '--batch_size=256', '--initial_bias=0.1']),
        ('cifar13', ['--epochs=160', '--learning_rate=0.001', '--drop_epochs=140,150']),
    ],
)
def test_defaults_are_those_of_the_recipe(recipe, expected):
    page = describe('train', recipe)
    assert f'(defaults of --recipe={recipe})' in page
    for flag in expected:
        assert re.search(rf'^  {re.escape(flag)}\s', page, re.MULTILINE), flag


def test_old_modes_have_the_page_of_the_new():
    assert describe('draw') == describe('plot')


@pytest.mark.parametrize(('mode', 'recipe'), [('nonsense', 'paper'), ('train', 'nonsense')])
def test_unknown_modes_and_recipes_are_refused(mode, recipe):
    with pytest.raises(fields.UsageError, match='=nonsense: expected one of'):
        describe(mode, recipe)


def test_a_setting_without_a_default_has_a_placeholder():
    for name, field in fields.map_settings(schema.Config).items():
        if field.default in ('', ()):
            assert field.metadata.get('metavar'), name


def test_the_reference_page_is_current():
    page = help_text.reference_page(RECIPES)
    assert PAGE.read_text() == page + '\n', 'run: alexnet-tf --helpfull > docs/reference/flags.md'
    for name in fields.map_settings(schema.Config):
        assert f'| `--{name}` |' in page
