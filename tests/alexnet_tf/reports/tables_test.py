"""Tables that grow a row at a time."""

import concurrent.futures
import os

import pytest

from alexnet_tf.reports import tables


def test_rows_come_back(tmp_path):
    path = tmp_path / 't.csv'
    assert tables.read_csv(path) == []
    tables.append_csv(path, {'a': 1, 'b': 'x, "y"'})
    tables.append_csv(path, {'a': 2, 'b': ''})
    assert tables.read_csv(path) == [{'a': '1', 'b': 'x, "y"'}, {'a': '2', 'b': ''}]


def test_no_row_is_lost_where_several_add_at_once(tmp_path):
    path = tmp_path / 't.csv'
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda at: tables.append_csv(path, {'at': at}), range(40)))
    assert sorted(int(row['at']) for row in tables.read_csv(path)) == list(range(40))


def test_names_may_be_of_no_encoding(tmp_path):
    path, name = tmp_path / 't.csv', os.fsdecode(b'runs/\xc4pfel/\xc3\x84')
    for _ in range(2):
        tables.append_csv(path, {'name': name})
    assert tables.read_csv(path) == [{'name': name}] * 2
    assert os.fsencode(name) in path.read_bytes()


def test_other_columns_are_refused(tmp_path):
    tables.append_csv(tmp_path / 't.csv', {'a': 1})
    with pytest.raises(ValueError, match='has columns'):
        tables.append_csv(tmp_path / 't.csv', {'b': 1})


def test_rows_are_dropped(tmp_path):
    path = tmp_path / 't.csv'
    for at in range(4):
        tables.append_csv(path, {'at': at})
    tables.drop_rows(path, lambda row: int(row['at']) % 2 == 0)
    assert [row['at'] for row in tables.read_csv(path)] == ['1', '3']
    tables.drop_rows(tmp_path / 'none.csv', lambda row: True)
    assert not (tmp_path / 'none.csv').exists()


def test_text_columns_line_up():
    lines = tables.text(('a', 'long name'), [('wide cell', 1), ('x', 22)]).splitlines()
    assert lines == [
        'a          long name',
        '---------  ---------',
        'wide cell  1',
        'x          22',
    ]


@pytest.mark.parametrize('value', ['=1+1', '+x', '-x', '@x'])
def test_formulas_are_defused(value):
    assert tables.safe_cell(value) == f"'{value}"
    assert tables.safe_cell(f'a{value}') == f'a{value}'


def test_an_older_file_gets_the_columns_that_it_lacks(tmp_path):
    path = tmp_path / 'rows.csv'
    tables.append_csv(path, {'a': 1, 'b': 'x,y'})
    tables.append_csv(path, {'a': 2, 'c': 3, 'b': 'z'})
    assert path.read_text() == 'a,c,b\n1,,"x,y"\n2,3,z\n'
    with pytest.raises(ValueError, match='has columns'):
        tables.append_csv(path, {'a': 2, 'b': 'z'})
