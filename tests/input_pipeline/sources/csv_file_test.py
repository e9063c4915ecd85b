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
        ('path,label\nx,a\ny,a', 'lists only one class, a;'),
        ('path,label\n', 'lists no images'),
        (
            'path,label,split\nimages/0.jpg,a,train\nimages/1.jpg,b,train',
            'no image falls into the validation',
        ),
        ('path;label\nx;a', 'with commas between'),
        ('path,label\n"x', 'cannot be read as CSV'),
    ],
)
def test_bad_lists_are_refused(root, text, message):
    with pytest.raises(errors.DataError, match=message):
        csv_file.find_images(write(root, text), validation_fraction=0.3)


def test_blanks_and_the_spelling_of_letters_make_no_class(root):
    text = 'path , label, split\nimages/0.jpg, cafe\u0301,Train\nimages/1.jpg ,caf\u00e9 , train\n'
    text += 'images/2.jpg,dog,train\nimages/3.jpg,dog,VAL\n'
    source = csv_file.find_images(write(root, text), validation_fraction=0.3)
    assert source.classes == ('caf\u00e9', 'dog')
    names = {split: [entry.name for entry in source.splits[split]] for split in source.splits}
    assert names == {
        'train': ['images/0.jpg', 'images/1.jpg', 'images/2.jpg'],
        'validation': ['images/3.jpg'],
    }


def test_paths_without_a_file_are_found_before_any_work(root, monkeypatch):
    monkeypatch.setattr(csv_file.splits, 'hash_content', lambda _: pytest.fail('an image was read'))
    text = make_list('gone.jpg,a', 'images/away.jpg,b')
    place = f'at 2 of 22 paths there is no file, first gone.jpg, .* looked for at {root}/gone.jpg'
    for allowed in (0, 0.09):
        with pytest.raises(errors.DataError, match=place):
            csv_file.find_images(
                write(root, text), validation_fraction=0.3, max_missing_fraction=allowed
            )


def test_few_missing_files_are_a_warning_where_bad_images_are_allowed(root):
    source = csv_file.find_images(
        write(root, make_list('gone.jpg,a')), validation_fraction=0.3, max_missing_fraction=0.05
    )
    assert f'first gone.jpg, which was looked for at {root}/gone.jpg' in source.warnings[0]
    assert sum(map(len, source.splits.values())) == 21


def test_test_images_are_the_validation_if_there_is_no_other_and_that_is_said(root):
    lines = [f'images/{index}.jpg,{"ab"[index % 2]},' for index in range(8)]
    rows = [line + ('test' if index > 3 else 'train') for index, line in enumerate(lines)]
    text = '\n'.join(['path,label,split', *rows])
    source = csv_file.find_images(write(root, text), validation_fraction=0.3)
    assert {split: len(images) for split, images in source.splits.items()} == {
        'train': 4,
        'validation': 4,
    }
    assert 'test images are used as validation' in source.description


def test_rows_without_a_split_are_divided_and_the_others_stay(root):
    lines = [f'images/{index}.jpg,{"ab"[index % 2]},' for index in range(12)]
    text = '\n'.join(['path,label,split', 'images/18.jpg,a,val', 'images/19.jpg,b,train', *lines])
    source = csv_file.find_images(write(root, text), validation_fraction=0.34)
    held_out = [entry.label for entry in source.splits['validation']]
    assert sorted(held_out) == [0, 0, 0, 1, 1]  # two of each six, and the one that is named
    assert source.split_rule == csv_file.splits.BY_CLASS_AND_CONTENT


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(errors.DataError, match='needs a CSV file'):
        csv_file.find_images(str(tmp_path), validation_fraction=0.3)


def test_quotes_behind_a_blank_are_quotes(root):
    lines = ['images/0.jpg,"big cat"', 'images/1.jpg, "big cat"', 'images/2.jpg, "cat, big"']
    lines += ['images/3.jpg,"cat, big"']
    text = '\n'.join(['path, label', *lines])
    source = csv_file.find_images(write(root, text), validation_fraction=0.5)
    assert source.classes == ('big cat', 'cat, big')
