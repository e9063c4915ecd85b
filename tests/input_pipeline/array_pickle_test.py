"""Arrays come through; what only looks like one does not, and takes nothing down with it."""

import io
import pickle
import subprocess
import sys

import numpy as np
import pytest

from input_pipeline import array_pickle

ARRAYS = [
    np.arange(6, dtype=dtype).reshape(2, 3)
    for dtype in ('<f4', '>f4', 'f8', 'f2', 'i1', '<i8', 'u1', '>u2')
]


@pytest.mark.parametrize('protocol', range(6))
@pytest.mark.parametrize('array', ARRAYS, ids=lambda each: each.dtype.str)
def test_arrays_come_through(array, protocol):
    for each in (array, np.asfortranarray(array), array[::-1, ::2]):
        held = {'conv1': [each, (each, 3, 'text')]}
        found = array_pickle.load(io.BytesIO(pickle.dumps(held, protocol)))
        np.testing.assert_array_equal(found['conv1'][0], each)
        np.testing.assert_array_equal(found['conv1'][1][0], each)
        assert found['conv1'][1][1:] == (3, 'text')


def test_a_dictionary_in_an_array_is_unwrapped():
    held = np.array({'conv1': np.ones(3)}, dtype=object)
    found = array_pickle.load(io.BytesIO(pickle.dumps(held, 4)))
    np.testing.assert_array_equal(found['conv1'], np.ones(3))


@pytest.mark.parametrize(
    'held',
    [np.array([1, None]), np.array(['text']), np.zeros(2, 'f4,i4'), np.zeros(2, 'M8[s]'), print],
)
def test_others_are_refused(held):
    with pytest.raises(array_pickle.Refused):
        array_pickle.load(io.BytesIO(pickle.dumps(held, 2)))


# An object dtype whose state says that it holds no objects: NumPy would follow bytes as pointers.
_FORGED = b"cnumpy\ndtype\n(S'O8'\nI0\nI1\ntR(I3\nS'|'\nNNNI-1\nI-1\nI0\ntb"
FORGERIES = [
    b'cnumpy.core.multiarray\nscalar\n(' + _FORGED + b"S'AAAAAAAA'\ntR.",
    b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR"
    b'(I1\n(I1\nt' + _FORGED + b"I00\nS'AAAAAAAA'\ntb.",
]


@pytest.mark.parametrize('forged', FORGERIES)
def test_a_forged_dtype_does_no_harm(forged):
    """In a process of its own, for with NumPy's own types it would die."""
    program = (
        'import io, sys\n'
        'from input_pipeline import array_pickle\n'
        'try:\n'
        '    print(array_pickle.load(io.BytesIO(sys.stdin.buffer.read())))\n'
        'except array_pickle.Refused:\n'
        '    print("refused")\n'
    )
    done = subprocess.run([sys.executable, '-c', program], input=forged, capture_output=True)
    assert (done.returncode, done.stdout) == (0, b'refused\n'), done.stderr
