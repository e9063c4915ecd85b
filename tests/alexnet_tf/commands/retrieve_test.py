"""Retrieval from the command line: indexes, queries, scores."""

import csv
import html.parser
import json
import shutil

import numpy as np
import PIL.Image
import pytest

from alexnet_tf.models import alexnet
from alexnet_tf.retrieval import binary_codes
from alexnet_tf.runs import run as runs
from input_pipeline.batches import datasets
from input_pipeline.records import manifests


@pytest.fixture(scope='module')
def indexed(command, data, trained, tmp_path_factory):
    """A run with an index of its training pictures, and codes."""
    run = tmp_path_factory.mktemp('indexed') / 'run'
    shutil.copytree(trained, run)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(binary_codes, '_STEPS', (3, 3))
        flags = (f'--run_dir={run}', '--retrieve=index', '--code_bits=12')
        assert command('retrieve', data, *flags) == 0
    return run


@pytest.fixture
def picture(data, tmp_path):
    """The fourth training picture, as records hold it."""
    manifest = manifests.load(data.partition('=')[2])
    (square,) = datasets.squares(manifest.shards('train'), manifest.layout, [3])
    PIL.Image.fromarray(square).save(tmp_path / 'query.png')
    return tmp_path / 'query.png'


def test_vectors_are_the_last_hidden_layer(command, data, indexed, config_of):
    manifest = manifests.load(data.partition('=')[2])
    squares = datasets.squares(manifest.shards('train'), manifest.layout, range(12))
    trained = runs.load(config_of(indexed))
    size, at = 67, (256 - 67) // 2
    crops = np.stack(squares)[:, at : at + size, at : at + size].astype(np.float32)
    crops -= trained.mean_image[at : at + size, at : at + size]
    layers = {each.name: each for each in trained.model.layers}
    outputs = [layers[f'relu7_{column}'].output for column in 'ab']
    halves = type(trained.model)(trained.model.input, outputs)(crops)
    expected = np.concatenate([each.numpy() for each in halves], 1)
    parts = sorted((indexed / 'index' / 'train-features').glob('vectors-*.npy'))
    found = np.concatenate([np.load(each) for each in parts])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert alexnet.hidden(trained.model).output.shape[1] == found.shape[1]


@pytest.mark.parametrize('more', [(), ('--search_engine=faiss',), ('--code_bits=12',)])
def test_a_picture_finds_itself(command, indexed, picture, capsys, tmp_path, more):
    """Records need not be at hand."""
    nowhere = f'--data_dir={tmp_path / "nowhere"}'
    flags = (f'--run_dir={indexed}', f'--inputs={picture}', '--output=json', '--neighbours=12')
    assert command('retrieve', nowhere, *flags, *more) == 0
    found = json.loads(capsys.readouterr().out)['neighbours']
    distances = [each['distance'] for each in found]
    assert len(found) == 12
    assert distances == sorted(distances)
    assert distances[0] == pytest.approx(0, abs=1e-3)
    names = json.loads((indexed / 'index' / 'train-features' / 'index.json').read_text())['ids']
    nearest = {each['example'] for each in found if each['distance'] <= distances[0] + 1e-3}
    assert names[3] in nearest


def test_tables_of_what_is_found(command, indexed, picture, capsys, tmp_path):
    (tmp_path / 'text.jpg').write_text('a text')
    flags = (f'--run_dir={indexed}', f'--inputs={picture},{tmp_path / "text.jpg"}')
    assert command('retrieve', *flags, '--neighbours=2') == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == str(picture)
    assert lines[3:] == [str(tmp_path / 'text.jpg'), lines[4]]
    assert 'error: not a picture' in lines[4]
    assert command('retrieve', *flags, '--neighbours=2', '--output=csv') == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert [row['rank'] for row in rows] == ['1', '2', '']
    assert rows[2]['error'].startswith('not a picture')


@pytest.mark.parametrize('name', ['found.html', 'found.png'])
def test_what_is_found_is_drawn(command, data, indexed, picture, tmp_path, name):
    path = tmp_path / name
    flags = (data, f'--run_dir={indexed}', f'--inputs={picture}', '--neighbours=3')
    assert command('retrieve', *flags, f'--draw={path}') == 0
    if name.endswith('png'):
        with PIL.Image.open(path) as drawn:
            assert drawn.size[0] > 900
        return
    seen = []
    parser = html.parser.HTMLParser()
    parser.handle_starttag = lambda tag, given: seen.append((tag, dict(given)))
    parser.feed(path.read_text())
    images = [given['src'] for tag, given in seen if tag == 'img']
    assert len(images) == 4
    assert all(each.startswith('data:image/jpeg;base64,') for each in images)
    assert 'script' not in [tag for tag, _ in seen]


