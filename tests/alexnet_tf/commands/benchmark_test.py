"""The benchmark's arithmetic, on a tiny network."""

import json

import pytest

from alexnet_tf import main
from alexnet_tf.commands.benchmark import input, serving, timing
from alexnet_tf.models import alexnet, flops, recipes

TINY = ('--width=0.05', '--crop_size=67', '--batch_size=4', '--runs=1', '--num_classes=3')


@pytest.fixture(autouse=True)
def small_products(monkeypatch):
    monkeypatch.setattr(timing, '_MATRIX', 256)


def measured(capsys, *flags):
    assert main.main(['alexnet_tf', '--mode=benchmark', *TINY, *flags]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize('kind', ['train_step', pytest.param('inference', marks=pytest.mark.slow)])
def test_its_numbers_fit_together(capsys, kind):
    found = json.loads(measured(capsys, f'--benchmark={kind}', '--output=json'))
    assert found['images_per_sec_low'] <= found['images_per_sec'] <= found['images_per_sec_high']
    rate = found['images_per_sec'] * found['gflop_per_image']
    assert found['gflop_per_sec'] == pytest.approx(rate)
    share = found['gflop_per_sec'] / found['matrix_product_gflop_per_sec']
    assert found['share_of_matrix_product'] == pytest.approx(share)
    assert found['peak_memory_bytes'] > 1e8


@pytest.mark.slow
def test_the_table_by_layer_holds_them_all(capsys):
    said = measured(capsys, '--recipe=source2012', '--precision=bfloat16')
    for name in ('conv1', 'norm1', 'pool2', 'relu5', 'fc6', 'drop7', 'fc8', 'sum'):
        assert f'\n{name} ' in said


@pytest.mark.slow
def test_a_crop_as_small_as_the_geometry_admits(capsys):
    flags = ('--crop_size=40', '--pool_size=2', '--output=json', '--runs=1')
    assert json.loads(measured(capsys, *flags))['images_per_sec'] > 0


@pytest.mark.slow
def test_two_devices(capsys):
    found = json.loads(measured(capsys, '--devices=/CPU:0,/CPU:1', '--output=json'))
    assert found['devices'] == ['/CPU:0', '/CPU:1']


def test_operations_of_the_whole_network():
    """724.4 million multiply-adds an image forward; no gradient of the image."""
    model = alexnet.build(recipes.PAPER, num_classes=1000)
    assert flops.operations(model, training=False) == pytest.approx(2 * 724.4e6, rel=1e-4)
    conv1 = 55 * 55 * 96 * 11 * 11 * 3
    expected = 2 * (3 * 724.4e6 - conv1)
    assert flops.operations(model, training=True) == pytest.approx(expected, rel=1e-4)


@pytest.mark.slow
def test_stages_of_the_input(capsys, data, monkeypatch):
    monkeypatch.setattr(input, '_SECONDS', 0.05)
    found = json.loads(measured(capsys, data, '--benchmark=input', '--output=json'))
    rates = [row['images_per_sec'] for row in found['stages'].values()]
    assert len(rates) == 6
    assert min(rates) > 0
    finished, alone = (found['stages'][name] for name in ('finished', 'decoder alone'))
    share = finished['images_per_sec'] / alone['images_per_sec']
    assert found['share_of_limit'] == pytest.approx(share)
    said = measured(capsys, data, '--benchmark=input')
    assert 'of the decoder alone' in said


@pytest.mark.slow
def test_what_training_loses_to_input(capsys, data, monkeypatch):
    monkeypatch.setattr(input, '_SECONDS', 0.05)
    for where in ('cpu', 'accelerator'):
        flags = ('--benchmark=end_to_end', '--output=json', f'--augment_on={where}')
        found = json.loads(measured(capsys, data, *flags))
        rates = [row['images_per_sec'] for row in found['stages'].values()]
        assert found['lost_to_input'] == pytest.approx(1 - rates[1] / rates[0])


@pytest.mark.slow
def test_serving_is_measured_beside_the_network_in_process(capsys, monkeypatch):
    monkeypatch.setattr(serving, '_BATCHES', {1: 2, 3: 1})
    found = json.loads(measured(capsys, '--benchmark=serving', '--output=json'))
    assert len(found['rows']) == 2 * 4
    for row in found['rows']:
        assert 0 < row['median_ms'] <= row['p99_ms']
        assert row['images_per_sec'] == pytest.approx(1000 * row['batch_size'] / row['median_ms'])
    assert set(found['pixels_of_in_process']) == {'1', '3'}
