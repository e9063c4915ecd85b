"""Scores against an explicit computation, one example and one view at a time."""

import csv
import hashlib
import io
import json
import shutil

import keras
import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from alexnet_tf.config import flags as flags_lib
from alexnet_tf.models import alexnet, recipes
from alexnet_tf.runs import run as runs
from alexnet_tf.training import evaluator
from input_pipeline.prepare import conversion
from input_pipeline.records import manifests
from input_pipeline.sources import folder as folders

CROP = 67


@pytest.fixture(scope='module')
def manifest(shared_folder, tmp_path_factory):
    found = folders.find(str(shared_folder), validation_fraction=0.45)
    settings = {'record_encoding': 'jpeg', 'shard_examples': 5, 'seed': 0}
    where = str(tmp_path_factory.mktemp('records'))
    return conversion.prepare(
        found, where, settings=settings, max_bad_fraction=0, report=lambda *_: None
    )


@pytest.fixture(scope='module')
def model():
    keras.utils.set_random_seed(0)
    numbers = recipes.resolve('paper', crop_size=CROP, initial_sd=0.1, initial_sd_hidden=0.1)
    return alexnet.build(numbers, num_classes=7, width=0.1)


def stored(manifest):
    """(picture (256, 256, 3) float, label) of each validation record, read by other means."""
    for path, _ in manifest.shards('validation'):
        for record in tf.data.TFRecordDataset(path):
            features = tf.train.Example.FromString(record.numpy()).features.feature
            encoded = features['image/encoded'].bytes_list.value[0]
            picture = np.asarray(PIL.Image.open(io.BytesIO(encoded)), np.float32)
            yield picture, features['image/class/label'].int64_list.value[0]


def crops_of(picture, mean, views):
    far = 256 - CROP
    middle = far // 2
    crops = [picture[middle : middle + CROP, middle : middle + CROP]]
    if views == 9:
        places = [(row, column) for row in (0, middle, far) for column in (0, middle, far)]
        crops = [picture[row : row + CROP, column : column + CROP] for row, column in places]
    if views == 10:
        corners = [picture[:CROP, :CROP], picture[:CROP, far:]]
        corners += [picture[far:, :CROP], picture[far:, far:]]
        crops = corners + crops
        crops += [crop[:, ::-1] for crop in crops]
    return np.stack(crops) - mean[middle : middle + CROP, middle : middle + CROP]


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


@pytest.mark.parametrize('views', [1, pytest.param(9, marks=pytest.mark.slow), 10])
def test_each_example_is_scored_once(manifest, model, views):
    mean = manifests.statistics(manifest)['mean_image']
    losses, top1, top5 = [], [], []
    for picture, label in stored(manifest):
        logits = model(crops_of(picture, mean, views), training=False).numpy()
        shares = softmax(logits).mean(axis=0)
        ranked = np.argsort(-shares)
        losses.append(-np.log(shares[label]))
        top1.append(label != ranked[0])
        top5.append(label not in ranked[:5])
    score = evaluator.Scorer(model, mean, crop_size=CROP, views=views, batch_size=4 * views)
    assert len(losses) == manifest.examples('validation')
    assert len(losses) % 4  # so the last batch is filled up
    result = score(manifest, 'validation')
    assert result['top1_error'] == pytest.approx(np.mean(top1))
    assert result['top5_error'] == pytest.approx(np.mean(top5))
    assert result['loss'] == pytest.approx(np.mean(losses), rel=1e-4)


def test_results_are_appended_with_their_provenance(command, data, trained, capsys):
    for _ in range(2):
        assert command('evaluate', data, f'--run_dir={trained}') == 0
    with open(trained / 'results.csv') as file:
        rows = list(csv.DictReader(file))[-4:]
    assert [row['views'] for row in rows] == ['1', '10'] * 2
    assert rows[0]['top1_error'] == rows[2]['top1_error']
    assert all(len(row['manifest_sha256']) == 64 for row in rows)
    assert 'top-1 error (95 %)' in capsys.readouterr().out
    low, high = float(rows[0]['top1_low']), float(rows[0]['top1_high'])
    assert 0 <= low < float(rows[0]['top1_error']) < high <= 1


@pytest.mark.slow
def test_another_split_and_other_views(command, data, trained, capsys):
    flags = (data, f'--run_dir={trained}', '--split=train', '--views=nine,1,nine')
    assert command('evaluate', *flags) == 0
    with open(trained / 'results.csv') as file:
        rows = list(csv.DictReader(file))[-2:]
    assert [(row['split'], row['views'], row['examples']) for row in rows] == [
        ('train', '9', '12'),
        ('train', '1', '12'),
    ]
    assert command('evaluate', data, f'--run_dir={trained}', '--split=test') == 2
    assert '--split=test: ' in capsys.readouterr().err


def test_other_classes_are_refused(command, trained, folder, tmp_path, capsys):
    (folder / 'dog').rename(folder / 'wolf')
    where = f'--data_dir={tmp_path / "records"}'
    assert command('prepare', where, '--source=folder', f'--source_dir={folder}') == 0
    assert command('evaluate', where, f'--run_dir={trained}') == 3
    assert 'has other classes' in capsys.readouterr().err


def test_a_damaged_record_is_named(command, trained, folder, tmp_path, capsys):
    where = tmp_path / 'records'
    flags = (f'--data_dir={where}', '--source=folder', f'--source_dir={folder}')
    assert command('prepare', *flags) == 0
    shard = next(where.glob('validation-*'))
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 0xFF
    shard.write_bytes(bytes(data))
    assert command('evaluate', f'--data_dir={where}', f'--run_dir={trained}') == 3
    said = capsys.readouterr().err
    assert 'a record cannot be read' in said
    assert str(where) in said


def test_the_best_checkpoint_is_the_one_with_the_lowest_validation_error(trained, tmp_path):
    """Made to be the first of two: as if the second epoch had made things worse."""
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
        runs.load(flags_lib.parse(['alexnet_tf', f'--run_dir={run}', f'--checkpoint={which}'])).step
        for which in ('newest', 'best')
    ]
    assert steps == [4, 2]
