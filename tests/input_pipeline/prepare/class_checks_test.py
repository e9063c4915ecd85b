"""Classes that look like mistakes."""

import itertools

import pytest

from input_pipeline import errors
from input_pipeline.prepare import class_checks


def is_similar(one, two):
    """Whether two words differ by a letter, by one more, or by two in another order."""
    if len(one) == len(two):
        differing = [at for at in range(len(one)) if one[at] != two[at]]
        is_swap = len(differing) == 2 and differing[1] == differing[0] + 1
        return len(differing) == 1 or (is_swap and sorted(one) == sorted(two))
    shorter, longer = sorted((one, two), key=len)
    return any(longer[:at] + longer[at + 1 :] == shorter for at in range(len(longer)))


def test_similar_words_are_found_as_by_comparing_each_with_each():
    words = [
        ''.join(letters) for size in (3, 4) for letters in itertools.product('abc', repeat=size)
    ]
    words = words[::3]
    expected = [pair for pair in itertools.combinations(sorted(words), 2) if is_similar(*pair)]
    similar = class_checks.find_similar_names(words)
    assert set(similar) <= set(expected)
    named = {name for pair in similar for name in pair}
    assert named == {name for pair in expected for name in pair}


@pytest.mark.parametrize(
    ('names', 'pairs'),
    [
        (['ant', 'Ant', 'atn'], [('Ant', 'ant'), ('Ant', 'atn')]),
        (['hot dog', 'hot-dog', 'Hot Dog'], [('Hot Dog', 'hot dog')]),
        (['cat', 'cats', 'dog'], [('cat', 'cats')]),
        (['class_1', 'class_2', 'c1', 'c2', 'type A', 'type B', 'n01440764', 'n01440765'], []),
        (['cast', 'cats'], [('cast', 'cats')]),
        (['coast', 'cats'], []),
        ([], []),
    ],
)
def test_names_that_may_be_misspelt_are_found(names, pairs):
    similar = class_checks.find_similar_names(names)
    assert similar == pairs


def test_classes_that_cannot_be_learned_or_judged_are_named():
    counts = class_checks.count_labels(
        ['ape', 'bee', 'cow', 'dog'], {'train': [0, 0, 1, 2, 2, 2], 'validation': [0, 2]}
    )
    assert counts['cow'] == {'train': 3, 'validation': 1}
    assert class_checks.find_warnings(counts) == [
        'one class has no image at all: dog',
        'one class has a single image: bee',
        'one class has no image in validation, so nothing is known of its errors: bee',
    ]
    counts['dog'] = {'train': 0, 'validation': 2}
    with pytest.raises(errors.DataError, match='class with images in other splits only: dog'):
        class_checks.check_training_images(counts, counts, 'photos')


def test_a_class_whose_training_images_cannot_be_read_is_refused():
    listed = class_checks.count_labels(
        ['ape', 'bee', 'cow'], {'train': [0, 1], 'validation': [0, 1]}
    )
    readable = class_checks.count_labels(['ape', 'bee', 'cow'], {'train': [1], 'validation': []})
    message = r'class with no readable training images: ape \(photos\)\.'
    with pytest.raises(errors.DataError, match=message):
        class_checks.check_training_images(listed, readable, 'photos')
    class_checks.check_training_images(listed, listed, 'photos')  # cow is only a name


def test_ordinary_classes_have_no_warnings():
    counts = {name: {'train': 5, 'validation': 1} for name in ('ape', 'bee', 'cow')}
    assert class_checks.find_warnings(counts) == []
    class_checks.check_training_images(counts, counts, 'photos')
