"""Retrieval from the command line: indexes, queries, evaluation."""

import csv
import html.parser
import io
import json
import shutil

import numpy as np
import PIL.Image
import pytest

from alexnet_tf.commands import retrieve
from alexnet_tf.models import features
from alexnet_tf.retrieval import binary_codes
from alexnet_tf.runs import loading
from input_pipeline.batches import datasets
from input_pipeline.records import manifests


@pytest.fixture(scope='module')
def indexed(command, data, trained, tmp_path_factory):
    """A run with an index of images, and codes; the records need not be of the run's classes."""
    run = tmp_path_factory.mktemp('indexed') / 'run'
    shutil.copytree(trained, run)
    path = run / 'data.json'
    path.write_text(path.read_text().replace('"dog"', '"eel"'))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(binary_codes, '_STEP_BOUNDS', (3, 3))
        flags = (f'--run_dir={run}', '--retrieve=index', '--code_bits=12')
        assert command('retrieve', data, *flags) == 0
    return run


@pytest.fixture
def query(data, tmp_path):
    """A file with the fourth training image, as the records hold it."""
    manifest = manifests.load(data.partition('=')[2])
    (square,) = datasets.read_squares(manifest.list_shards('train'), manifest.layout, [3])
    PIL.Image.fromarray(square).save(tmp_path / 'query.png')
    return tmp_path / 'query.png'


def test_features_are_the_last_hidden_layer_of_the_central_view(command, data, indexed, config_of):
    manifest = manifests.load(data.partition('=')[2])
    squares = datasets.read_squares(manifest.list_shards('train'), manifest.layout, range(14))
    trained = loading.load_run(config_of(indexed))
    size, offset = 67, (256 - 67) // 2
    window = slice(offset, offset + size)
    crops = np.stack(squares)[:, window, window].astype(np.float32)
    crops -= trained.mean_image[window, window]
    layers = {layer.name: layer for layer in trained.model.layers}
    outputs = [layers[f'relu7_{column}'].output for column in 'ab']
    columns = type(trained.model)(trained.model.input, outputs)(crops)
    expected = np.concatenate([values.numpy() for values in columns], 1)
    parts = sorted((indexed / 'index' / 'train-features').glob('vectors-*.npy'))
    vectors = np.concatenate([np.load(part) for part in parts])
    np.testing.assert_allclose(vectors, expected, rtol=1e-4, atol=1e-5)
    assert features.build_feature_extractor(trained.model).output.shape[1] == vectors.shape[1]


@pytest.mark.parametrize('more', [(), ('--code_bits=12', '--search_engine=faiss')])
def test_an_image_is_its_own_nearest_neighbour(command, indexed, query, capsys, tmp_path, more):
    """A query does not read the records."""
    flags = (f'--run_dir={indexed}', f'--inputs={query}', '--output=json', '--neighbours=12')
    assert command('retrieve', f'--data_dir={tmp_path / "nowhere"}', *flags, *more) == 0
    neighbours = json.loads(capsys.readouterr().out)['neighbours']
    distances = [neighbour['distance'] for neighbour in neighbours]
    assert len(neighbours) == 12
    assert distances == sorted(distances)
    assert distances[0] == pytest.approx(0, abs=1e-3)
    names = json.loads((indexed / 'index' / 'train-features' / 'index.json').read_text())['ids']
    nearest = {row['example'] for row in neighbours if row['distance'] <= distances[0] + 1e-3}
    assert names[3] in nearest


def test_output_is_a_table_or_csv_with_errors_of_unreadable_files(
    command, indexed, query, capsys, tmp_path
):
    (tmp_path / 'text.jpg').write_text('a text')
    flags = (f'--run_dir={indexed}', f'--inputs={query},{tmp_path / "text.jpg"}')
    assert command('retrieve', *flags, '--neighbours=2') == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == str(query)
    assert lines[3:] == [str(tmp_path / 'text.jpg'), lines[4]]
    assert 'error: not an image' in lines[4]
    assert command('retrieve', *flags, '--neighbours=2', '--output=csv') == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert [row['rank'] for row in rows] == ['1', '2', '']
    assert rows[2]['error'].startswith('not an image')


@pytest.mark.parametrize(
    ('form', 'expected'),
    [
        ('table', 'a\\rb.jpg\n          0.5  \\x1b[2Jcat  cat/1.jpg\n'),
        (
            'csv',
            'file,rank,example,class,distance,error\n'
            '"a\rb.jpg","1","cat/1.jpg","\x1b[2Jcat","0.5",""\n',
        ),
    ],
)
def test_names_with_control_characters_take_one_row(form, expected):
    stream = io.StringIO()
    neighbour = {'example': 'cat/1.jpg', 'class': '\x1b[2Jcat', 'distance': 0.5}
    retrieve._create_writer(form, stream)({'file': 'a\rb.jpg', 'neighbours': [neighbour]})
    assert stream.getvalue() == expected


