"""Tables as text, and CSV files that grow a row at a time."""

import concurrent.futures
import os

import pytest

from alexnet_tf.reports import tables
from input_pipeline import errors


def test_rows_are_read_as_they_were_appended(tmp_path):
    path = tmp_path / 't.csv'
    assert tables.read_csv(path) == []
    tables.append_csv(path, {'a': 1, 'b': 'x, "y"'})
    tables.append_csv(path, {'a': 2, 'b': ''})
    assert tables.read_csv(path) == [{'a': '1', 'b': 'x, "y"'}, {'a': '2', 'b': ''}]


def test_no_row_is_lost_when_several_threads_append(tmp_path):
    path = tmp_path / 't.csv'
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: tables.append_csv(path, {'number': number}), range(40)))
    assert sorted(int(row['number']) for row in tables.read_csv(path)) == list(range(40))


def test_names_may_be_invalid_in_every_encoding(tmp_path):
    path, name = tmp_path / 't.csv', os.fsdecode(b'runs/\xc4pfel/\xc3\x84')
    for _ in range(2):
        tables.append_csv(path, {'name': name})
    assert tables.read_csv(path) == [{'name': name}] * 2
    assert os.fsencode(name) in path.read_bytes()


def test_a_file_that_somebody_has_edited_is_continued(tmp_path):
    path = tmp_path / 't.csv'
    path.write_text('\ufeffa,note\n1,good\n', encoding='utf-8')  # as of Excel
    tables.append_csv(path, {'a': 2, 'b': 3})
    assert tables.read_csv(path) == [{'a': '1', 'note': 'good'}, {'a': '2', 'note': ''}]
    path.write_text('a,b\n1,2')  # without a last line end
    tables.append_csv(path, {'a': 3, 'b': 4})
    assert tables.read_csv(path) == [{'a': '1', 'b': '2'}, {'a': '3', 'b': '4'}]
    path.write_text('a;b\n1;2\n')
    with pytest.raises(errors.DataError, match='no table with commas of a, b'):
        tables.append_csv(path, {'a': 3, 'b': 4})
    path.write_text('')
    tables.append_csv(path, {'a': 2})
    assert tables.read_csv(path) == [{'a': '2'}]


def test_a_file_of_an_older_version_keeps_its_columns(tmp_path):
    path = tmp_path / 'rows.csv'
    tables.append_csv(path, {'a': 1, 'b': 'x,y'})
    tables.append_csv(path, {'b': 'z', 'c': 3, 'a': 2})
    assert path.read_text() == 'a,b\n1,"x,y"\n2,z\n'


def test_rows_are_dropped(tmp_path):
    path = tmp_path / 't.csv'
    for number in range(4):
        tables.append_csv(path, {'number': number})
    tables.drop_rows(path, 'number', lambda number: int(number) % 2 == 0)
    assert [row['number'] for row in tables.read_csv(path)] == ['1', '3']
    tables.drop_rows(tmp_path / 'none.csv', 'number', lambda number: True)
    assert not (tmp_path / 'none.csv').exists()


def test_columns_of_text_line_up():
    table = tables.format_table(('a', 'long name'), [('wide cell', 1), ('x', 22)])
    assert table.splitlines() == [
        'a          long name',
        '---------  ---------',
        'wide cell  1',
        'x          22',
    ]


@pytest.mark.parametrize('value', ['=1+1', '+x', '-x', '@x'])
def test_formulas_are_escaped(value):
    assert tables.escape_cell(value) == f"'{value}"
    assert tables.escape_cell(f'a{value}') == f'a{value}'
