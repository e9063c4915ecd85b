"""Checks what --source=auto detects."""

import pytest

from input_pipeline import errors
from input_pipeline.sources import detection


@pytest.mark.parametrize(
    ('files', 'source'),
    [
        (['ILSVRC2012_img_train.tar'], 'ilsvrc2012'),
        (
            ['train/n01440764/n01440764_1.JPEG', 'val/ILSVRC2012_val_00000001.JPEG'],
            'ilsvrc2012',
        ),
        (
            [
                'ILSVRC/Data/CLS-LOC/train/n01440764/a.JPEG',
                'ILSVRC/Data/CLS-LOC/val/ILSVRC2012_val_00000001.JPEG',
            ],
            'ilsvrc2012',
        ),
        (['ILSVRC2010_images_train.tar'], 'ilsvrc2010'),
        (['fall11_whole.tar'], 'fall2011'),
        (['imagenet10k_eccv2010.tar'], 'imagenet10k'),
        (['cifar-10-python.tar.gz'], 'cifar10'),
        (['train-00000-of-00001'], 'records'),
        (['x-train.tfrecord-00000-of-00002'], 'records'),
        (['train/n01440764/a.jpg', 'val/n01440764/b.jpg'], 'folder'),
        (['cats/a.jpg'], 'folder'),
    ],
)
def test_folders_are_detected_by_their_files(tmp_path, files, source):
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b'')
    detected, reason = detection.detect_source(str(tmp_path), '')
    assert detected == source
    assert reason


def test_names_files_and_nothing_are_detected(tmp_path):
    assert detection.detect_source('', '')[0] == 'sample'
    assert detection.detect_source('', 'mnist')[0] == 'tfds'
    (tmp_path / 'list.csv').write_text('path,label\n')
    assert detection.detect_source(str(tmp_path / 'list.csv'), '')[0] == 'csv'
    with pytest.raises(errors.DataError, match='no such folder, nor a CSV'):
        detection.detect_source(str(tmp_path / 'nowhere'), '')
