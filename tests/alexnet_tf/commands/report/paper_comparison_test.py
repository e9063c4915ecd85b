"""The paper's tables, from run directories with invented results."""

import json

import pytest

from alexnet_tf.config import flags as flags_lib
from alexnet_tf.config import serialization
from alexnet_tf.reports import tables


@pytest.fixture
def create_run(tmp_path):
    """Creates a run directory with some results; returns its path."""

    def run(name, rows, *flags, source='ilsvrc2012', sha='f' * 64):
        directory = tmp_path / 'runs' / name
        directory.mkdir(parents=True)
        config = flags_lib.parse(['alexnet_tf', *flags])
        (directory / 'config.json').write_text(serialization.to_json(config))
        data = {'source': source, 'manifest_sha256': sha, 'classes': ['cat', 'dog']}
        (directory / 'data.json').write_text(json.dumps(data))
        for row in rows:
            run_dir, weights, split, views, top1, top5 = row
            line = {
                'run_dir': run_dir or str(directory),
                'weights': weights,
                'step': 1,
                'split': split,
                'examples': 50_000,
                'views': views,
                'loss': 1.0,
                'top1_error': top1,
                'top5_error': top5,
                'manifest_sha256': sha,
            }
            tables.append_csv(directory / 'results.csv', line)
        return directory

    return run


@pytest.fixture
def print_table(command, tmp_path, capsys):
    def run(name, *flags):
        run_dir = f'--run_dir={tmp_path / "runs" / "any"}'
        assert command('report', f'--paper_tables={name}', run_dir, *flags) == 0
        return capsys.readouterr().out.splitlines()

    return run


def test_cells_without_a_measurement_are_empty(create_run, print_table):
    create_run('flowers', [('', '', 'validation', 10, 0.2, 0.0)], source='folder')
    lines = print_table('ilsvrc2010')
    assert lines[0] == 'Table 1: ILSVRC-2010 test set'
    rows = {line.split('  ')[0]: line.split()[-2:] for line in lines[4:8]}
    assert rows == {
        'Sparse coding [2]': ['47.1', '28.2'],
        'SIFT + FVs [24]': ['45.7', '25.7'],
        'CNN': ['37.5', '17.0'],
        'CNN, one view (footnote 5)': ['39.0', '18.3'],
    }
    assert 'none of 1 runs was trained on records of --source=ilsvrc2010' in lines[-1]


def test_measured_rows_are_beside_the_papers(create_run, print_table):
    ten = ('', '', 'validation', 10)
    a = create_run(
        'a', [(*ten, 0.5, 0.3), (*ten, 0.41, 0.19), ('', '', 'validation', 1, 0.43, 0.2)]
    )
    members = [a, *(create_run(name, []) for name in 'bcde')]
    more = [create_run(name, [], '--conv6', '--init_weights=x') for name in 'fg']

    def ensemble(runs, top1):
        weights = ' '.join('1' for _ in runs)
        return ' + '.join(map(str, runs)), weights, 'validation', 10, top1, 0.17

    rows = [(members, 0.39), (members[:2], 0.4), (members + more, 0.36), (members[:1] + more, 0.37)]
    for row in [ensemble(*pair) for pair in rows]:
        line = tables.read_csv(a / 'results.csv')[0] | dict(
            zip(('run_dir', 'weights', 'split', 'views', 'top1_error', 'top5_error'), row, strict=1)
        )
        tables.append_csv(a / 'results.csv', line)
    create_run('six', [(*ten, 0.385, 0.16)], '--init_weights=x', '--conv6')
    create_run('tuned', [(*ten, 0.395, 0.16)], '--init_weights=x')
    other = tables.read_csv(a / 'results.csv')[1] | {'manifest_sha256': 'a' * 64, 'top1_error': 0.9}
    tables.append_csv(a / 'results.csv', other)  # evaluated on other images
    create_run('caffenet', [(*ten, 0.101, 0.05)], '--recipe=caffenet')
    create_run('tanh', [(*ten, 0.102, 0.05)], '--activation=tanh')
    create_run('undropped', [(*ten, 0.103, 0.05)], '--dropout=0')
    create_run('small', [(*ten, 0.104, 0.05)], '--recipe=paper', '--hidden_units=512')
    lines = print_table('ilsvrc2012')
    by_name = {line.split('  ')[0]: line for line in lines}
    assert '40.7' in by_name['1 CNN']
    assert '41.0 (40.6 to 41.4)' in by_name['1 CNN']
    assert '50.0' not in by_name['1 CNN']  # an older row
    assert '39.0 (38.6 to 39.4)' in by_name['5 CNNs']
    assert '38.5 (38.1 to 38.9)' in by_name['1 CNN*']
    assert '40.0 (39.6 to 40.4)' in by_name['2 CNN']
    assert '36.0 (35.6 to 36.4)' in by_name['7 CNNs*']
    assert '39.5 (39.1 to 39.9)' in by_name['1 CNN, pre-trained']
    assert '37.0 (36.6 to 37.4)' in by_name['1 CNN + 2 CNN*']
    assert not [line for line in lines if '90.0' in line]
    others = ('/caffenet', '/tanh', '/undropped', '/small')
    assert not [line for line in lines if line.endswith(others)]


