"""Rows of results.csv."""

import pytest

from alexnet_tf.runs import results
from input_pipeline import errors

ROW = {
    'time': '2026-01-01',
    'run_dir': 'runs/a',
    'weights': '',
    'step': 4,
    'split': 'validation',
    'examples': 12,
    'views': 1,
    'loss': 0.7,
    'top1_error': 0.5,
    'top5_error': 0.0,
    'top1_low': 0.25,
    'top1_high': 0.75,
    'manifest_sha256': 'f' * 64,
}


def lines(directory):
    return (directory / 'results.csv').read_text().splitlines()


def test_the_newest_row_of_each_evaluation_is_read(tmp_path):
    assert results.read_newest(tmp_path) == []
    ensemble = {'run_dir': 'runs/a + runs/b', 'weights': '1 1', 'top1_error': 0.4}
    for changes in ({}, {'views': 10}, ensemble, {'top1_error': 0.3}):
        results.append(tmp_path, ROW | changes)
    rows = results.read_newest(tmp_path)
    assert [(row['views'], row['weights'], row['top1_error']) for row in rows] == [
        ('1', '', '0.3'),
        ('10', '', '0.5'),
        ('1', '1 1', '0.4'),
    ]


def test_a_file_of_an_older_version_has_no_weights(tmp_path):
    row = {name: value for name, value in ROW.items() if name != 'weights'}
    for changes in ({}, {'run_dir': 'runs/a + runs/b', 'top1_error': 0.4}):
        results.append(tmp_path, row | changes)
    single, ensemble = results.read_newest(tmp_path)
    assert (single['top1_error'], single['weights']) == ('0.5', '')
    assert (ensemble['top1_error'], bool(ensemble['weights'])) == ('0.4', True)
    results.append_if_new(tmp_path, ROW)
    assert len(lines(tmp_path)) == 3


def test_results_without_a_column_are_named(tmp_path):
    results.append(tmp_path, {name: value for name, value in ROW.items() if name != 'views'})
    with pytest.raises(errors.DataError, match=r'results\.csv has no column views\.'):
        results.read_newest(tmp_path)


@pytest.mark.parametrize(
    ('changes', 'is_new'),
    [
        ({'time': '2026-01-02', 'loss': 0.7001, 'run_dir': 'moved/a'}, False),
        ({'loss': 0.71}, True),
        ({'step': 6}, True),
        ({'split': 'test'}, True),
        ({'views': 10}, True),
        ({'manifest_sha256': 'e' * 64}, True),
    ],
)
def test_a_row_is_new_unless_only_its_time_and_rounding_differ(tmp_path, changes, is_new):
    results.append(tmp_path, ROW)
    results.append_if_new(tmp_path, ROW | changes)
    assert len(lines(tmp_path)) == 2 + is_new


def test_scores_of_rounded_probabilities_are_no_news_of_a_known_checkpoint(tmp_path):
    results.append(tmp_path, ROW)
    results.append_if_new(tmp_path, ROW | {'loss': 69.1}, is_rounded=True)
    assert len(lines(tmp_path)) == 2
    results.append_if_new(tmp_path, ROW | {'step': 6}, is_rounded=True)
    assert len(lines(tmp_path)) == 3
