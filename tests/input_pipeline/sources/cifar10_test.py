"""Checks CIFAR-10 from its archive and from a folder."""

import io
import pickle

import numpy as np
import PIL.Image
import pytest

from input_pipeline import errors
from input_pipeline.batches import preprocessing
from input_pipeline.prepare import conversion
from input_pipeline.records import manifests
from input_pipeline.sources import cifar10

PER_BATCH = 20


@pytest.fixture
def batches():
    random = np.random.default_rng(0)
    names = [*(f'data_batch_{number}' for number in range(1, 6)), 'test_batch']
    labels = [index % 10 for index in range(PER_BATCH)]
    return {name: (random.integers(0, 256, (PER_BATCH, 3072), np.uint8), labels) for name in names}


def write_archive(root, batches, imitate, change=lambda members: None):
    members = {
        name: pickle.dumps({'data': data, 'labels': labels, 'batch_label': name}, protocol=2)
        for name, (data, labels) in batches.items()
    }
    change(members)
    members = {f'cifar-10-batches-py/{name}': data for name, data in members.items()}
    (root / 'cifar-10-python.tar.gz').write_bytes(imitate.make_tar(members, 'w:gz'))
    return str(root)


def test_images_and_labels_are_read_from_the_archive(tmp_path, batches, imitate):
    source = cifar10.find_images(write_archive(tmp_path, batches, imitate))
    sizes = [len(source.splits[split]) for split in ('train', 'validation')]
    assert sizes == [5 * PER_BATCH, PER_BATCH]
    for entry in [*source.splits['train'][::7], *source.splits['validation']]:
        _, batch, file = entry.name.split('/')
        index = int(file.partition('.')[0])
        data, labels = batches[batch]
        image = np.asarray(PIL.Image.open(io.BytesIO(entry.read())))
        np.testing.assert_array_equal(image, data[index].reshape(3, 32, 32).transpose(1, 2, 0))
        assert entry.label == labels[index]


def test_records_hold_the_pixels_unchanged(tmp_path, batches, imitate):
    source = cifar10.find_images(write_archive(tmp_path, batches, imitate))
    manifest = conversion.prepare(
        source,
        str(tmp_path / 'out'),
        settings={'record_encoding': 'jpeg', 'shard_examples': 64, 'seed': 0},
        max_bad_fraction=0,
        report=lambda *_: None,
    )
    assert manifest.layout == manifests.Layout('raw', 32)
    mean = manifests.load_statistics(manifest).mean_image
    rows = np.concatenate([data for name, (data, _) in batches.items() if name != 'test_batch'])
    expected = rows.astype(float).mean(0).reshape(3, 32, 32).transpose(1, 2, 0)
    np.testing.assert_allclose(mean, expected, rtol=1e-6)
    preprocess = preprocessing.Preprocessing(mean, crop_size=24)
    views = preprocess.make_views(np.zeros((1, 32, 32, 3), np.uint8), 10)
    assert views.shape == (10, 24, 24, 3)


def test_images_are_read_from_a_folder(tmp_path, imitate):
    for part in ('train', 'test'):
        for seed, name in enumerate(cifar10.CLASSES):
            (tmp_path / part / name).mkdir(parents=True)
            (tmp_path / part / name / f'{part}.jpg').write_bytes(imitate.make_image(seed))
    assert cifar10.recognize(tmp_path)
    source = cifar10.find_images(str(tmp_path))
    assert {entry.name for entry in source.splits['validation']} == {
        f'test/{name}/test.jpg' for name in cifar10.CLASSES
    }
    assert source.square_size == 32


SCALAR = {'data': 1, 'labels': [1]}


class Program:
    def __reduce__(self):
        return (print, ('run',))


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda members: members.pop('data_batch_3'), 'data_batch_3 cannot be used'),
        (lambda members: members.update(test_batch=b'junk'), 'test_batch cannot be used'),
        (lambda members: members.update(test_batch=pickle.dumps(Program())), 'test_batch cannot'),
        (lambda members: members.update(test_batch=pickle.dumps(SCALAR)), 'test_batch cannot'),
    ],
)
def test_bad_archives_are_refused(tmp_path, batches, imitate, capsys, change, message):
    root = write_archive(tmp_path, batches, imitate, change)
    with pytest.raises(errors.DataError, match=message):
        cifar10.find_images(root)
    assert 'run' not in capsys.readouterr().out
