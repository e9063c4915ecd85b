"""The embedded default."""

import numpy as np
import tensorflow as tf

from input_pipeline.sources import sample_images


def test_crops_repeat_and_the_halves_do_not_overlap():
    found = sample_images.find()
    assert {split: len(entries) for split, entries in found.splits.items()} == {
        'train': 6 * 96,
        'validation': 6 * 24,
    }
    for entries in found.splits.values():
        assert len({each.name for each in entries}) == len(entries)
        assert entries[3].read() == entries[3].read()
        assert entries[3].read() != entries[4].read()


def test_a_crop_is_in_its_part_of_its_photograph():
    found = sample_images.find()
    for split, left in (('train', True), ('validation', False)):
        each = next(e for e in found.splits[split] if '/coffee/' in e.name)
        crop = tf.io.decode_png(each.read()).numpy()
        whole = sample_images._photograph(
            next(iter(each.read.args)),
        )
        row = crop[0].tobytes()
        places = [
            (whole[at].tobytes().find(row) // 3) for at in range(len(whole)) if row in
            whole[at].tobytes()
        ]  # fmt: skip
        assert places
        edge = int(whole.shape[1] * 0.6)
        for place in places:
            assert (place + crop.shape[1] <= edge) if left else (place >= edge)
        assert np.std(crop) > 8
