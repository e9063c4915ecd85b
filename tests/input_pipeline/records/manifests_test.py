"""Manifests: read as they were written, and never taken for what is on the disk."""

import dataclasses
import json
import shutil

import pytest

from input_pipeline import errors
from input_pipeline.records import manifests


@pytest.fixture
def manifest(prepared, tmp_path):
    """The manifest of a copy that may be damaged."""
    shutil.copytree(prepared.directory, tmp_path / 'out')
    return manifests.read(tmp_path / 'out')


def first_shard(manifest):
    return manifest.directory / manifest.splits['train'][0].file


def change_manifest(manifest, **fields):
    path = manifest.directory / 'manifest.json'
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_a_manifest_is_read_as_it_was_written(prepared):
    loaded = manifests.load(prepared.directory)
    assert dataclasses.asdict(loaded) == dataclasses.asdict(prepared)


@pytest.mark.parametrize(
    ('damage', 'message'),
    [
        (lambda m: first_shard(m).unlink(), 'is missing'),
        (lambda m: first_shard(m).write_bytes(b''), 'has 0 bytes'),
        (lambda m: (m.directory / 'statistics.npz').write_bytes(b'x'), 'not what prepare wrote'),
        (lambda m: (m.directory / 'manifest.json').write_text('{'), 'not a manifest'),
        (lambda m: change_manifest(m, format_version=99), 'version 99'),
        (lambda m: change_manifest(m, classes=['x', 'y']), 'class names'),
        (lambda m: change_manifest(m, surplus=1), 'not a manifest'),
    ],
)
def test_damage_is_noticed_when_loading(manifest, damage, message):
    damage(manifest)
    with pytest.raises(errors.DataError, match=message):
        manifests.load(manifest.directory)


@pytest.mark.parametrize('file', ['../../victim', '/victim', '..', '', 7])
def test_a_shard_outside_the_directory_is_refused(manifest, file):
    shard = dataclasses.asdict(manifest.splits['train'][0]) | {'file': file}
    change_manifest(manifest, splits={'train': [shard]})
    with pytest.raises(errors.DataError, match=r'manifest\.json is not a manifest of records'):
        manifests.read(manifest.directory)


def test_a_flipped_byte_is_noticed_when_verifying(manifest):
    data = bytearray(first_shard(manifest).read_bytes())
    data[len(data) // 2] ^= 1
    first_shard(manifest).write_bytes(bytes(data))
    with pytest.raises(errors.DataError, match='sha256 differs'):
        manifests.verify(manifests.load(manifest.directory))


def test_loading_checks_sizes_without_reading_the_shards(manifest):
    data = bytearray(first_shard(manifest).read_bytes())
    data[100] ^= 1
    first_shard(manifest).write_bytes(bytes(data))  # the same size: for --verify_only
    manifests.load(manifest.directory)
    first_shard(manifest).write_bytes(bytes(data)[:-7])
    with pytest.raises(errors.DataError, match=r'train-00000.* has .* bytes, the manifest says'):
        manifests.load(manifest.directory)
