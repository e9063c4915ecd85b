"""`--mode=predict`: a table, CSV, JSON or a plot; unreadable files get rows, too."""

import errno
import io
import json
import os
import pathlib
import shutil

import numpy as np
import PIL.Image
import pytest

from alexnet_tf.commands import train
from alexnet_tf.reports import tables
from input_pipeline.batches import datasets
from input_pipeline.records import manifests
from input_pipeline.sources import entries


@pytest.fixture
def inputs(folder):
    """A folder with a readable image, a text and a truncated image."""
    (folder / 'dog' / '00.jpg').rename(folder / '=good.jpg')
    for name in ('cat', 'dog'):
        for path in (folder / name).iterdir():
            path.unlink()
    (folder / 'cut.jpg').write_bytes((folder / '=good.jpg').read_bytes()[:500])
    (folder / 'text.jpg').write_text('a text')
    (folder / '.hidden').write_text('ignored')
    return folder


@pytest.fixture
def predict(command, trained, inputs):
    return lambda *flags: command('predict', f'--run_dir={trained}', f'--inputs={inputs}', *flags)


def test_a_lost_disk_is_no_error_of_its_images(predict, inputs, tmp_path, monkeypatch, capsys):
    def fail(self):
        raise OSError(errno.ESTALE, 'Stale file handle', 'photo.jpg')

    monkeypatch.setattr(entries.ImageFile, '__call__', fail)
    assert predict(f'--output_file={tmp_path / "rows.csv"}', '--output=csv') == 5
    assert 'Stale file handle' in capsys.readouterr().err
    assert not (tmp_path / 'rows.csv').exists()


def test_json_has_an_object_for_each_file(predict, inputs, capsys):
    assert predict('--output=json') == 0
    good, cut, text = map(json.loads, capsys.readouterr().out.splitlines())
    assert good['file'] == str(inputs / '=good.jpg')
    assert sorted(good['classes']) == ['cat', 'dog']
    assert good['probabilities'] == sorted(good['probabilities'], reverse=True)
    assert sum(good['probabilities']) == pytest.approx(1)
    assert cut['error']
    assert text['error'] == 'not an image: neither JPEG, PNG, GIF, BMP nor WebP'


def test_csv_is_written_to_a_file(predict, inputs, tmp_path, capsys):
    (inputs / '=good.jpg').rename(inputs / os.fsdecode(b'=\xff.jpg'))  # not valid in any encoding
    assert predict('--output=csv', f'--output_file={tmp_path / "out.csv"}') == 0
    rows = tables.read_csv(tmp_path / 'out.csv')
    assert '\\udcff.jpg' in rows[0]['file']
    assert [bool(row['error']) for row in rows] == [False, True, True]
    assert {rows[0]['class_1'], rows[0]['class_2']} == {'cat', 'dog'}
    assert capsys.readouterr().out == ''


def test_the_table_lists_classes_and_the_plot_is_an_image(predict, inputs, tmp_path, capsys):
    assert predict(f'--draw={tmp_path / "plot.png"}') == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == str(inputs / '=good.jpg')
    assert lines[1].endswith(('%  cat', '%  dog'))
    assert lines[-1] == '    error: not an image: neither JPEG, PNG, GIF, BMP nor WebP'
    with PIL.Image.open(tmp_path / 'plot.png') as image:
        assert image.format == 'PNG'
        assert min(image.size) > 200


def test_predictions_of_a_folder_are_in_order(command, trained, shared_folder, capsys):
    """24 files, ten at a time; the last batch is padded."""
    flags = (f'--run_dir={trained}', f'--inputs={shared_folder}', '--output=json')
    assert command('predict', *flags) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row['file'] for row in rows] == sorted(map(str, shared_folder.rglob('*.jpg')))
    single = ('--output=json', f'--inputs={rows[-1]["file"]}')
    assert command('predict', f'--run_dir={trained}', *single) == 0
    row = json.loads(capsys.readouterr().out)
    assert row['classes'] == rows[-1]['classes']
    assert row['probabilities'] == pytest.approx(rows[-1]['probabilities'], rel=1e-5)


