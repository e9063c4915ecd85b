"""Checks CSV files of path and label."""

import pytest

from input_pipeline import errors
from input_pipeline.sources import csv_file


@pytest.fixture
def root(tmp_path, imitate):
    (tmp_path / 'images').mkdir()
    for seed in range(20):
        (tmp_path / 'images' / f'{seed}.jpg').write_bytes(imitate.make_image(seed))
    return tmp_path


def make_list(*more, header='path,label'):
    return '\n'.join(
        [header, *(f'images/{index}.jpg,{"ab"[index % 2]}' for index in range(20)), *more]
    )


def write(root, text):
    (root / 'list.csv').write_text(text)
    return str(root / 'list.csv')


def test_the_content_decides_the_split_without_a_split_column(root):
    source = csv_file.find_images(write(root, make_list()), validation_fraction=0.3)
    assert source.classes == ('a', 'b')
    assert sum(map(len, source.splits.values())) == 20
    for entry in source.splits['train']:
        assert source.classes[entry.label] == 'ab'[int(entry.name[7:-4]) % 2]
        assert entry.read() == (root / entry.name).read_bytes()


def test_named_splits_are_kept(root):
    lines = [
        f'images/{index}.jpg,{"ab"[index % 2]},{["train", "val", "test"][index % 3]}'
        for index in range(9)
    ]
    source = csv_file.find_images(
        write(root, '\n'.join(['path,label,split', *lines])), validation_fraction=0.3
    )
    assert {split: len(entries) for split, entries in source.splits.items()} == {
        'train': 3,
        'validation': 3,
        'test': 3,
    }


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('', r'first line names the columns \[\]'),
        ('file,class\na,b', "first line names the columns .*'file', 'class'"),
        (make_list('images/3.jpg,a'), 'lists images/3.jpg more than once'),
        (make_list('x.jpg'), 'row 22: expected a path'),
        (make_list(',a'), 'row 22: expected a path'),
        (make_list('x.jpg,a,b'), 'row 22: expected a path'),
        ('path,label,split\nx,a,train\ny,b,later', 'row 3: expected'),
        ('path,label\nx,a\ny,a', 'names 1 classes'),
        ('path,label,split\nx,a,train\ny,b,train', 'no image falls into the validation'),
        ('path,label\n"x', 'cannot be read as CSV'),
    ],
)
def test_bad_lists_are_refused(root, text, message):
    with pytest.raises(errors.DataError, match=message):
        csv_file.find_images(write(root, text), validation_fraction=0.3)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(errors.DataError, match='needs a CSV file'):
        csv_file.find_images(str(tmp_path), validation_fraction=0.3)
