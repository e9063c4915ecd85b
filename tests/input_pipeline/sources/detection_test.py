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
        (['flowers_train_00000-of-00005.tfrecord', 'labels.txt'], 'records'),
        (['train.tfrecords', 'val.tfrecords'], 'records'),
        (['train.tfrecord/a.jpg'], 'folder'),
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
    for name in ('list.csv', 'LIST.CSV'):
        (tmp_path / name).write_text('path,label\n')
        assert detection.detect_source(str(tmp_path / name), '')[0] == 'csv'
    (tmp_path / 'photos.zip').write_bytes(b'')
    with pytest.raises(errors.DataError, match='is a file, whose name'):
        detection.detect_source(str(tmp_path / 'photos.zip'), '')
    with pytest.raises(errors.DataError, match='no such folder, nor a CSV'):
        detection.detect_source(str(tmp_path / 'nowhere'), '')
