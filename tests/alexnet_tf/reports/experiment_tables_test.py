"""Tables of experiments against values worked out by hand."""

import pytest

from alexnet_tf.reports import experiment_tables


def row(group, seed, error, *, status='done', reached=''):
    return {
        'group': group,
        'seed': seed,
        'status': status,
        'epochs': '3',
        'train_top1_error': error,
        'level': '0.25',
        'epochs_to_level': reached,
        'top1_error_1': error,
        'top1_error_10': '',
        'top1_error_9': '',
        'images_per_sec': '50',
    }


def test_epochs_to_a_level_are_interpolated_between_epochs():
    epochs = [
        {'epoch': str(epoch), 'train_top1_error': str(error)}
        for epoch, error in enumerate((0.7, 0.4, 0.2, 0.1), 1)
    ]
    assert experiment_tables.count_epochs_to(epochs, 0.25) == pytest.approx(2.75)
    assert experiment_tables.count_epochs_to(epochs, 0.7) == 1
    assert experiment_tables.count_epochs_to(epochs, 0.05) is None


def test_the_table_has_means_deviations_and_differences_by_seed():
    rows = [
        row('base', 1, '0.30', reached='4'),
        row('base', 2, '0.34', reached='6'),
        row('columns=1', 1, '0.33'),
        row('columns=1', 2, '0.35'),
    ]
    text = experiment_tables.format_table(rows)
    base, changed = text.splitlines()[-2:]
    assert base.split('  ')[0] == 'base'
    assert '32.0 ± 2.8' in base
    assert '5.0 ± 1.4' in base
    assert '34.0 ± 1.4' in changed
    assert '+2.0 ± 1.4' in changed  # 3 and 1 points


def test_the_top_5_error_is_shown_where_there_are_more_than_five_classes():
    rows = [row('base', seed, '0.3') for seed in (1, 2)]
    assert 'top-5' not in experiment_tables.format_table(rows)
    few = [line | {'top5_error_1': '0.0'} for line in rows]
    assert 'top-5' not in experiment_tables.format_table(few)
    many = [
        line | {'top5_error_1': error} for line, error in zip(rows, ('0.1', '0.12'), strict=True)
    ]
    header, _, base = experiment_tables.format_table(many).splitlines()[-3:]
    assert base[header.index('top-5 error, %') :].startswith('11.0 ± 1.4')


def test_a_difference_has_its_interval_if_that_is_known():
    rows = [row('base', 1, '0.30'), row('columns=1', 1, '0.33')]
    text = experiment_tables.format_table(rows, {('columns=1', 1): (-0.002, 0.03, 0.061)})
    assert '+3.0 (-0.2 to +6.1)' in text.splitlines()[-1]
    assert '95 % intervals' in text
    assert '95 %' not in experiment_tables.format_table(rows)


def test_diverged_runs_are_counted_and_have_no_error():
    text = experiment_tables.format_table([row('a', 1, '0.3'), row('b', 1, '', status='diverged')])
    assert text.splitlines()[-1].split() == ['b', '1', '1']


def test_a_nan_error_is_shown_as_nan():
    assert 'nan' in experiment_tables.format_table([row('a', 1, 'nan'), row('a', 2, '0.3')])


def test_the_number_of_runs_that_reached_the_level_is_shown():
    rows = [row('a', 1, '0.2', reached='4'), row('a', 2, '0.3')]
    assert '4.0 (1 of 2)' in experiment_tables.format_table(rows)


def test_a_search_is_a_table_by_rung_the_best_run_first():
    def run(rung, rate, error, status='done'):
        values = {'rung': rung, 'minutes': '2.0', 'learning_rate': rate, 'epochs': '3'}
        return values | {'images_per_sec': '50', 'top1_error_1': error, 'status': status}

    rows = [run('1', '0.2', '0.1'), run('0', '9', '', 'diverged'), run('0', '0.1', '0.25')]
    lines = experiment_tables.format_search(rows, ['learning_rate']).splitlines()
    assert [line.split() for line in lines[2:]] == [
        ['0', '2.0', '0.1', '3', '50', '25.0', '%'],
        ['0', '2.0', '9', '3', '50', 'diverged'],
        ['1', '2.0', '0.2', '3', '50', '10.0', '%'],
    ]


def test_rows_of_an_older_version_may_lack_a_column():
    assert experiment_tables.get_values([{'a': '0.0'}, {'a': ''}, {}], 'a') == [0.0]
