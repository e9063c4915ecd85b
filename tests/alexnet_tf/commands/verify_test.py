"""The fidelity report: it passes for the recipes as they are and fails for others."""

import pathlib

import keras
import pytest

from alexnet_tf import main
from alexnet_tf.fidelity import published, reference

VALUES = [value for values in reference.SECTIONS.values() for value in values]


def verify(tmp_path, *flags):
    return main.main(
        ['alexnet_tf', '--mode=verify', f'--fidelity_file={tmp_path / "docs" / "page.md"}', *flags]
    )


def test_every_value_is_as_expected(tmp_path, capsys):
    assert verify(tmp_path) == 0
    output, page = capsys.readouterr().out, (tmp_path / 'docs' / 'page.md').read_text()
    for text in (output, page):
        assert 'OFF' not in text
        assert 'not measured' not in text
        for value in VALUES:
            assert value.name in text
    assert '60,965,224' in output
    assert '253,440 | 290,400' in page


def test_the_published_page_is_current():
    page = pathlib.Path(__file__).parents[3] / 'docs' / 'fidelity.md'
    rows = [line for line in page.read_text().splitlines() if ' | ok |' in line]
    assert len(rows) == len(VALUES)
    for row, value in zip(rows, VALUES, strict=True):
        assert row.startswith(f'| {value.name} | {value.paper} | {value.source} | ')
        assert row.endswith(f' | ok | {value.why} |')


def test_a_network_is_checked_against_what_is_published_of_it(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(keras.initializers, 'HeNormal', lambda **_: 'zeros')  # faster
    monkeypatch.setattr(keras.initializers, 'RandomNormal', lambda **_: 'zeros')
    assert verify(tmp_path, '--recipe=tf2cv') == 0
    output = capsys.readouterr().out
    assert '62,378,344' in output
    assert '38.06 % top-1, 16.09 % top-5' in output
    wrong = ('--lrn_n=9', '--conv1_padding=2', '--dropout_on_inputs', '--input_scale=2')
    wrong += ('--nodropout_inverted',)
    assert verify(tmp_path, '--recipe=tf2cv', '--conv2_order=relu_pool_norm', *wrong) == 1
    message = capsys.readouterr().err
    names = ('n', 'sides of conv1', 'after conv2', 'dropped in training', 'a white pixel')
    for name in (*names, 'kept outputs in training', 'outputs at test time'):
        assert f' {name}' in message, name
    assert 'parameters' not in message
    assert not (tmp_path / 'docs').exists()


def test_the_published_counts_of_layers_have_the_published_sums():
    sums = {name: sum(network.parameters) for name, network in published.NETWORKS.items()}
    one_column, two_columns = 61_100_840, 60_965_224
    assert sums == {
        **dict.fromkeys(('caffe', 'caffenet'), two_columns),
        **dict.fromkeys(('one_weird_trick', 'torchvision'), one_column),
        'tf2cv': 62_378_344,
    }


def test_the_norms_of_the_lars_paper_are_deviations_times_roots_of_counts():
    network = published.NETWORKS['caffe']
    biases = (96, 256, 384, 384, 256, 4096, 4096, 1000)
    counts = [all_ - own for all_, own in zip(network.parameters, biases, strict=True)]
    deviations = map(float, network.initial_sds.split(', '))
    norms = [f'{sd * n**0.5:.4g}' for sd, n in zip(deviations, counts, strict=True)]
    assert norms == [f'{norm:.4g}' for norm in network.initial_norms]
    rows = {value.name: value.expected for value in network.list_values()}
    assert (rows['fc6 initial norm'], rows['k']) == ((30.72,), (1.0,))


@pytest.mark.slow
@pytest.mark.parametrize('name', published.NETWORKS)
def test_every_published_network_is_as_published(name, tmp_path):
    assert verify(tmp_path, f'--recipe={name}') == 0


def test_a_recipe_without_published_values_is_refused(tmp_path, capsys):
    assert verify(tmp_path, '--recipe=modern') == 2
    assert 'verify checks paper, source2012, caffe' in capsys.readouterr().err


@pytest.mark.slow
def test_values_that_are_off_fail_by_name(tmp_path, capsys):
    more = ('--pool_size=2', '--epochs=3', '--batch_size=64', '--schedule=plateau')
    wrong = ('--lrn_alpha=2e-4', '--initial_sd=0.02', '--momentum=0.8', '--colour_shift_sd=0.3')
    assert (
        verify(tmp_path, *wrong, '--crop_size=67', '--dropout=0.3', '--weight_decay=0', *more) == 1
    )
    assert not (tmp_path / 'docs').exists()
    message = capsys.readouterr().err
    for name in (
        'alpha',
        'conv1 initial sd',
        'fc8 initial sd',
        'momentum',
        'weight decay of weights',
        'sd of the colour shift',
        'crops and mirrors',
        'neurons',
        'fc6 parameters',
        'dropped in training',
        'pooling windows',
        'epochs',
        'batch size',
        'learning rate divided by 10',
        'pool2 outputs',
        'views',
    ):
        assert name in message, name
    assert 'conv3 reads' not in message


@pytest.mark.parametrize(
    ('flag', 'name'),
    [
        ('--nolrn1_before_pool', 'after conv1'),
        ('--lrn_across_columns', 'norm1 sums over'),
        ('--dropout_inverted', 'kept outputs in training'),
        ('--bias_rate_multiplier=3', 'learning rate of biases'),
    ],
)
@pytest.mark.slow
def test_each_departure_is_noticed(tmp_path, capsys, flag, name):
    assert verify(tmp_path, flag) == 1
    assert name in capsys.readouterr().err
