"""Checks that images as they were downloaded become records."""

import tarfile

import numpy as np
import PIL.Image

from input_pipeline.records import manifests
from input_pipeline.sources import folder


def test_real_images_become_records_with_their_mean(real_data, tmp_path, prepare_folder):
    with tarfile.open(real_data / 'photos.tar') as archive:
        chosen = [info for index, info in enumerate(archive) if info.isfile() and index % 4 == 0]
        archive.extractall(tmp_path, chosen, filter='data')
    root = tmp_path / 'photos'
    manifest = prepare_folder(root, tmp_path / 'records', held_out=0.2, shard_examples=16)
    assert sum(map(manifest.count_examples, ('train', 'validation'))) == len(chosen)
    entries = folder.find_images(str(root), validation_fraction=0.2).splits['train']
    images = [np.asarray(PIL.Image.open(root / entry.name).convert('RGB')) for entry in entries]
    expected = np.mean([image.mean((0, 1)) for image in images], axis=0)
    mean_image = manifests.load_statistics(manifest).mean_image
    np.testing.assert_allclose(mean_image.mean(axis=(0, 1)), expected, atol=6)
