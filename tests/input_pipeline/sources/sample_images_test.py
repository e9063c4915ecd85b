"""Checks the crops of the sample images."""

import numpy as np
import tensorflow as tf

from input_pipeline.sources import sample_images


def test_crops_are_deterministic_and_differ_from_each_other():
    source = sample_images.find_images()
    assert {split: len(entries) for split, entries in source.splits.items()} == {
        'train': 6 * 96,
        'validation': 6 * 24,
    }
    for entries in source.splits.values():
        assert len({entry.name for entry in entries}) == len(entries)
        assert entries[3].read() == entries[3].read()
        assert entries[3].read() != entries[4].read()


def test_a_crop_lies_in_the_part_of_its_split():
    source = sample_images.find_images()
    for split, is_left in (('train', True), ('validation', False)):
        entry = next(entry for entry in source.splits[split] if '/coffee/' in entry.name)
        crop = tf.io.decode_png(entry.read()).numpy()
        path = entry.read.args[0]
        image = tf.io.decode_png(path.read_bytes(), channels=3).numpy()
        first_row, rows = crop[0].tobytes(), [row.tobytes() for row in image]
        columns = [row.find(first_row) // 3 for row in rows if first_row in row]
        assert columns
        edge = int(image.shape[1] * 0.6)
        for column in columns:
            assert (column + crop.shape[1] <= edge) if is_left else (column >= edge)
        assert np.std(crop) > 8