@pytest.mark.parametrize('name', ['neighbours.html', 'neighbours.png'])
def test_neighbours_are_plotted_as_an_image_or_a_page(
    command, data, indexed, query, tmp_path, name
):
    path = tmp_path / name
    flags = (data, f'--run_dir={indexed}', f'--inputs={query}', '--neighbours=3')
    assert command('retrieve', *flags, f'--draw={path}') == 0
    if name.endswith('png'):
        with PIL.Image.open(path) as plot:
            assert plot.size[0] > 900
        return
    elements = []
    parser = html.parser.HTMLParser()
    parser.handle_starttag = lambda tag, attributes: elements.append((tag, dict(attributes)))
    parser.feed(path.read_text())
    sources = [attributes['src'] for tag, attributes in elements if tag == 'img']
    assert len(sources) == 4
    assert all(source.startswith('data:image/jpeg;base64,') for source in sources)
    assert 'script' not in [tag for tag, _ in elements]


@pytest.mark.slow
def test_evaluation_compares_exact_search_codes_and_pixels(
    command, data, indexed, capsys, monkeypatch
):
    monkeypatch.setattr(binary_codes, '_STEP_BOUNDS', (3, 3))
    flags = (f'--run_dir={indexed}', '--retrieve=evaluate', '--code_bits=12')
    assert command('retrieve', data, *flags, '--search_engine=faiss') == 0
    assert '10 queries of validation among 14 images of train' in capsys.readouterr().out
    with open(indexed / 'index' / 'retrieval.csv') as file:
        rows = {row['method']: row for row in csv.DictReader(file)}
    assert len(rows) == 7
    assert any('product quantiser' in name for name in rows)
    exact = rows['features, exact']
    assert float(exact['recall_of_nearest']) == 1
    width = np.load(indexed / 'index' / 'train-features' / 'vectors-00000.npy').shape[1]
    assert int(exact['bytes_per_image']) == 4 * width
    assert int(rows['pixels, exact']['bytes_per_image']) == 4 * 32 * 32 * 3
    assert int(rows['features, autoencoder, 12 bits']['bytes_per_image']) == 2
    with open(indexed / 'index' / 'retrieval-by-class.csv') as file:
        classes = [row for row in csv.DictReader(file) if row['method'] == 'features, exact']
    queries, averages = (
        [float(row[name]) for row in classes] for name in ('queries', 'average_precision')
    )
    assert np.average(averages, weights=queries) == pytest.approx(float(exact['average_precision']))


def test_an_interrupted_index_is_completed(command, data, tmp_path, indexed):
    directory = tmp_path / 'index'
    shutil.copytree(indexed / 'index', directory)
    part = directory / 'train-features' / 'vectors-00001.npy'
    before, kept = np.load(part), part.with_name('vectors-00000.npy')
    written_at = kept.stat().st_mtime_ns
    part.unlink()
    (directory / 'train-features' / 'index.json').unlink()
    flags = (f'--run_dir={indexed}', '--retrieve=index', f'--index_dir={directory}')
    assert command('retrieve', data, *flags) == 0
    np.testing.assert_allclose(np.load(part), before, rtol=1e-5)
    assert kept.stat().st_mtime_ns == written_at


@pytest.mark.slow
def test_an_index_of_another_network_is_refused(command, data, indexed, query, tmp_path, capsys):
    run = tmp_path / 'run'
    shutil.copytree(indexed, run)
    assert command('train', data, f'--run_dir={run}', '--epochs=3') == 0
    for more in ((f'--inputs={query}',), ('--retrieve=index',)):
        assert command('retrieve', data, f'--run_dir={run}', *more) == 3
        assert 'another network (variables_sha256)' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('flags', 'code', 'message'),
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
def test_invalid_settings_are_refused(
    command, data, indexed, capsys, query, monkeypatch, flags, code, message
):
    monkeypatch.chdir(query.parent)
    assert command('retrieve', data, f'--run_dir={indexed}', *flags) == code
    assert message in capsys.readouterr().err


def test_damaged_codes_are_refused(command, indexed, query, tmp_path, capsys):
    directory = tmp_path / 'index'
    shutil.copytree(indexed / 'index', directory)
    path = directory / 'train-features' / 'codes-12' / 'codes.npy'
    path.write_bytes(path.read_bytes()[:-1] + b'x')
    flags = (f'--run_dir={indexed}', f'--inputs={query}', f'--index_dir={directory}')
    assert command('retrieve', *flags, '--code_bits=12') == 3
    assert 'was changed after it was written' in capsys.readouterr().err


def test_pixels_are_means_of_8x8_blocks(indexed, command, data):
    manifest = manifests.load(data.partition('=')[2])
    (square,) = datasets.read_squares(manifest.list_shards('validation'), manifest.layout, [0])
    blocks = square.astype(np.float32).reshape(32, 8, 32, 8, 3).mean((1, 3)) / 255
    flags = (f'--run_dir={indexed}', '--retrieve=evaluate')
    assert command('retrieve', data, *flags) == 0
    vectors = np.load(indexed / 'index' / 'validation-pixels' / 'vectors-00000.npy')
    np.testing.assert_allclose(vectors[0], blocks.ravel(), atol=1e-5)