@pytest.mark.slow
def test_ways_to_search_are_compared(command, data, indexed, capsys, monkeypatch):
    monkeypatch.setattr(binary_codes, '_STEPS', (3, 3))
    flags = (f'--run_dir={indexed}', '--retrieve=evaluate', '--code_bits=12')
    assert command('retrieve', data, *flags, '--search_engine=faiss') == 0
    assert '12 queries of validation among 12 pictures of train' in capsys.readouterr().out
    with open(indexed / 'index' / 'retrieval.csv') as file:
        rows = {row['way']: row for row in csv.DictReader(file)}
    assert len(rows) == 6
    exact = rows['features, exact']
    assert float(exact['recall_of_nearest']) == 1
    width = np.load(indexed / 'index' / 'train-features' / 'vectors-00000.npy').shape[1]
    assert int(exact['bytes_a_picture']) == 4 * width
    assert int(rows['pixels, exact']['bytes_a_picture']) == 4 * 32 * 32 * 3
    assert int(rows['features, autoencoder, 12 bits']['bytes_a_picture']) == 2
    with open(indexed / 'index' / 'retrieval-by-class.csv') as file:
        classes = [row for row in csv.DictReader(file) if row['way'] == 'features, exact']
    number, each = (
        [float(row[name]) for row in classes] for name in ('queries', 'average_precision')
    )
    assert np.average(each, weights=number) == pytest.approx(float(exact['average_precision']))


def test_an_interrupted_index_goes_on(command, data, trained, tmp_path, indexed):
    where = tmp_path / 'index'
    shutil.copytree(indexed / 'index', where)
    part = where / 'train-features' / 'vectors-00001.npy'
    before, other = np.load(part), part.with_name('vectors-00000.npy').stat().st_mtime_ns
    part.unlink()
    (where / 'train-features' / 'index.json').unlink()
    flags = (f'--run_dir={indexed}', '--retrieve=index', f'--index_dir={where}')
    assert command('retrieve', data, *flags) == 0
    np.testing.assert_allclose(np.load(part), before, rtol=1e-5)
    assert part.with_name('vectors-00000.npy').stat().st_mtime_ns == other


@pytest.mark.slow
def test_another_network_is_refused(command, data, indexed, picture, tmp_path, capsys):
    run = tmp_path / 'run'
    shutil.copytree(indexed, run)
    assert command('train', data, f'--run_dir={run}', '--epochs=3') == 0
    for more in ((f'--inputs={picture}',), ('--retrieve=index',)):
        assert command('retrieve', data, f'--run_dir={run}', *more) == 3
        assert 'another network (variables_sha256)' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('flags', 'code', 'said'),
    [
        ((), 2, '--retrieve=query needs --inputs'),
        (('--inputs=.', '--code_bits=1,2'), 2, 'codes of one length'),
        (('--retrieve=evaluate', '--split=train'), 2, 'would find themselves'),
        (('--inputs=.', '--index_dir=nowhere'), 3, 'nowhere/train-features holds no index'),
        (('--retrieve=index', '--database=test'), 2, '--database=test: '),
        (('--retrieve=evaluate', '--split=test'), 2, '--split=test: '),
        (('--inputs=.', '--database=test', '--draw=a.html'), 2, '--database=test: '),
    ],
)
def test_refused(command, data, indexed, capsys, picture, monkeypatch, flags, code, said):
    monkeypatch.chdir(picture.parent)
    assert command('retrieve', data, f'--run_dir={indexed}', *flags) == code
    assert said in capsys.readouterr().err


def test_a_broken_code_is_refused(command, indexed, picture, tmp_path, capsys):
    where = tmp_path / 'index'
    shutil.copytree(indexed / 'index', where)
    path = where / 'train-features' / 'codes-12' / 'codes.npy'
    path.write_bytes(path.read_bytes()[:-1] + b'x')
    flags = (f'--run_dir={indexed}', f'--inputs={picture}', f'--index_dir={where}')
    assert command('retrieve', *flags, '--code_bits=12') == 3
    assert 'is not what was written' in capsys.readouterr().err


def test_pixels_are_means_of_blocks(indexed, command, data):
    manifest = manifests.load(data.partition('=')[2])
    (square,) = datasets.squares(manifest.shards('validation'), manifest.layout, [0])
    blocks = square.astype(np.float32).reshape(32, 8, 32, 8, 3).mean((1, 3)) / 255
    flags = (f'--run_dir={indexed}', '--retrieve=evaluate')
    assert command('retrieve', data, *flags) == 0
    found = np.load(indexed / 'index' / 'validation-pixels' / 'vectors-00000.npy')
    np.testing.assert_allclose(found[0], blocks.ravel(), atol=1e-5)
