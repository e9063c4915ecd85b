"""Settings: bounds, aliases, and values as text."""

import dataclasses
import math

import pytest

from alexnet_tf.config import fields


@dataclasses.dataclass(frozen=True)
class Inner(fields.Section):
    """A section."""

    modes = ('a', 'b')

    share: float = fields.setting(0.5, 'A share.', low=0, high=1)
    sides: tuple[int, ...] | None = fields.setting(None, 'Sides.', low=1, modes=('a',))
    kind: str = fields.setting('new', 'A kind.', choices=('new', ''), aliases={'old': 'new'})
    word: str = fields.setting('x', 'A word.', pattern='[a-z]+', expected='letters')


@dataclasses.dataclass(frozen=True)
class Outer(fields.Section):
    """A config."""

    modes = ('a', 'b')

    flag: bool = fields.setting(False, 'A flag.')
    inner: Inner = dataclasses.field(default_factory=Inner)


SETTINGS = fields.map_settings(Outer)


@pytest.mark.parametrize(
    ('values', 'message'),
    [
        ({'share': 1.5}, '--share=1.5: expected at most 1.'),
        ({'share': -1}, '--share=-1: expected at least 0.'),
        ({'share': math.inf}, '--share=inf: expected a finite number.'),
        ({'share': math.nan}, '--share=nan: expected a finite number.'),
        ({'sides': (3, 0)}, '--sides=0: expected at least 1.'),
        ({'kind': 'other'}, '--kind=other: expected one of new, an empty value.'),
        ({'word': 'A1'}, '--word=A1: expected letters.'),
        ({'share': 'much'}, '--share=much: expected a number.'),
        ({'share': True}, '--share=true: expected a number.'),
        ({'sides': (1, 'x')}, '--sides=1,x: expected comma-separated values, each an integer.'),
        ({'sides': 7}, '--sides=7: expected comma-separated values, each an integer.'),
        ({'kind': ['new']}, '--kind=new: expected text.'),
        ({'kind': None}, '--kind=None: expected text.'),
    ],
)
def test_values_of_another_type_or_out_of_bounds_are_refused(values, message):
    with pytest.raises(fields.UsageError) as error:
        Inner(**values)
    assert str(error.value) == message


def test_an_alias_is_replaced():
    assert Inner(kind='old') == Inner(kind='new')


def test_a_list_as_in_json_becomes_a_tuple():
    assert Inner(sides=[2, 3]).sides == (2, 3)


def test_a_config_is_built_from_settings_of_all_sections():
    assert fields.build(Outer, {'flag': True, 'sides': [1]}) == Outer(True, Inner(sides=(1,)))
    with pytest.raises(fields.UsageError, match='unknown settings: other, some'):
        fields.build(Outer, {'some': 1, 'flag': True, 'other': 2})


def test_modes_are_those_of_the_section_unless_a_setting_names_others():
    assert fields.get_modes(Inner, SETTINGS['share']) == ('a', 'b')
    assert fields.get_modes(Inner, SETTINGS['sides']) == ('a',)


@pytest.mark.parametrize(
    ('name', 'text', 'value'),
    [
        ('share', '0.0100000001', 0.0100000001),
        ('share', '0', 0.0),
        ('flag', 'true', True),
        ('sides', '7,9', (7, 9)),
        ('word', 'a,b=c', 'a,b=c'),
    ],
)
def test_a_value_is_formatted_as_it_is_parsed(name, text, value):
    assert fields.parse_value(SETTINGS[name], text) == value
    assert fields.format_value(value) == text


@pytest.mark.parametrize(
    ('name', 'text', 'expected'),
    [
        ('share', 'much', 'expected a number'),
        ('flag', 'maybe', 'expected true or false'),
        ('sides', '1,x', 'expected comma-separated values, each an integer'),
    ],
)
def test_text_of_another_type_is_refused(name, text, expected):
    with pytest.raises(fields.UsageError, match=f'--{name}={text}: {expected}'):
        fields.parse_value(SETTINGS[name], text)


def test_a_list_may_have_spaces():
    assert fields.parse_value(SETTINGS['sides'], '1, 2 ,') == (1, 2)