@pytest.mark.slow
def test_ten_crop_predictions_equal_those_of_evaluation(
    command, data, trained, shared_folder, capsys, tmp_path
):
    """The inputs are the stored squares as PNG."""
    manifest = manifests.load(data.partition('=')[2])
    flags = (data, f'--run_dir={trained}', '--views=10', '--save_probabilities=float32')
    assert command('evaluate', *flags) == 0
    cached = np.load(trained / 'probabilities' / 'validation-10.npy')
    squares = datasets.read_squares(manifest.list_shards('validation'), manifest.layout, [0, 9])
    for at, square in zip((0, 9), squares, strict=True):
        PIL.Image.fromarray(square).save(tmp_path / f'{at:02d}.png')
    capsys.readouterr()
    flags = (f'--run_dir={trained}', f'--inputs={tmp_path}', '--views=10', '--output=json')
    assert command('predict', *flags) == 0
    for at, line in zip((0, 9), capsys.readouterr().out.splitlines(), strict=True):
        predicted = sorted(json.loads(line)['probabilities'], reverse=True)
        assert predicted == pytest.approx(sorted(cached[at].tolist(), reverse=True), rel=1e-4)


def test_a_comma_in_a_file_name_is_explained(command, trained, inputs, capsys):
    assert command('predict', f'--run_dir={trained}', f'--inputs={inputs}/a,b.jpg') == 2
    printed = capsys.readouterr().err
    assert f'--inputs={inputs}/a: no such file or folder. Commas separate inputs' in printed


def read_files(printed):
    return [pathlib.Path(json.loads(line)['file']).name for line in printed.splitlines()]


def test_patterns_and_files_after_the_flags_are_predicted(
    command, trained, shared_folder, tmp_path, capsys
):
    names = ['a1.jpg', 'a2.jpg', 'b,c.jpg', 'x[1].jpg']
    for name in names:
        shutil.copy(shared_folder / 'cat' / '00.jpg', tmp_path / name)
    (tmp_path / 'folder').mkdir()
    shutil.copy(shared_folder / 'cat' / '00.jpg', tmp_path / 'folder' / 'd.jpg')
    flags = (f'--run_dir={trained}', '--output=json', f'--inputs={tmp_path}/a*.jpg')
    paths = [f'{tmp_path}/{name}' for name in ('b,c.jpg', 'x[1].jpg', 'fold*')]
    assert command('predict', *flags, *paths) == 0
    assert read_files(capsys.readouterr().out) == [*names, 'd.jpg']
    assert command('predict', *flags[:2], f'--inputs={tmp_path}/**/*.jpg') == 0
    assert sorted(read_files(capsys.readouterr().out)) == sorted([*names, 'd.jpg'])
    assert command('predict', *flags[:2], f'--inputs={tmp_path}/*.png') == 2
    assert f'--inputs={tmp_path}/*.png: no file matches.' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('top_k', 'shown', 'output'),
    [(1, 1, 'json'), (9, 2, 'csv')],
)
def test_so_many_classes_are_shown(command, trained, inputs, top_k, shown, output, capsys):
    flags = (f'--run_dir={trained}', f'--inputs={inputs / "=good.jpg"}', f'--top_k={top_k}')
    assert command('predict', *flags, f'--output={output}') == 0
    lines = capsys.readouterr().out.splitlines()
    if output == 'json':
        row = json.loads(lines[0])
        assert len(row['classes']) == len(row['probabilities']) == shown
        assert row['probabilities'][0] >= 0.5
    else:
        header, line = lines
        assert header.count('class_') == shown
        assert header.count(',') == line.count(',')


def test_paths_are_read_from_stdin(command, trained, inputs, monkeypatch, capsys):
    names = [inputs / '=good.jpg', inputs, inputs / 'none.jpg', 'http://there/is.jpg']
    text = b'\n'.join(os.fsencode(name) for name in names) + b'\n\n'
    monkeypatch.setattr('sys.stdin', io.TextIOWrapper(io.BytesIO(text)))
    assert command('predict', f'--run_dir={trained}', '--inputs=-', '--output=json') == 0
    printed = capsys.readouterr()
    good, folder, none, address = map(json.loads, printed.out.splitlines())
    assert good['classes']
    assert folder['error'] == none['error'] == 'No such file or directory'
    assert 'this scheme is not supported' in address['error']
    assert '4/4 files' in printed.err
    assert '3 of 4 files could not be read' in printed.err


