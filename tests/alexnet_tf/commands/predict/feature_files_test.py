"""Files of features: rows in the order of the images, whole or not at all."""

import csv
import os
import pathlib

import numpy as np
import pytest

from alexnet_tf.commands.predict import feature_files
from alexnet_tf.config import fields
from input_pipeline import files

SHAPES = {'conv5': (2, 3, 4), 'fc6:linear': (5,)}
ODD = os.fsdecode(b'=\xff, "b".jpg')  # not valid in any encoding
NAMES = ['a.jpg', ODD, 'c/\u00e9.jpg', 'd.jpg']
RANDOM = np.random.default_rng(0)
VALUES = [
    None if at == 1 else {name: RANDOM.normal(size=shape) for name, shape in SHAPES.items()}
    for at in range(4)
]


def write(path, shapes):
    with feature_files.write(path, shapes, NAMES) as writer:
        for values in VALUES:
            writer.add(values, '' if values else 'a text')
        assert path.is_symlink() or not path.exists()


def expect(name):
    missing = np.full(SHAPES[name], np.nan)
    return np.array([values[name] if values else missing for values in VALUES], np.float32)


def test_an_archive_has_an_array_for_each_layer_the_names_and_the_errors(tmp_path):
    path = tmp_path / 'new' / 'all.npz'
    write(path, SHAPES)
    with np.load(path, allow_pickle=False) as saved:
        assert set(saved) == {'conv5', 'fc6:linear', 'files', 'errors'}
        for name in SHAPES:
            np.testing.assert_array_equal(saved[name], expect(name), strict=True)
        assert saved['files'].tolist() == NAMES
        assert saved['errors'].tolist() == ['', 'a text', '', '']
    assert list(path.parent.iterdir()) == [path]


def test_a_single_array_can_be_mapped_and_has_the_names_beside_it(tmp_path):
    path = tmp_path / 'fc6.npy'
    write(path, {'fc6:linear': (5,)})
    mapped = np.load(path, mmap_mode='r')
    np.testing.assert_array_equal(mapped, expect('fc6:linear'), strict=True)
    with open(tmp_path / 'fc6.files.csv', newline='', errors='surrogateescape') as file:
        rows = list(csv.reader(file))
    assert rows[0] == ['file', 'error']
    assert [row[0].removeprefix("'") for row in rows[1:]] == NAMES  # no cell is a formula
    assert [row[1] for row in rows[1:]] == ['', 'a text', '', '']
    assert len(list(tmp_path.iterdir())) == 2


def test_nothing_is_left_if_the_work_is_interrupted(tmp_path):
    path = tmp_path / 'all.npz'
    path.write_bytes(b'of before')
    unlike = [*VALUES[:2], {'conv5': VALUES[0]['conv5']}]  # a layer is missing
    with pytest.raises(KeyError), feature_files.write(path, SHAPES, NAMES) as writer:
        list(map(writer.add, unlike))
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == b'of before'


@pytest.mark.parametrize(
    ('name', 'layers', 'message'),
    [
        ('a.csv', ('fc7',), 'to a file that ends in .npy or .npz'),
        (
            'a.npy',
            ('conv5', 'fc7'),
            'one array, but --features=conv5,fc7 are 2. Name an .npz',
        ),
    ],
)
def test_a_file_that_cannot_hold_them_is_refused(tmp_path, name, layers, message):
    with pytest.raises(fields.UsageError, match=message) as raised:
        feature_files.check_path(pathlib.Path(tmp_path / name), layers)
    assert f'--output_file={tmp_path / name}' in str(raised.value)


def test_no_array_is_beside_the_names_of_another_one(tmp_path, monkeypatch):
    path = tmp_path / 'fc6.npy'
    write(path, {'fc6:linear': (5,)})
    monkeypatch.setattr(files, '_flush', lambda path: 1 / 0)
    with pytest.raises(ZeroDivisionError), feature_files.write(path, {'a': (1,)}, ['x']) as writer:
        writer.add({'a': np.zeros(1)})
    assert not (tmp_path / 'fc6.files.csv').exists()
    assert np.load(path).shape == (4, 5)


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / 'old.npz').write_bytes(b'')
    (tmp_path / 'link.npz').symlink_to(tmp_path / 'old.npz')
    write(tmp_path / 'link.npz', SHAPES)
    assert (tmp_path / 'link.npz').is_symlink()
    assert np.load(tmp_path / 'old.npz')['fc6:linear'].shape == (4, 5)
