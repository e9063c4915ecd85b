"""`--ensemble`: averages of networks, recomputed from their cached probabilities."""

import json
import pathlib
import shutil

import numpy as np
import PIL.Image
import pytest

from alexnet_tf.commands import train
from alexnet_tf.reports import tables


@pytest.fixture(scope='module')
def pair(config_of, trained, tmp_path_factory):
    """Two networks with different recipes and seeds; the second has one column, untrained."""
    first, second = (tmp_path_factory.mktemp('members') / name for name in ('first', 'second'))
    shutil.copytree(trained, first, ignore=shutil.ignore_patterns('results.csv', 'probabilities'))
    flags = ('--seed=2', '--columns=1', '--initial_sd=0.05', '--recipe=source2012')
    training = train.create_trainer(config_of(second, *flags))
    training.save_checkpoint(train.resume_or_create(training), ends_epoch=True)
    return [str(first), str(second)]


def results(directory):
    return tables.read_csv(pathlib.Path(directory, 'results.csv'))


def test_an_ensemble_is_the_mean_of_its_members_probabilities(command, data, pair, capsys):
    assert command('evaluate', data, f'--ensemble={",".join(pair)}', '--views=1,10') == 0
    assert capsys.readouterr().out.count(pair[0]) >= 4
    for views in (1, 10):
        members = [np.load(f'{run}/probabilities/validation-{views}.npy') for run in pair]
        labels = np.load(f'{pair[0]}/probabilities/validation-{views}.labels.npy')
        mean = np.mean(members, axis=0)
        of_label = mean[np.arange(len(labels)), labels]
        row = next(
            r for r in results(pair[0]) if r['views'] == str(views) and r['weights'] == '1 1'
        )
        assert float(row['loss']) == pytest.approx(-np.log(of_label).mean(), rel=1e-5)
        assert float(row['top1_error']) == pytest.approx((mean.argmax(1) != labels).mean())
    with open(f'{pair[0]}/probabilities/validation-1.json') as file:
        ids = json.load(file)['ids']
    assert len(ids) == len(labels) == 10
    assert all(name.endswith('.jpg') for name in ids)
    # A second time, nothing is predicted: the networks are not even built.
    assert command('evaluate', data, f'--ensemble={",".join(pair)}', '--ensemble_weights=1,0') == 0
    assert 'views each' not in capsys.readouterr().err
    alone = np.load(f'{pair[0]}/probabilities/validation-1.npy')
    row = [r for r in results(pair[0]) if r['weights'] == '1 0' and r['views'] == '1'][-1]
    loss = -np.log(alone[np.arange(len(labels)), labels]).mean()
    assert float(row['loss']) == pytest.approx(loss, rel=1e-5)


@pytest.mark.slow
def test_weights_are_searched_on_another_split(command, data, pair, capsys):
    flags = (f'--ensemble={",".join(pair)}', '--views=1', '--search_weights=train')
    assert command('evaluate', data, *flags) == 0
    assert 'found on train' in capsys.readouterr().out
    assert command('evaluate', data, *flags, '--split=train') == 2
    assert 'expected another split than --split' in capsys.readouterr().err


def test_saved_probabilities_give_the_metrics_of_a_run(command, data, pair):
    run_dir = f'--run_dir={pair[1]}'
    assert command('evaluate', data, run_dir, '--views=nine', '--save_probabilities=float16') == 0
    probabilities = np.load(f'{pair[1]}/probabilities/validation-9.npy')
    labels = np.load(f'{pair[1]}/probabilities/validation-9.labels.npy')
    assert probabilities.dtype == np.float16
    np.testing.assert_allclose(probabilities.astype(float).sum(1), 1, atol=2e-3)
    row = results(pair[1])[-1]
    assert float(row['top1_error']) == pytest.approx((probabilities.argmax(1) != labels).mean())
    mistakes = tables.read_csv(pathlib.Path(pair[1], 'errors', 'validation-9-mistakes.csv'))
    assert len(mistakes) == (probabilities.argmax(1) != labels).sum()
    assert {path.name for path in pathlib.Path(pair[1], 'errors').iterdir()} == {
        'validation-9-by_class.csv',
        'validation-9-confused.csv',
        'validation-9-mistakes.csv',
        'validation-9-calibration.csv',
        'validation-9-mistakes.png',
    }


@pytest.mark.parametrize(
    ('flags', 'status', 'message'),
    [
        (('--ensemble_weights=1,2,3',), 2, 'a weight for each of 2 networks'),
        (('--ensemble_weights=0,0',), 2, 'one of them above 0'),
        (
            ('--ensemble_weights=1,1', '--search_weights=train'),
            2,
            'finds what --ensemble',
        ),
        (('--search_weights=test',), 2, '--search_weights=test: '),
    ],
)
def test_impossible_weights_are_refused(command, data, pair, capsys, flags, status, message):
    assert command('evaluate', data, f'--ensemble={",".join(pair)}', *flags) == status
    assert message in capsys.readouterr().err


def test_runs_on_other_records_and_missing_runs_are_refused(command, data, pair, tmp_path, capsys):
    other = tmp_path / 'other'
    shutil.copytree(pair[1], other)
    path = other / 'data.json'
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {'manifest_sha256': '0' * 64}))
    assert command('evaluate', data, f'--ensemble={pair[0]},{other}') == 3
    assert 'was trained on other records' in capsys.readouterr().err
    assert command('evaluate', data, f'--ensemble={pair[0]},{tmp_path}/none') == 3
    assert 'is not a run directory' in capsys.readouterr().err
    assert command('evaluate', data, '--search_weights=train') == 2


def test_the_most_confident_mistakes_are_plotted(command, data, pair):
    flags = (f'--ensemble={",".join(pair)}', '--views=1')
    assert command('evaluate', data, *flags) == 0
    errors = pathlib.Path(pair[0]) / 'ensemble' / 'errors'
    mistakes = len(tables.read_csv(errors / 'validation-1-mistakes.csv'))
    with PIL.Image.open(errors / 'validation-1-mistakes.png') as image:
        rows = -(-min(mistakes, 24) // 4)
        assert image.size[1] == 3.2 * rows * 120
