"""Names of classes: ImageNet's, which ship with the package, and those of text files."""

import os
import pathlib

import pytest

from alexnet_tf.runs import class_names
from input_pipeline import errors


def test_the_list_of_imagenets_classes_is_whole():
    wnids, words = class_names.load_imagenet()
    assert len(wnids) == len(set(wnids)) == len(words) == 1000
    assert list(wnids) == sorted(wnids)
    assert all(wnid[0] == 'n' and len(wnid) == 9 for wnid in wnids)
    assert all(text.strip() == text != '' for text in words)


def test_the_list_is_imagenets(real_data):
    lines = (real_data / 'imagenet_meta' / 'synset_words.txt').read_text().splitlines()
    assert [' '.join(pair) for pair in zip(*class_names.load_imagenet(), strict=True)] == lines


def test_the_list_is_package_data():
    text = (pathlib.Path(__file__).parents[3] / 'setup.cfg').read_text()
    section = text.split('[options.package_data]')[1].split('[')[0].split()
    assert {'alexnet_tf', 'py.typed', 'data/*.txt'} <= set(section)
    assert os.access(class_names._IMAGENET_FILE, os.R_OK)


@pytest.mark.parametrize(
    ('text', 'labels', 'words'),
    [
        ('cat\ndog\n\n', ('cat', 'dog'), ()),
        ('\ufeffgreat white shark\r\n n01440764 \r\n', ('great white shark', 'n01440764'), ()),
        ('n02\nn03\n', ('n02', 'n03'), ()),
        ('n01440764\ttench, fish\nn01443537\n', ('n01440764', 'n01443537'), ('tench, fish', '')),
        ('n01440764\nn01443537', ('n01440764', 'n01443537'), ()),
        ('', (), ()),
    ],
)
def test_a_file_has_a_class_a_line(text, labels, words, tmp_path):
    path = tmp_path / 'classes.txt'
    path.write_bytes(text.encode())
    assert class_names.read(path) == (labels, words)


@pytest.mark.parametrize(
    ('content', 'message'),
    [(b'cat\n\ndog', 'line 2 is empty'), (b'\xff\xfe', 'is not text in UTF-8')],
)
def test_other_files_are_refused(content, message, tmp_path):
    path = tmp_path / 'classes.txt'
    with pytest.raises(errors.DataError, match='no such file'):
        class_names.read(path)
    path.write_bytes(content)
    with pytest.raises(errors.DataError, match=rf'classes\.txt.*{message}'):
        class_names.read(path)
