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
    for other in (name, 'a\rb', name):
        tables.append_csv(path, {'name': other})
    assert [row['name'] for row in tables.read_csv(path)] == [name, 'a\rb', name]
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
    with pytest.raises(errors.DataError, match='no table with commas: it has no column a, b'):
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


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('epoch;step\n1;2\n', r' is no table with commas: it has no column epoch, step\.'),
        ('epoch,loss\n1,2\n', r' has no column step\.'),
        ('epoch,step\n1,2\n2', r', line 3: expected as many cells as the header has, 2\.'),
        ('epoch,step\n1,0,5\n', ', line 2: expected as many cells'),
        (f'epoch,step\n1,{"9" * 140_000}\n', ', line 2: field larger than field limit'),
    ],
)
def test_a_table_that_was_edited_or_cut_is_named_with_its_line(tmp_path, text, message):
    path = tmp_path / 't.csv'
    path.write_text(text)
    with pytest.raises(errors.DataError, match=rf't\.csv{message}.*[Rr]estore'):
        tables.read_csv(path, ['epoch', 'step'])


def test_further_columns_and_rows_without_content_do_no_harm(tmp_path):
    path = tmp_path / 't.csv'
    path.write_text('epoch,note\n1,\n,\n\n3,good\n')
    assert tables.read_csv(path, ['epoch']) == [
        {'epoch': '1', 'note': ''},
        {'epoch': '3', 'note': 'good'},
    ]
    tables.drop_rows(path, 'epoch', lambda epoch: int(epoch) > 2)
    assert path.read_text() == 'epoch,note\n1,\n'
    path.write_text('')
    assert tables.read_csv(path, ['epoch']) == []


def test_a_cell_by_which_no_row_can_be_dropped_is_named(tmp_path):
    path = tmp_path / 't.csv'
    path.write_text('epoch,step\n1,2\nnote,3\n')
    with pytest.raises(errors.DataError, match=r"t\.csv has a wrong cell in .* epoch \(.*'note'"):
        tables.drop_rows(path, 'epoch', lambda epoch: int(epoch) > 2)


def test_columns_of_text_line_up():
    table = tables.format_table(('a', 'long name'), [('wide cell', 1), ('x', 22)])
    assert table.splitlines() == [
        'a          long name',
        '---------  ---------',
        'wide cell  1',
        'x          22',
    ]


def test_names_in_a_table_move_no_cursor_and_start_no_line():
    table = tables.format_table(('class',), [('\x1b]0;owned\x07cat\nfake',)])
    assert table.splitlines()[2:] == [r'\x1b]0;owned\x07cat\nfake']
