"""Checks the full releases: split by name, and in halves by content."""

import hashlib

import pytest

from input_pipeline import errors
from input_pipeline.sources import imagenet_releases


@pytest.fixture
def train(imitate):
    wnids = sorted(imitate.IDS)
    return {f'{wnids[seed % 4]}_{seed}.JPEG': imitate.make_image(seed) for seed in range(80)}


def entries_by_name(source):
    return {entry.name: (split, entry) for split in source.splits for entry in source.splits[split]}


def test_fall_2011_is_split_by_name(tmp_path, train, imitate):
    (tmp_path / 'fall11_whole.tar').write_bytes(imitate.make_nested_tar(train))
    (tmp_path / 'words.txt').write_text('n00001740\tentity\nn01440764\ttench, Tinca tinca\n')
    source = imagenet_releases.find_images('fall2011', str(tmp_path), validation_fraction=0.3)
    assert source.classes == tuple(sorted(imitate.IDS))
    assert source.words == ('tench, Tinca tinca', '', '', '')
    entries = entries_by_name(source)
    assert len(entries) == 80
    for wnid in source.classes:  # the lowest hashes of each 20 names
        names = sorted(
            (name for name in train if name.startswith(wnid)),
            key=lambda name: hashlib.sha256(name.encode()).hexdigest(),
        )
        held_out = [entries[f'{wnid}/{name}'][0] for name in names]
        assert held_out == ['validation'] * 6 + ['train'] * 14
    for name, (_, entry) in entries.items():
        wnid, base = name.split('/')
        assert source.classes[entry.label] == wnid
        assert entry.read() == train[base]
    assert imagenet_releases.recognize(tmp_path) == ('fall2011', 'fall11_whole.tar is in it')
    (tmp_path / 'fall11_whole.tar').rename(tmp_path / 'winter21_whole.tar.gz')
    assert imagenet_releases.recognize(tmp_path)[0] == 'fall2011'


def test_the_10_184_classes_are_halved_by_content(tmp_path, train, imitate):
    (tmp_path / 'imagenet10k_eccv2010.tar').write_bytes(imitate.make_nested_tar(train))
    source = imagenet_releases.find_images('imagenet10k', str(tmp_path), validation_fraction=0.01)
    for split, entry in entries_by_name(source).values():
        is_second = hashlib.sha256(entry.read()).digest()[0] >= 128
        assert split == ('validation' if is_second else 'train')
    assert 25 < len(source.splits['train']) < 55
    assert 'begins with a bit of 1' in source.split_rule


@pytest.mark.parametrize(
    ('file', 'message'),
    [('fall11_whole.tar.gz', 'gunzip'), ('other.tar', 'has no fall11_whole.tar. Download it')],
)
def test_a_missing_tar_is_named(tmp_path, file, message):
    (tmp_path / file).write_bytes(b'')
    with pytest.raises(errors.DataError, match=message):
        imagenet_releases.find_images('fall2011', str(tmp_path), validation_fraction=0.1)
