"""Photographs as they were downloaded."""

import tarfile

import numpy as np
import PIL.Image

from input_pipeline.prepare import conversion
from input_pipeline.records import manifests
from input_pipeline.sources import folder as folders


def test_real_photographs_become_records(real_data, tmp_path):
    with tarfile.open(real_data / 'photos.tar') as archive:
        chosen = [each for at, each in enumerate(archive) if each.isfile() and at % 4 == 0]
        archive.extractall(tmp_path, chosen, filter='data')
    found = folders.find(str(tmp_path / 'photos'), validation_fraction=0.2)
    settings = {'record_encoding': 'jpeg', 'shard_examples': 16, 'seed': 0}
    manifest = conversion.prepare(
        found,
        str(tmp_path / 'records'),
        settings=settings,
        max_bad_fraction=0,
        report=lambda *_: None,
    )
    assert sum(map(manifest.examples, ('train', 'validation'))) == len(chosen)
    made = manifests.statistics(manifest)
    plain = np.mean(
        [
            np.asarray(PIL.Image.open(tmp_path / 'photos' / each.name).convert('RGB')).mean((0, 1))
            for each in found.splits['train']
        ],
        axis=0,
    )
    np.testing.assert_allclose(made['mean_image'].mean(axis=(0, 1)), plain, atol=6)
