"""What the report advises, for findings whose meaning is known."""

import numpy as np
import pytest

from alexnet_tf.commands.report import advice
from alexnet_tf.evaluation import trends

ErrorRate = advice.ErrorRate


@pytest.mark.parametrize(
    ('training', 'held_out', 'images', 'expected'),
    [
        (0.27, 0.28, 736, 'has not finished learning'),
        (0.3, 0.25, 736, 'has not finished learning'),
        (0.001, 0.2, 736, 'more images should help most'),
        (
            0.1,
            0.2,
            736,
            'More images should help, and longer training (--minutes or --epochs) as well',
        ),
        (0.1, 0.2, 20, 'too few to tell'),
        (0.08, 0.1, 20, 'too few to tell'),
        (0.0, 0.0, 736, 'what is left to gain'),
    ],
)
def test_minutes_or_images_by_the_gap_between_training_and_held_out_errors(
    training, held_out, images, expected
):
    text = advice.compare_errors(ErrorRate(training, 3000), ErrorRate(held_out, images))
    assert expected in text
    assert f'{100 - 100 * training:.1f} % of the images that it learnt from' in text
    assert f'{100 - 100 * held_out:.1f} % of {images} held-out' in text


def test_an_extrapolation_has_its_interval_and_its_doubt():
    predicted = trends.Interval(0.1, 0.16, 0.18)
    text, doubt = advice.describe_extrapolation(predicted, decayed=False)
    assert '84.0 % (82.0 to 90.0 by the number of images alone)' in text
    assert not doubt
    text, doubt = advice.describe_extrapolation(predicted, decayed=True)
    assert '84.0 % (82.0 to 90.0 by' in text
    assert 'That is rough' in text
    assert 'The learning rate fell' in doubt
    assert 'cannot tell' in advice.describe_extrapolation(None, decayed=True)[0]


def test_weak_classes_are_those_that_are_surely_worse():
    ranked = [('a', 10, 0.4, 0.0, ''), ('b', 1000, 0.3, 0.0, ''), ('c', 1000, 0.1, 0.0, '')]
    weak = advice.list_weak_classes(ranked, ErrorRate(0.2, 2010))
    assert [row[0] for row in weak] == ['b']  # 4 of 10 may be chance
    assert 'b (70.0 % of 1,000 recognised, learnt from 7)' in advice.describe_weak_classes(
        weak, {'b': 7}
    )
    assert 'b (70.0 % of 1,000 recognised)' in advice.describe_weak_classes(weak, {})


def test_of_many_equal_classes_hardly_any_is_weak():
    random, reports = np.random.default_rng(0), 100
    listed = 0
    for _ in range(reports):
        errors = 1 - random.binomial(50, 0.8, 102) / 50
        ranked = [(str(at), 50, error, 0.0, '') for at, error in enumerate(errors)]
        listed += bool(advice.list_weak_classes(ranked, ErrorRate(errors.mean(), 5100)))
    assert listed <= 0.08 * reports


def test_confused_pairs_have_both_directions():
    sizes = {'cat': 40, 'dog': 60, 'eel': 5}
    text, detail = advice.describe_confusions([('cat', 'dog', 7, 4), ('cat', 'eel', 0, 1)], sizes)
    assert 'cat with dog (in 11 of 100 images) and cat with eel (in 1 of 45 images)' in text
    assert '7 cat as dog, 4 dog as cat; 0 cat as eel, 1 eel as cat' in detail


@pytest.mark.parametrize(('error', 'expected'), [(0.05, 'some of them'), (0.3, 'most of them')])
def test_suspicious_labels_of_a_weak_network_are_mostly_its_mistakes(error, expected):
    text = advice.describe_label_errors(12, 0, ErrorRate(error, 500))
    assert '12 of 500' in text
    assert expected in text
    assert 'training' not in text
    assert '3 training labels' in advice.describe_label_errors(12, 3, ErrorRate(error, 500))
    text = advice.describe_label_errors(0, 3, ErrorRate(error, 500))
    assert text.startswith('The network doubts 3 training labels, although')


def test_copies_are_counted_by_what_they_mean():
    text = advice.describe_near_duplicates(
        ErrorRate(0.2, 500), images=9, leaked=5, differing=2, without=ErrorRate(0.25, 495)
    )
    for part in (
        '9 of 500',
        '5 like a training image',
        'without them it is 75.0 %',
        '2 with another label',
    ):
        assert part in text
    text = advice.describe_near_duplicates(
        ErrorRate(0.2, 500), images=1, leaked=0, differing=0, without=None
    )
    assert text == '1 of 500 held-out images looks nearly like another image.'


def test_exact_copies_are_counted_by_their_labels():
    assert advice.describe_copies({}) == ''
    text = advice.describe_copies({'equal to an image of another label': 1200})
    assert '1,200 equal to an image of another label' in text
