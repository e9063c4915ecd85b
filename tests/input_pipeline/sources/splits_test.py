"""Which images are held out: by class and content, whatever their order and names."""

import collections
import hashlib
import random

import pytest

from input_pipeline import errors
from input_pipeline.sources import entries, splits

RULE = splits.BY_CLASS_AND_CONTENT


def make_images(counts, copies=()):
    """Images (entry, digest) of as many different contents as each label has, and copies."""
    images = []
    for label, number in enumerate(counts):
        for index in range(number):
            digest = hashlib.sha256(f'{label} {index}'.encode()).hexdigest()
            images.append((entries.Entry(f'{label}/{index}', label, bytes), digest))
    for label, name, original in copies:
        digest = next(digest for entry, digest in images if entry.name == original)
        images.append((entries.Entry(name, label, bytes), digest))
    return images


def hold_out(images, fraction):
    held_out = splits.hold_out(images, fraction, rule=RULE)
    assert sorted(entry.name for split in held_out.values() for entry in split) == sorted(
        entry.name for entry, _ in images
    )
    return {entry.name for entry in held_out['validation']}


@pytest.mark.parametrize(
    ('fraction', 'expected'),
    # round(fraction * n), but of two at least one, and never all
    [
        (0.2, {0: 0, 1: 1, 2: 1, 3: 2, 4: 20}),
        (0.01, {0: 0, 1: 1, 2: 1, 3: 1, 4: 1}),
        (0.9, {0: 0, 1: 1, 2: 6, 3: 9, 4: 90}),
    ],
)
def test_the_fraction_of_each_class_is_held_out(fraction, expected):
    images = make_images([1, 2, 7, 10, 100])
    labels = collections.Counter(int(name.split('/')[0]) for name in hold_out(images, fraction))
    assert labels == {label: number for label, number in expected.items() if number}


def test_the_lowest_hashes_of_a_class_are_held_out_whatever_order_and_names():
    images = make_images([20, 30])
    expected = set()
    for label in (0, 1):
        digests = sorted(digest for entry, digest in images if entry.label == label)
        expected |= set(digests[: len(digests) // 5])
    renamed = [
        (entries.Entry(f'other {number}', entry.label, bytes), digest)
        for number, (entry, digest) in enumerate(images)
    ]
    random.Random(0).shuffle(renamed)
    names = hold_out(renamed, 0.2)
    assert {digest for entry, digest in renamed if entry.name in names} == expected


def test_an_added_image_moves_at_most_one_other():
    before = hold_out(make_images([50]), 0.2)
    after = hold_out(make_images([51]), 0.2)
    assert len(before - after) <= 1


def test_copies_of_an_image_stay_on_one_side():
    copies = [(0, f'copy {number}', f'0/{number % 10}') for number in range(25)]
    images = make_images([10], copies)
    names = hold_out(images, 0.3)
    held_out = {digest for entry, digest in images if entry.name in names}
    assert not held_out & {digest for entry, digest in images if entry.name not in names}
    assert 0 < len(names) <= round(0.3 * len(images))


def test_a_class_of_copies_of_two_images_has_one_of_them_held_out():
    for many, few in (('0/0', '0/1'), ('0/1', '0/0')):
        copies = [(0, 'copy 1', many), (0, 'copy 2', many), (0, 'copy 3', few)]
        assert hold_out(make_images([2], copies), 0.1) == {few, 'copy 3'}
    assert hold_out(make_images([1], [(0, 'copy', '0/0')]), 0.5) == set()


def test_an_image_of_two_labels_is_in_training():
    images = make_images([4, 4], [(1, 'as 1', '0/0'), (1, 'too', '0/1'), (1, 'as well', '0/2')])
    assert hold_out(images, 0.5) & {'0/0', '0/1', '0/2', 'as 1', 'too', 'as well'} == set()


def test_older_rules_repeat_what_older_versions_did():
    images = make_images([200])
    for rule in splits.OLDER_RULES:
        held_out = {entry.name for entry in splits.hold_out(images, 0.25, rule=rule)['validation']}
        assert held_out == {entry.name for entry, digest in images if int(digest[:2], 16) < 64}


def test_the_content_decides_and_the_name_where_it_cannot_be_read():
    def fail():
        raise OSError

    digests = [splits.hash_content(entries.Entry('a', 0, read)) for read in (lambda: b'abc', fail)]
    assert digests == [hashlib.sha256(text).hexdigest() for text in (b'abc', b'a')]


def test_an_empty_split_is_refused():
    entry = entries.Entry('a', 0, bytes)
    splits.check({'train': [entry], 'validation': [entry]}, 'photos')
    with pytest.raises(errors.DataError, match='photos: no image falls into the validation split'):
        splits.check({'train': [entry], 'validation': []}, 'photos')
