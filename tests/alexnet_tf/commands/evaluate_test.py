"""`--mode=evaluate` of one run: its results, its checkpoint, its refusals."""

import hashlib
import json
import re
import shutil

import pytest

from alexnet_tf.config import flags as flags_lib
from alexnet_tf.reports import tables
from alexnet_tf.runs import loading


def test_results_are_appended_with_their_provenance(command, data, trained, capsys):
    for views in ('1,10', '1'):
        assert command('evaluate', data, f'--run_dir={trained}', f'--views={views}') == 0
    rows = tables.read_csv(trained / 'results.csv')[-3:]
    assert [row['views'] for row in rows] == ['1', '10', '1']
    assert rows[0]['top1_error'] == rows[2]['top1_error']
    assert all(len(row['manifest_sha256']) == 64 for row in rows)
    printed = capsys.readouterr().out
    assert 'top-1 error (95 %)' in printed
    assert str(trained / 'results.csv') in printed.splitlines()[-1]
    assert ' images in ' not in printed  # of its own records, nothing is said
    low, high = float(rows[0]['top1_low']), float(rows[0]['top1_high'])
    assert 0 <= low < float(rows[0]['top1_error']) < high <= 1


def test_errors_by_class_come_without_a_flag(command, data, trained, tmp_path, capsys):
    """They add up to the row of results.csv, and are those of cached probabilities."""
    run = shutil.copytree(trained, tmp_path / 'run', ignore=shutil.ignore_patterns('errors'))
    flags = (data, f'--run_dir={run}', '--views=1')
    assert command('evaluate', *flags) == 0
    printed = capsys.readouterr().out
    error = float(tables.read_csv(run / 'results.csv')[-1]['top1_error'])
    assert f'accuracy {100 * (1 - error):.1f} % (1 view); by class:' in printed
    assert 'top-5' not in printed
    classes = tables.read_csv(run / 'errors' / 'validation-1-by_class.csv')
    assert sorted(row['class'] for row in classes) == ['cat', 'dog']
    wrong = sum(int(row['examples']) * float(row['top1_error']) for row in classes)
    assert wrong / sum(int(row['examples']) for row in classes) == pytest.approx(error)
    streamed = {path.name: path.read_text() for path in (run / 'errors').glob('*.csv')}
    assert len(streamed) == 4
    assert command('evaluate', *flags, '--save_probabilities=float32') == 0
    assert {path.name: path.read_text() for path in (run / 'errors').glob('*.csv')} == streamed


def test_results_that_cannot_be_kept_are_shown_before_the_error(
    command, data, trained, tmp_path, capsys
):
    run = shutil.copytree(trained, tmp_path / 'run', ignore=shutil.ignore_patterns('*.csv'))
    (run / 'results.csv').mkdir()
    assert command('evaluate', data, f'--run_dir={run}', '--views=1', '--split=all') == 2
    printed = capsys.readouterr()
    assert '14 of these 24 images are those of its training' in printed.out
    assert 'accuracy ' in printed.out
    assert 'appended' not in printed.out
    assert 'these results were not kept: Is a directory' in printed.err
    assert f"'{run / 'results.csv'}'" in printed.err


@pytest.mark.slow
def test_a_split_and_views_can_be_chosen(command, data, trained, capsys):
    flags = (data, f'--run_dir={trained}', '--split=train', '--views=nine,1,nine')
    assert command('evaluate', *flags) == 0
    rows = tables.read_csv(trained / 'results.csv')[-2:]
    assert [(row['split'], row['views'], row['examples']) for row in rows] == [
        ('train', '9', '14'),
        ('train', '1', '14'),
    ]
    assert command('evaluate', data, f'--run_dir={trained}', '--split=test') == 2
    assert '--split=test: ' in capsys.readouterr().err


def test_of_other_images_all_are_evaluated_on_demand(
    command, trained, folder, tmp_path, capsys, monkeypatch
):
    """A folder that training never saw; a part of it without --split=all is said below."""
    flags = (f'--data_dir={folder}', f'--run_dir={trained}', '--views=1')
    monkeypatch.chdir(tmp_path)  # where the index is written
    images = len(list(folder.rglob('*.*')))
    assert command('evaluate', *flags, '--split=all') == 0
    printed = capsys.readouterr().out
    assert ' images in ' not in printed
    assert 'its training' not in printed
    assert int(tables.read_csv(trained / 'results.csv')[-1]['examples']) == images
    assert (trained / 'errors' / 'all-1-by_class.csv').is_file()


def test_records_with_other_classes_are_refused(command, trained, folder, tmp_path, capsys):
    (folder / 'dog').rename(folder / 'wolf')
    data_dir = f'--data_dir={tmp_path / "records"}'
    assert command('prepare', data_dir, '--source=folder', f'--source_dir={folder}') == 0
    assert command('evaluate', data_dir, f'--run_dir={trained}') == 3
    assert 'has other classes' in capsys.readouterr().err


def test_the_error_names_a_damaged_record(command, trained, folder, tmp_path, capsys):
    records = tmp_path / 'records'
    flags = (f'--data_dir={records}', '--source=folder', f'--source_dir={folder}')
    assert command('prepare', *flags) == 0
    shard = next(records.glob('validation-*'))
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 0xFF
    shard.write_bytes(bytes(data))
    assert command('evaluate', f'--data_dir={records}', f'--run_dir={trained}') == 3
    printed, message = capsys.readouterr()
    assert re.search(r'\d of 24 images in ', printed)
    pattern = rf'Record \d \(from 0\) of {shard} is damaged \(corrupted record at \d+\)\. Check'
    assert re.search(pattern, message)
    assert message.count('corrupted') == 1
    assert 'name:' not in message


def test_the_best_checkpoint_is_the_one_with_the_lowest_validation_error(trained, tmp_path):
    """The states are edited as if the second of two epochs had increased the error."""
    run = tmp_path / 'run'
    shutil.copytree(trained, run)
    for at, path in enumerate(sorted((run / 'checkpoints').glob('step-*.epoch-*'))):
        state = json.loads((path / 'state.json').read_text())
        state['validation_errors'][-1] = 0.25 + 0.5 * at
        text = json.dumps(state).encode()
        (path / 'state.json').write_bytes(text)
        hashes = json.loads((path / 'sha256.json').read_text())
        hashes['state.json'] = hashlib.sha256(text).hexdigest()
        (path / 'sha256.json').write_text(json.dumps(hashes))
    steps = [
        loading.load_run(
            flags_lib.parse(['alexnet_tf', f'--run_dir={run}', f'--checkpoint={which}'])
        ).step
        for which in ('newest', 'best')
    ]
    assert steps == [4, 2]