def test_ablations_are_compared_with_the_whole_network(create_run, print_table):
    row = ('', '', 'validation', 10)
    create_run('whole1', [(*row, 0.40, 0.18)])
    create_run('whole2', [(*row, 0.41, 0.19)], '--seed=1')
    create_run('half', [(*row, 0.42, 0.195)], '--columns=1')
    create_run('narrow', [(*row, 0.6, 0.4)], '--columns=1', '--width=0.5')
    create_run('other', [(*row, 0.9, 0.9)], '--nonormalization', sha='e' * 64)
    create_run('tuned', [(*row, 0.2, 0.1)], '--init_weights=x')
    create_run('caffe', [(*row, 0.1, 0.1)], '--recipe=caffe')
    create_run('longer', [(*row, 0.1, 0.1)], '--pool_size=2', '--epochs=200')
    lines = print_table('ilsvrc2012')
    (line,) = [text for text in lines if text.startswith('one column')]
    assert ' 1.7 ' in line
    # 42 - 40.5 points; sqrt(0.42 * 0.58 / 50000 + 0.405 * 0.595 / 100000) * 1.96 = 0.53.
    assert '+1.5 (+1.0 to +2.0)' in line
    assert line.endswith('1 and 2')
    assert not [text for text in lines if text.startswith(('no response', 'pooling', 'no colour'))]


def test_fall_2009_is_compared_with_a_sixth_convolution(create_run, print_table):
    row = [('', '', 'validation', 10, 0.7, 0.42)]
    create_run('six', row, '--conv6', source='imagenet10k')
    create_run('five', row, source='imagenet10k')
    (line,) = [text for text in print_table('fall2009') if text.startswith('CNN')]
    assert line.split()[5:7] == ['67.4', '40.9']
    assert line.endswith('/six')
    assert '70.0 (69.6 to 70.4)' in line


def test_runs_can_be_named_and_must_exist(create_run, print_table, tmp_path, command, capsys):
    run = create_run('a', [('', '', 'validation', 10, 0.41, 0.19)])
    create_run('b', [('', '', 'validation', 10, 0.45, 0.2)])
    lines = print_table('ilsvrc2012', f'--compare_runs={run}')
    assert not [text for text in lines if text.endswith('/b')]
    assert command('report', '--paper_tables=ilsvrc2012', '--compare_runs=nowhere') == 3
    assert 'nowhere is not a run directory' in capsys.readouterr().err
    (run / 'config.json').write_text('{"a": 1}')
    assert command('report', '--paper_tables=ilsvrc2012', f'--compare_runs={run}') == 3
    assert f'{run}/config.json: unknown settings: a' in capsys.readouterr().err
    assert command('report', '--paper_tables=ilsvrc2012', '--run_dir=no/where') == 3
    assert '--run_dir=no/where: there is no ' in capsys.readouterr().err
    assert command('train', '--paper_tables=ilsvrc2012') == 2
    assert '--paper_tables belongs to --mode=report' in capsys.readouterr().err
