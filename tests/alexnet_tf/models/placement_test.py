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


def test_an_unknown_processor_is_not_called_emulating(tmp_path):
    assert placement.is_emulated('bfloat16', ['/device:CPU:0'], tmp_path / 'none') is False
