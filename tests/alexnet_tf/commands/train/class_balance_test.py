"""Weights of the loss by class, from counts and from files, and what a resumed run checks."""

import pathlib
import types

import numpy as np
import pytest

from alexnet_tf.commands.train import class_balance
from alexnet_tf.config import fields, flags
from input_pipeline.records import checking, manifests

CLASSES = ('cat', 'd\u00f4g', 'n\u00e9, a')
LABELS = np.array([0, 2, 2, 0, 2, 2, 2, 0, 1, 2])  # 3, 1 and 6 images


@pytest.fixture
def load(monkeypatch):
    monkeypatch.setattr(checking, 'read_labels', lambda *_: LABELS)
    manifest = types.SimpleNamespace(
        classes=CLASSES, layout=manifests.Layout(), list_shards=lambda split: split
    )

    def run(*arguments):
        config = flags.parse(['alexnet_tf', '--mode=train', *arguments])
        return class_balance.load(config, manifest)

    return run


def test_balanced_weights_let_all_classes_count_alike_with_a_mean_over_the_images_of_1(load):
    weights = load('--class_weights=balanced').weights
    of_images = [weights[label] for label in LABELS]
    assert sum(of_images) == pytest.approx(len(LABELS))
    for label in range(3):
        of_class = [weight for weight, at in zip(of_images, LABELS, strict=True) if at == label]
        assert sum(of_class) == pytest.approx(10 / 3)


@pytest.mark.parametrize(
    ('flag', 'scale'),
    [
        # 3 * 2 + 1 * 5 + 6 * 0.5 of 10 images; drawn equally often, a third of each class.
        ((), 10 / 14),
        (('--balanced_sampling',), 3 / 7.5),
    ],
)
def test_a_file_gives_weights_which_are_scaled_to_a_mean_of_1(load, tmp_path, flag, scale):
    """In any order, with quoted commas and names in another normal form."""
    path = tmp_path / 'weights.csv'
    path.write_text('class,weight\n"ne\u0301, a",0.5\ncat,2\ndo\u0302g, 5\n\n')
    balance = load(f'--class_weights={path}', *flag)
    np.testing.assert_allclose(balance.weights, np.array([2, 5, 0.5]) * scale)
    mean = np.average(balance.example_weights[LABELS])
    assert mean == pytest.approx(1)
    assert (balance.sampled_labels is LABELS) == bool(flag)


def test_nothing_is_read_unless_it_is_asked_for(load, monkeypatch):
    monkeypatch.setattr(checking, 'read_labels', lambda *_: pytest.fail('records were read'))
    balance = load()
    assert balance.weights == ()
    assert balance.sampled_labels is balance.example_weights is None
    assert balance.describe() == []
    balance.keep_or_check(pathlib.Path('nowhere'))


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('cat,1\nd\u00f4g,1\n', 'there is no weight of n\u00e9, a. Give each of the 3 classes'),
        ('cat,1\ncats,1\n', 'line 2: the records have no class cats. Did you mean cat?'),
        ('cat,1\ncat,2\n', 'line 2: a second weight of cat.'),
        ('cat,-1\n', 'line 1: expected CLASS,WEIGHT with a number of at least 0.'),
        ('cat,nan\n', 'line 1: expected CLASS,WEIGHT'),
        ('cat\n', 'line 1: expected CLASS,WEIGHT'),
        ('cat,0\nd\u00f4g,0\n"n\u00e9, a",0\n', 'all weights are 0'),
    ],
)
def test_a_file_that_does_not_fit_the_classes_is_refused(load, tmp_path, text, message):
    path = tmp_path / 'weights.csv'
    path.write_text(text)
    with pytest.raises(fields.UsageError, match=message) as raised:
        load(f'--class_weights={path}')
    assert str(path) in str(raised.value)


def test_a_missing_file_is_named_with_what_may_be_given(load):
    with pytest.raises(fields.UsageError, match=r'none: No such file.*balanced or a CSV file'):
        load('--class_weights=none')


def test_both_ways_of_balancing_at_once_are_refused(load):
    with pytest.raises(fields.UsageError, match='Leave one of the two out'):
        load('--class_weights=balanced', '--balanced_sampling')


def test_a_run_resumes_only_with_the_weights_that_it_was_started_with(load, tmp_path):
    balance = load('--class_weights=balanced')
    balance.keep_or_check(tmp_path)
    lines = (tmp_path / 'class_weights.csv').read_text().splitlines()
    assert lines[0] == 'class,images,weight'
    assert lines[1].startswith('cat,3,1.11')
    balance.keep_or_check(tmp_path)
    other = class_balance.ClassBalance(CLASSES, balance.counts, balance.weights[::-1])
    with pytest.raises(fields.UsageError, match='started with other weights'):
        other.keep_or_check(tmp_path)


def test_a_run_resumes_with_its_own_weights_where_the_file_is_gone(load, tmp_path):
    path, run_dir = tmp_path / 'weights.csv', tmp_path / 'run'
    path.write_text('cat,0.3\ndôg,7\n"né, a",0.1\n')
    run_dir.mkdir()
    flags_of_run = (f'--class_weights={path}', f'--run_dir={run_dir}')
    balance = load(*flags_of_run)
    balance.keep_or_check(run_dir)
    path.unlink()
    resumed = load(*flags_of_run)
    assert resumed.weights == balance.weights
    resumed.keep_or_check(run_dir)


def test_the_log_names_the_extreme_classes(load):
    (line,) = load('--balanced_sampling').describe()
    assert line.endswith('n\u00e9, a (6 images) 0.556, d\u00f4g (1 images) 3.33 times on average')
