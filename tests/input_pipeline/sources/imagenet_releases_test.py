"""The full releases: split by name, and in halves by content."""

import hashlib

import pytest

from input_pipeline import errors
from input_pipeline.sources import imagenet_releases


@pytest.fixture
def train(imitate):
    wnids = sorted(imitate.IDS)
    return {f'{wnids[at % 4]}_{at}.JPEG': imitate.picture(at) for at in range(80)}


def every(found):
    return {each.name: (split, each) for split, entries in found.splits.items() for each in entries}


def test_fall_2011_is_split_by_name(tmp_path, train, imitate):
    (tmp_path / 'fall11_whole.tar').write_bytes(imitate.nested(train))
    (tmp_path / 'words.txt').write_text('n00001740\tentity\nn01440764\ttench, Tinca tinca\n')
    found = imagenet_releases.find('fall2011', str(tmp_path), validation_fraction=0.3)
    assert found.classes == tuple(sorted(imitate.IDS))
    assert found.words == ('tench, Tinca tinca', '', '', '')
    pictures = every(found)
    assert len(pictures) == 80
    assert 10 < len(found.splits['validation']) < 40
    for name, (_, each) in pictures.items():
        wnid, base = name.split('/')
        assert found.classes[each.label] == wnid
        assert each.read() == train[base]
    assert imagenet_releases.recognises(tmp_path) == ('fall2011', 'fall11_whole.tar is in it')


def test_halves_by_content(tmp_path, train, imitate):
    (tmp_path / 'imagenet10k_eccv2010.tar').write_bytes(imitate.nested(train))
    found = imagenet_releases.find('imagenet10k', str(tmp_path), validation_fraction=0.01)
    for split, each in every(found).values():
        second = hashlib.sha256(each.read()).digest()[0] >= 128
        assert split == ('validation' if second else 'train')
    assert 25 < len(found.splits['train']) < 55
    assert 'begins with a bit of 1' in found.split_rule


@pytest.mark.parametrize(
    ('file', 'said'),
    [('fall11_whole.tar.gz', 'gunzip'), ('other.tar', 'has no fall11_whole.tar. Download it')],
)
def test_what_is_not_there_is_said(tmp_path, file, said):
    (tmp_path / file).write_bytes(b'')
    with pytest.raises(errors.DataError, match=said):
        imagenet_releases.find('fall2011', str(tmp_path), validation_fraction=0.1)
