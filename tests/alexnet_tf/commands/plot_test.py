"""The paper's figures of a tiny run: they are not blank, and their values are right."""

import csv
import json
import shutil

import numpy as np
import PIL.Image
import pytest

from alexnet_tf.plots import availability, kernels
from alexnet_tf.reports import tables


@pytest.fixture
def plot(command, data, trained):
    """Plots a figure and returns the rows of its CSV."""

    def run(name, *flags, run_dir=trained):
        assert command('plot', data, f'--run_dir={run_dir}', f'--figure={name}', *flags) == 0
        path = run_dir / 'figures' / name
        with PIL.Image.open(path.with_suffix('.png')) as image:
            assert min(image.size) > 150
            assert np.asarray(image.convert('L')).std() > 5
        assert '<svg' in path.with_suffix('.svg').read_text()
        return tables.read_csv(path.with_suffix('.csv'))

    return run


def test_kernels_are_measured_by_their_share_of_colour(plot, trained, variables):
    rows = plot('kernels')
    for column in 'ab':
        (kernels,) = [
            value
            for name, value in variables(trained).items()
            if name.endswith(f'conv1_{column}/kernel')
        ]
        column_rows = [row for row in rows if row['column'] == column]
        assert len(column_rows) == kernels.shape[-1]
        for row, kernel in zip(column_rows, np.moveaxis(kernels, -1, 0), strict=True):
            grey = kernel.mean(-1, keepdims=True)
            share = ((kernel - grey) ** 2).sum() / (kernel**2).sum()
            assert float(row['colourfulness']) == pytest.approx(share, rel=1e-4)


def test_halves_of_one_column_are_the_control_of_specialisation(plot, monkeypatch, capsys):
    get_kernels = kernels.get_kernels
    monkeypatch.setattr(kernels, 'get_kernels', lambda model: {'a': get_kernels(model)['a']})
    shares = [float(row['colourfulness']) for row in plot('kernels')]
    middle = (len(shares) + 1) // 2  # of an odd number, the first half has one more
    halves = np.mean(shares[:middle]), np.mean(shares[middle:])
    expected = 'by half of the one column: {:.2f} and {:.2f}. Mean'.format(*halves)
    assert expected in capsys.readouterr().out


def test_curves_that_a_spreadsheet_has_saved_are_named(command, tmp_path, capsys):
    (tmp_path / 'summary.csv').write_text('epoch;step\n1;2\n')
    for figure in ('curves', 'curves_by_time', 'training_curves'):
        assert command('plot', f'--run_dir={tmp_path}', f'--figure={figure}') == 3
        assert 'summary.csv is no table with commas' in capsys.readouterr().err


def test_curves_of_several_runs_are_told_apart_by_name(plot, trained, capsys, tmp_path):
    other = tmp_path / trained.name
    shutil.copytree(trained, other)
    rows = plot('curves', f'--compare_runs={trained},{other}')
    assert [row['epoch'] for row in rows] == ['1', '2', '1', '2']
    assert {row['run'] for row in rows} == {str(trained), str(other)}
    with open(trained / 'summary.csv') as file:
        first, second = csv.DictReader(file)
    examples = json.loads((trained / 'data.json').read_text())['train_examples']
    assert examples % 8  # the last batch is shorter
    seconds = [examples / float(row['images_per_sec']) for row in (first, second)]
    minutes = [float(row['minutes']) for row in plot('curves_by_time')]
    assert minutes == pytest.approx([seconds[0] / 60, sum(seconds) / 60], abs=1e-3)
    summary = other / 'summary.csv'
    summary.write_text(summary.read_text().replace(second['images_per_sec'], ''))  # ended inside
    minutes = [float(row['minutes']) for row in plot('curves_by_time', f'--compare_runs={other}')]
    assert minutes[1] == pytest.approx(2 * seconds[0] / 60, abs=1e-3)
    assert plot('training_curves')[0]['train_top1_error'] == rows[0]['train_top1_error']
    assert 'a training error of 25 % is ' in capsys.readouterr().out


@pytest.mark.slow
def test_predictions_of_validation_images_have_their_class(plot):
    rows = plot('predictions')
    assert len(rows) == 8 * 2
    assert {row['class'] for row in rows} <= {'cat', 'dog'}
    assert float(rows[0]['probability']) + float(rows[1]['probability']) == pytest.approx(1)


@pytest.mark.slow
def test_input_images_have_predictions_neighbours_and_activations(plot, shared_folder):
    path = shared_folder / 'cat' / '00.jpg'
    assert {row['image'] for row in plot('predictions', f'--inputs={path}')} == {str(path)}
    rows = plot('neighbours', f'--inputs={path}')
    assert [row['rank'] for row in rows] == list('123456')
    distances = [float(row['distance']) for row in rows]
    assert distances == sorted(distances)
    rows = plot('activations', f'--inputs={path}', '--layer=relu1')
    assert {row['column'] for row in rows} == {'a', 'b'}
    assert all(float(row['mean']) >= 0 for row in rows)


@pytest.mark.slow
def test_validation_images_have_neighbours_and_input_images_gradients(plot, shared_folder):
    assert len(plot('neighbours')) == 5 * 6
    inputs = f'--inputs={shared_folder / "cat" / "00.jpg"}'
    plot('activations', inputs, '--layer=fc7')
    assert len(plot('gradient', inputs, '--class_name=dog')) == 67 * 67


def test_the_network_is_plotted_without_a_run(plot, tmp_path):
    rows = {row['layer']: row for row in plot('network', '--columns=1', run_dir=tmp_path)}
    assert 'conv1_b' not in rows
    rows = {row['layer']: row for row in plot('network', run_dir=tmp_path)}
    assert rows['conv3_a']['crosses'] == 'conv2_b'
    assert rows['conv4_a']['crosses'] == ''


@pytest.mark.parametrize(
    ('flags', 'code', 'message'),
    [
        (('--figure=gradient',), 2, 'needs --inputs=IMAGE'),
        (('--figure=activations', '--inputs=.', '--layer=conv9'), 2, 'Choose one of conv1'),
        (('--figure=gradient', '--inputs=.', '--class_name=wolf'), 2, 'Choose one of cat, dog'),
        (('--figure=curves', '--compare_runs=nowhere'), 3, 'nowhere holds no finished epoch'),
        (('--figure=gradient', '--inputs=text.jpg'), 3, 'text.jpg: not an image'),
        (('--figure=kernels', '--run_dir=nowhere'), 3, 'holds no trained network'),
    ],
)
def test_invalid_settings_are_refused(
    command, data, trained, folder, monkeypatch, capsys, flags, code, message
):
    monkeypatch.chdir(folder / 'cat')
    (folder / 'cat' / 'text.jpg').write_text('a text')
    assert command('plot', data, f'--run_dir={trained}', *flags) == code
    assert message in capsys.readouterr().err


def test_without_matplotlib_the_error_names_the_extra(command, data, trained, monkeypatch, capsys):
    monkeypatch.setattr(availability, 'load_plots', lambda: None)
    assert command('plot', data, f'--run_dir={trained}') == 2
    assert 'alexnet_tf[plots]' in capsys.readouterr().err
