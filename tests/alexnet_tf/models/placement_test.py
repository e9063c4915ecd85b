"""What devices can."""

import pytest

from alexnet_tf.models import placement


@pytest.mark.parametrize(
    ('precision', 'placed', 'flags', 'slow'),
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
def test_a_processor_imitates_what_it_has_no_arithmetic_for(
    precision, placed, flags, slow, tmp_path
):
    path = tmp_path / 'cpuinfo'
    path.write_text(f'processor\t: 0\nbugs\t: amx_bf16\nflags\t\t: {flags}\nbogomips : 2\n')
    assert placement.is_emulated(precision, placed, path) is slow


def test_what_is_not_known_is_not_called_slow(tmp_path):
    assert placement.is_emulated('bfloat16', ['/device:CPU:0'], tmp_path / 'none') is False
