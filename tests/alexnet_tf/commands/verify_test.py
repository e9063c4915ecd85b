"""The fidelity report passes on the presets and fails on others."""

import pytest

from alexnet_tf import main
from alexnet_tf.fidelity import reference


def verify(tmp_path, *flags):
    return main.main(
        ['alexnet_tf', '--mode=verify', f'--fidelity_file={tmp_path / "docs" / "it.md"}', *flags]
    )


def test_every_number_is_as_it_should_be(tmp_path, capsys):
    assert verify(tmp_path) == 0
    said, page = capsys.readouterr().out, (tmp_path / 'docs' / 'it.md').read_text()
    for text in (said, page):
        assert 'OFF' not in text
        assert 'not measured' not in text
        for figure in reference.FIGURES:
            assert figure.name in text
    assert '60,965,224' in said
    assert '253,440 | 290,400' in page


@pytest.mark.slow
def test_it_fails_where_numbers_are_off(tmp_path, capsys):
    more = ('--pool_size=2', '--epochs=3', '--batch_size=64', '--schedule=plateau')
    wrong = ('--lrn_alpha=2e-4', '--initial_sd=0.02', '--momentum=0.8', '--colour_shift_sd=0.3')
    assert (
        verify(tmp_path, *wrong, '--crop_size=67', '--dropout=0.3', '--weight_decay=0', *more) == 1
    )
    assert not (tmp_path / 'docs').exists()
    said = capsys.readouterr().err
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
        'rate divided by 10',
        'pool2 outputs',
        'views',
    ):
        assert name in said, name
    assert 'conv3 reads' not in said


@pytest.mark.parametrize(
    ('flag', 'name'),
    [
        ('--nolrn1_before_pool', 'after conv1'),
        ('--lrn_across_columns', 'norm1 sums over'),
        ('--dropout_inverted', 'kept outputs in training'),
        ('--bias_rate_multiplier=3', "biases' rate"),
    ],
)
@pytest.mark.slow
def test_each_of_these_is_noticed(tmp_path, capsys, flag, name):
    assert verify(tmp_path, flag) == 1
    assert name in capsys.readouterr().err
