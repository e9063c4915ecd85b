"""The paper's figures of a tiny run: pictures that are there, numbers that are right."""

import csv
import shutil

import numpy as np
import PIL.Image
import pytest

from alexnet_tf.commands.plot import availability
from alexnet_tf.models import alexnet, recipes, topology


@pytest.fixture
def drawn(command, data, trained):
    """Draws a figure; gives the rows of its CSV."""

    def draw(name, *flags, run=trained):
        assert command('draw', data, f'--run_dir={run}', f'--figure={name}', *flags) == 0
        with PIL.Image.open(run / 'figures' / f'{name}.png') as picture:
            assert min(picture.size) > 150
            assert np.asarray(picture.convert('L')).std() > 5
        assert '<svg' in (run / 'figures' / f'{name}.svg').read_text()
        with open(run / 'figures' / f'{name}.csv') as file:
            return list(csv.DictReader(file))

    return draw


def test_kernels(drawn, trained, variables):
    rows = drawn('kernels')
    for column in 'ab':
        (kernel,) = [
            value
            for name, value in variables(trained).items()
            if name.endswith(f'conv1_{column}/kernel')
        ]
        mine = [row for row in rows if row['column'] == column]
        assert len(mine) == kernel.shape[-1]
        for row, each in zip(mine, np.moveaxis(kernel, -1, 0), strict=True):
            grey = each.mean(-1, keepdims=True)
            share = ((each - grey) ** 2).sum() / (each**2).sum()
            assert float(row['colourfulness']) == pytest.approx(share, rel=1e-4)


def test_curves_of_several_runs(drawn, trained, capsys, tmp_path):
    other = tmp_path / trained.name
    shutil.copytree(trained, other)
    rows = drawn('curves', f'--compare_runs={trained},{other}')
    assert [row['epoch'] for row in rows] == ['1', '2', '1', '2']
    assert {row['run'] for row in rows} == {str(trained), str(other)}
    assert drawn('training_curves')[0]['train_top1_error'] == rows[0]['train_top1_error']
    assert 'training error of 25 %' in capsys.readouterr().out


@pytest.mark.slow
def test_predictions_of_held_out_pictures(drawn):
    rows = drawn('predictions')
    assert len(rows) == 8 * 2
    assert {row['class'] for row in rows} <= {'cat', 'dog'}
    assert float(rows[0]['probability']) + float(rows[1]['probability']) == pytest.approx(1)


def test_named_pictures(drawn, shared_folder):
    given = f'--inputs={shared_folder / "cat" / "00.jpg"}'
    assert {row['picture'] for row in drawn('predictions', given)} == {given[9:]}
    rows = drawn('neighbours', given)
    assert [row['rank'] for row in rows] == list('123456')
    distances = [float(row['distance']) for row in rows]
    assert distances == sorted(distances)
    rows = drawn('activations', given, '--layer=relu1')
    assert {row['column'] for row in rows} == {'a', 'b'}
    assert all(float(row['mean']) >= 0 for row in rows)


@pytest.mark.slow
def test_neighbours_of_held_out_pictures_hidden_units_and_gradients(drawn, shared_folder):
    assert len(drawn('neighbours')) == 5 * 6
    given = f'--inputs={shared_folder / "cat" / "00.jpg"}'
    drawn('activations', given, '--layer=fc7')
    assert len(drawn('gradient', given, '--class_name=dog')) == 67 * 67


def test_the_network_needs_no_run(drawn, tmp_path):
    rows = {row['layer']: row for row in drawn('network', '--columns=1', run=tmp_path)}
    assert 'conv1_b' not in rows
    rows = {row['layer']: row for row in drawn('network', run=tmp_path)}
    assert rows['conv3_a']['crosses'] == 'conv2_b'
    assert rows['conv4_a']['crosses'] == ''


def test_wiring_is_the_papers():
    """Figure 2: conv3, fc6 and fc7 read both columns; fc8 is of neither."""
    model = alexnet.build(recipes.PAPER, num_classes=10, width=0.1)
    found = topology.parts(model)
    crossing = {target for _, target in topology.crossings(found)}
    assert crossing == {f'{name}_{at}' for name in ('conv3', 'fc6', 'fc7') for at in 'ab'}
    parts = {each.name: each for each in found}
    assert parts['conv2_a'].reads == ('conv1_a',)
    assert parts['conv2_a'].follows == ('relu1', 'norm1', 'pool1')
    assert parts['fc8'].reads == ('fc7_a', 'fc7_b')
    assert sum(each.parameters for each in found) == model.count_params()


@pytest.mark.parametrize(
    ('flags', 'code', 'said'),
    [
        (('--figure=gradient',), 2, 'needs --inputs=PICTURE'),
        (('--figure=activations', '--inputs=.', '--layer=conv9'), 2, 'this network has conv1'),
        (('--figure=gradient', '--inputs=.', '--class_name=wolf'), 2, 'knows cat, dog'),
        (('--figure=curves', '--compare_runs=nowhere'), 3, 'nowhere holds no finished epoch'),
        (('--figure=gradient', '--inputs=text.jpg'), 3, 'text.jpg: not a picture'),
        (('--figure=kernels', '--run_dir=nowhere'), 3, 'holds no trained network'),
    ],
)
def test_refused(command, data, trained, folder, monkeypatch, capsys, flags, code, said):
    monkeypatch.chdir(folder / 'cat')
    (folder / 'cat' / 'text.jpg').write_text('a text')
    assert command('draw', data, f'--run_dir={trained}', *flags) == code
    assert said in capsys.readouterr().err


def test_without_matplotlib_it_is_said_what_to_do(command, data, trained, monkeypatch, capsys):
    monkeypatch.setattr(availability, 'at_hand', lambda: None)
    assert command('draw', data, f'--run_dir={trained}') == 2
    assert 'alexnet_tf[plots]' in capsys.readouterr().err
