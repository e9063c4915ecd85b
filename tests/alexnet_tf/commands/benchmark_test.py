"""The arithmetic of the benchmarks, on a tiny network."""

import json

import pytest

from alexnet_tf import main
from alexnet_tf.commands.benchmark import serving, timing

TINY = ('--width=0.05', '--crop_size=67', '--batch_size=4', '--runs=1', '--num_classes=3')


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    monkeypatch.setattr(timing, '_MATRIX_SIZE', 256)
    monkeypatch.setattr(timing, '_SECONDS', 0.05)
    monkeypatch.setattr(timing, '_COPIED_BYTES', 1 << 20)


@pytest.fixture
def run(capsys):
    """Runs a benchmark of the tiny network; returns what it prints."""

    def run(*flags):
        assert main.main(['alexnet_tf', '--mode=benchmark', *TINY, *flags]) == 0
        return capsys.readouterr().out

    return run


@pytest.fixture
def measure(run):
    """Runs a benchmark; returns its JSON object."""
    return lambda *flags: json.loads(run('--output=json', *flags))


@pytest.mark.parametrize('kind', ['train_step', pytest.param('inference', marks=pytest.mark.slow)])
def test_the_throughput_of_a_network_is_consistent(measure, kind):
    result = measure(f'--benchmark={kind}')
    assert result['images_per_sec_low'] <= result['images_per_sec'] <= result['images_per_sec_high']
    gflop_per_sec = result['images_per_sec'] * result['gflop_per_image']
    assert result['gflop_per_sec'] == pytest.approx(gflop_per_sec)
    share = result['gflop_per_sec'] / result['matrix_product_gflop_per_sec']
    assert result['share_of_matrix_product'] == pytest.approx(share)
    assert result['peak_memory_bytes'] > 1e8


@pytest.mark.slow
def test_the_table_by_layer_has_a_row_for_every_layer(run):
    table = run('--recipe=source2012', '--precision=bfloat16')
    for name in ('conv1', 'norm1', 'pool2', 'relu5', 'fc6', 'drop7', 'fc8', 'sum'):
        assert f'\n{name} ' in table


@pytest.mark.slow
def test_a_network_that_trains_at_another_size_is_measured_at_that_of_inference(run):
    flags = '--benchmark=inference', '--recipe=modern', '--crop_size=64', '--training_crop_size=48'
    assert 'images/s' in run(*flags, '--runs=1')


@pytest.mark.slow
def test_the_smallest_possible_crop_is_measured(measure):
    assert measure('--crop_size=40', '--pool_size=2', '--runs=1')['images_per_sec'] > 0


@pytest.mark.slow
def test_two_columns_are_measured_on_two_devices(measure):
    assert measure('--devices=/CPU:0,/CPU:1')['devices'] == ['/CPU:0', '/CPU:1']


@pytest.mark.slow
def test_the_stages_of_the_input_are_measured(run, measure, data):
    result = measure(data, '--benchmark=input')
    rates = [row['images_per_sec'] for row in result['stages'].values()]
    assert len(rates) == 6
    assert min(rates) > 0
    finished, alone = (result['stages'][name] for name in ('finished', 'decoder alone'))
    share = finished['images_per_sec'] / alone['images_per_sec']
    assert result['share_of_limit'] == pytest.approx(share)
    assert 'of the decoder alone' in run(data, '--benchmark=input')


@pytest.mark.slow
@pytest.mark.parametrize('device', ['cpu', 'accelerator'])
def test_what_training_loses_to_input_is_measured(measure, data, device):
    result = measure(data, '--benchmark=end_to_end', f'--augment_on={device}')
    rates = [row['images_per_sec'] for row in result['stages'].values()]
    assert result['lost_to_input'] == pytest.approx(1 - rates[1] / rates[0])


@pytest.mark.slow
def test_evaluation_is_measured_beside_bare_inference(measure, data):
    result = measure(data, '--benchmark=evaluate', '--eval_batch_size=10')
    bare, single, ten = (row['images_per_sec'] for row in result['stages'].values())
    assert result['one_view_of_bare'] == pytest.approx(single / bare)
    assert result['ten_views_of_a_tenth'] == pytest.approx(10 * ten / bare)


@pytest.mark.slow
def test_serving_is_measured_beside_the_network_in_process(measure, monkeypatch):
    monkeypatch.setattr(serving, '_REQUESTS', {1: 2, 3: 1})
    result = measure('--benchmark=serving')
    assert len(result['rows']) == 2 * 4
    for row in result['rows']:
        assert 0 < row['median_ms'] <= row['p99_ms']
        assert row['images_per_sec'] == pytest.approx(1000 * row['batch_size'] / row['median_ms'])
    assert set(result['pixels_of_in_process']) == {'1', '3'}
    assert result['copy_bytes_per_sec'] > 0
    assert result['weight_bytes_per_sec'] > 0
