"""CSV files of path,label."""

import pytest

from input_pipeline import errors
from input_pipeline.sources import csv_file


@pytest.fixture
def root(tmp_path, imitate):
    (tmp_path / 'pictures').mkdir()
    for at in range(20):
        (tmp_path / 'pictures' / f'{at}.jpg').write_bytes(imitate.picture(at))
    return tmp_path


def rows(*more, header='path,label'):
    return '\n'.join([header, *(f'pictures/{at}.jpg,{"ab"[at % 2]}' for at in range(20)), *more])


def write(root, text):
    (root / 'list.csv').write_text(text)
    return str(root / 'list.csv')


def test_content_decides_where_no_split_is_named(root):
    found = csv_file.find(write(root, rows()), validation_fraction=0.3)
    assert found.classes == ('a', 'b')
    assert sum(map(len, found.splits.values())) == 20
    for each in found.splits['train']:
        assert found.classes[each.label] == 'ab'[int(each.name[9:-4]) % 2]
        assert each.read() == (root / each.name).read_bytes()


def test_named_splits_are_kept(root):
    lines = [
        f'pictures/{at}.jpg,{"ab"[at % 2]},{["train", "val", "test"][at % 3]}' for at in range(9)
    ]
    found = csv_file.find(
        write(root, '\n'.join(['path,label,split', *lines])), validation_fraction=0.3
    )
    assert {split: len(entries) for split, entries in found.splits.items()} == {
        'train': 3,
        'validation': 3,
        'test': 3,
    }


@pytest.mark.parametrize(
    ('text', 'said'),
    [
        ('', 'first line names None'),
        ('file,class\na,b', "first line names .*'file', 'class'"),
        (rows('pictures/3.jpg,a'), 'lists pictures/3.jpg more than once'),
        (rows('x.jpg'), 'row 22: expected a path'),
        (rows(',a'), 'row 22: expected a path'),
        (rows('x.jpg,a,b'), 'row 22: expected a path'),
        ('path,label,split\nx,a,train\ny,b,later', 'row 3: expected'),
        ('path,label\nx,a\ny,a', 'names 1 classes'),
        ('path,label,split\nx,a,train\ny,b,train', 'no picture falls into the validation'),
        ('path,label\n"x', 'cannot be read as CSV'),
    ],
)
def test_bad_lists_are_refused(root, text, said):
    with pytest.raises(errors.DataError, match=said):
        csv_file.find(write(root, text), validation_fraction=0.3)


def test_no_file(tmp_path):
    with pytest.raises(errors.DataError, match='wants a file of path,label'):
        csv_file.find(str(tmp_path), validation_fraction=0.3)