@pytest.mark.slow
def test_an_ensemble_is_the_weighted_mean(command, data, trained, config_of, tmp_path, capsys):
    other = tmp_path / 'other'
    train.run(config_of(other, '--epochs=1', '--seed=3', '--initial_sd=0.05', '--drop_epochs=9'))
    image = f'--inputs={next(pathlib.Path(data.partition("=")[2]).parent.rglob("00.jpg"))}'
    probabilities = {}
    for name, flags in {
        'a': (f'--run_dir={trained}',),
        'b': (f'--run_dir={other}',),
        'mean': (f'--ensemble={trained},{other}', '--ensemble_weights=1,3'),
    }.items():
        assert command('predict', image, '--output=json', *flags) == 0
        row = json.loads(capsys.readouterr().out.splitlines()[-1])
        probabilities[name] = dict(zip(row['classes'], row['probabilities'], strict=True))
    for label in ('cat', 'dog'):
        expected = 0.25 * probabilities['a'][label] + 0.75 * probabilities['b'][label]
        assert probabilities['mean'][label] == pytest.approx(expected, rel=1e-4)


def test_features_are_rows_of_arrays_in_the_order_of_the_files(
    predict, trained, inputs, tmp_path, capsys
):
    path = tmp_path / 'features.npz'
    layers = ('conv1:linear', 'conv1', 'pool5', 'fc7:linear')
    assert predict(f'--features={",".join(layers)}', f'--output_file={path}') == 0
    assert '2 of 3 files could not be read; their rows are NaN' in capsys.readouterr().err
    with np.load(path) as saved:
        assert saved['files'].tolist() == sorted(map(str, inputs.glob('*.jpg')))
        assert [bool(error) for error in saved['errors']] == [False, True, True]
        good = {name: saved[name][0] for name in layers}
        assert all(np.isnan(saved[name][1:]).all() for name in layers)
    np.testing.assert_array_equal(good['conv1'], np.maximum(good['conv1:linear'], 0))
    assert good['conv1:linear'].min() < 0
    # fc6 and fc7 by NumPy from the feature maps of pool5, a column after the other.
    newest = max((trained / 'checkpoints').glob('step-*'))
    with np.load(newest / 'variables.npz') as weights:
        x = np.concatenate([half.ravel() for half in np.split(good['pool5'], 2, -1)])
        for layer in ('fc6', 'fc7'):
            halves = [
                x @ weights[f'{layer}_{column}/kernel'] + weights[f'{layer}_{column}/bias']
                for column in 'ab'
            ]
            linear = np.concatenate(halves)
            x = 0.5 * np.maximum(linear, 0)  # dropout in inference
    np.testing.assert_allclose(good['fc7:linear'], linear, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ('flags', 'code', 'message'),
    [
        (('--features=fc7',), 2, '--features needs --output_file=FILE.npy'),
        (('--features=fc7', '--output_file=a.npz', '--views=10'), 2, 'Leave --views out'),
        (('--features=fc7', '--output_file=a.npz', '--output=csv'), 2, 'Leave --output out'),
        (('--features=fc7!', '--output_file=a.npz'), 2, 'as conv5,fc6:linear,fc7'),
        (('--features=fc77', '--output_file=a.npz'), 2, '--features=fc77: the network has no such'),
        (('--features=fc7', '--output_file=a.npz', 'text.jpg'), 3, 'none of the 1 files'),
    ],
)
def test_features_that_cannot_be_written_are_refused(
    command, trained, inputs, monkeypatch, capsys, flags, code, message
):
    monkeypatch.chdir(inputs)
    before = set(inputs.iterdir())
    everything = () if 'text.jpg' in flags else ('--inputs=.',)
    assert command('predict', f'--run_dir={trained}', *everything, *flags) == code
    assert message in capsys.readouterr().err
    assert set(inputs.iterdir()) == before


def test_no_readable_file_is_an_error(command, trained, inputs, capsys):
    assert command('predict', f'--run_dir={trained}', f'--inputs={inputs / "text.jpg"}') == 3
    assert 'none of the 1 files' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('flags', 'code', 'message'),
    [
        ((), 2, '--mode=predict needs --inputs'),
        (('--inputs=.', '--views=1,10'), 2, '--views=1,10: --mode=predict takes one'),
        (('--inputs=.', '--ensemble=a,b'), 3, 'a is not a run directory'),
        (('--inputs=nowhere',), 2, '--inputs=nowhere: no such file or folder'),
        (('--inputs=.', '--run_dir=nowhere'), 3, '--run_dir=nowhere holds no trained network'),
    ],
)
def test_invalid_flags_are_refused(
    command, trained, inputs, monkeypatch, capsys, flags, code, message
):
    monkeypatch.chdir(inputs)
    assert command('predict', f'--run_dir={trained}', *flags) == code
    assert message in capsys.readouterr().err
