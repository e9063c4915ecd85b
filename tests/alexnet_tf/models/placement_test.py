"""Which precisions a processor computes in."""

import pytest

from alexnet_tf.models import placement


@pytest.mark.parametrize(
    ('precision', 'devices', 'flags', 'emulated'),
    [
        ('bfloat16', ['/device:CPU:0'], 'fma avx2', True),
        ('bfloat16', ['/cpu:0', '/cpu:1'], 'fma avx2', True),
        ('bfloat16', ['/device:CPU:0'], 'avx2 avx512_bf16', False),
        ('bfloat16', ['/device:GPU:0'], 'avx2', False),
        ('float16', ['/device:CPU:0'], 'avx2 avx512_bf16', True),
        ('float16', ['/device:CPU:0'], 'amx_fp16', False),
        ('float32', ['/device:CPU:0'], 'avx2', False),
    ],
)
def test_a_processor_emulates_precisions_without_arithmetic(
    precision, devices, flags, emulated, tmp_path
):
    path = tmp_path / 'cpuinfo'
    path.write_text(f'processor\t: 0\nbugs\t: amx_bf16\nflags\t\t: {flags}\nbogomips : 2\n')
    assert placement.is_emulated(precision, devices, path) is emulated


def test_an_unknown_processor_is_neither_emulating_nor_known_to_compute(tmp_path):
    assert placement.is_emulated('bfloat16', ['/device:CPU:0'], tmp_path / 'none') is False
    assert placement.computes_bfloat16(['/device:CPU:0'], tmp_path / 'none') is False


@pytest.mark.parametrize(('features', 'computes'), [('asimd fphp', False), ('asimd bf16', True)])
def test_arm_processors_are_known_by_their_features(features, computes, tmp_path):
    path = tmp_path / 'cpuinfo'
    path.write_text(f'processor\t: 0\nFeatures\t: fp {features}\n')
    assert placement.computes_bfloat16(['/CPU:0'], path) is computes
    assert placement.is_emulated('bfloat16', ['/CPU:0'], path) is not computes


@pytest.mark.parametrize(
    ('capability', 'emulated', 'computes'),
    [((7, 5), True, False), ((8, 0), False, True), (None, False, False)],
)
def test_gpus_before_ampere_emulate_bfloat16(capability, emulated, computes, monkeypatch):
    monkeypatch.setattr(placement, '_read_capability', lambda index: capability)
    assert placement.is_emulated('bfloat16', ['/GPU:0', '/GPU:1']) is emulated
    assert placement.computes_bfloat16(['/GPU:0', '/GPU:1']) is computes
    assert placement.is_emulated('float16', ['/GPU:0']) is False
