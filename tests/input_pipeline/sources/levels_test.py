"""Folders that are a level too high."""

import re

import pytest

from input_pipeline.sources import levels, listing


def make(root, *paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b'')
    return listing.Lister(root).list_folders(root)


@pytest.mark.parametrize(
    ('paths', 'warning'),
    [
        (['cats/a.jpg', 'dogs/b.jpg'], ''),
        (['cats/2022/a.jpg', 'cats/2023/a.jpg', 'dogs/b.jpg', 'dogs/2021/b.jpg'], ''),
        (
            ['2022/cats/a', '2022/dogs/b', '2023/cats/c'],
            'each of 2022, 2023 holds folders named cats',
        ),
        (
            ['data/train/cats/a', 'data/val/cats/b', 'other/c.jpg'],
            'data holds train, val, which are named like splits.*--source_dir={root}/data',
        ),
        (
            ['dataset/cats/a', 'dataset/dogs/b', 'logs/a.png', 'utils/b.png'],
            'dataset holds nothing but the folders cats, dogs.*--source_dir={root}/dataset',
        ),
        (
            ['seg_train/cats/a', 'seg_test/cats/b', 'seg_pred/c'],
            'the classes seg_test, seg_train are named like splits.*in each.$',
        ),
        (
            [
                'seg_train/seg_train/cats/a',
                'seg_train/seg_train/dogs/a',
                'seg_test/seg_test/cats/b',
            ],
            'in each. Perhaps --source_dir={root}/seg_train/seg_train is meant',
        ),
        (['test_positive/a', 'test_negative/b'], ''),
        (['cats/@eaDir/a', 'dogs/@eaDir/a'], ''),
    ],
)
def test_what_does_not_look_like_classes_is_noticed(tmp_path, paths, warning):
    message = levels.find_warning(tmp_path, make(tmp_path, *paths))
    assert bool(message) == bool(warning)
    assert re.search(warning.format(root=tmp_path), message)


@pytest.mark.parametrize(
    ('paths', 'folder'),
    [
        (['data/cats/a', 'data/dogs/b'], 'data'),
        (['a/b/cats/a', 'a/b/dogs/b', 'a/read.me'], 'a/b'),
        (['dataset/cats/a', 'dataset/dogs/b', 'logs/c'], 'dataset'),
        (['cats/a'], ''),
        (['read.me'], ''),
    ],
)
def test_the_folder_that_is_meant_is_named(tmp_path, paths, folder):
    make(tmp_path, *paths)
    (tmp_path / 'link').symlink_to(tmp_path)
    expected = f' Perhaps --source_dir={tmp_path / folder} is meant.' if folder else ''
    assert levels.suggest_folder(tmp_path) == expected
