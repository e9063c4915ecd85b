"""Names with characters that terminals and spreadsheets obey."""

import pytest

from input_pipeline import escaping


def test_controls_of_a_terminal_and_of_text_direction_are_escaped():
    assert escaping.to_printable('\x1b]0;owned\x07cat\n') == r'\x1b]0;owned\x07cat\n'
    assert escaping.to_printable('\x9b2J \u202eftp.jpg \udcc4') == r'\x9b2J \u202eftp.jpg \udcc4'


def test_a_message_keeps_its_lines():
    assert escaping.escape_lines('\x1b[2Jfirst\nsecond\r\n') == '\\x1b[2Jfirst\nsecond\\r\n'


@pytest.mark.parametrize('name', ['Äpfel, 犬', 'at 3.04\u202fPM', 'क्\u200dष', '👩\u200d🔬'])
def test_names_of_all_scripts_stay(name):
    assert escaping.to_printable(name) == name


@pytest.mark.parametrize('value', ['=1+1', '+x', '-x', '@x'])
def test_formulas_are_escaped(value):
    assert escaping.escape_cell(value) == f"'{value}"
    assert escaping.escape_cell(f'a{value}') == f'a{value}'
    assert escaping.escape_row([value, -1, None]) == [f"'{value}", -1, None]
