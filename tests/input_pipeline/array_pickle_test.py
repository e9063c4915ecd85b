"""Checks that arrays are read, and that forged ones are refused without harm."""

import contextlib
import io
import pickle
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest

from input_pipeline import array_pickle

ARRAYS = [
    np.arange(6, dtype=dtype).reshape(2, 3)
    for dtype in ('<f4', '>f4', 'f8', 'f2', 'i1', '<i8', 'u1', '>u2')
]


@pytest.mark.parametrize('protocol', range(6))
@pytest.mark.parametrize('array', ARRAYS, ids=lambda array: array.dtype.str)
def test_arrays_of_every_protocol_and_order_are_read(array, protocol):
    for variant in (array, np.asfortranarray(array), array[::-1, ::2], array[:0]):
        saved = {'conv1': [variant, (variant, 3, 'text')]}
        loaded = array_pickle.load(io.BytesIO(pickle.dumps(saved, protocol)))
        np.testing.assert_array_equal(loaded['conv1'][0], variant)
        np.testing.assert_array_equal(loaded['conv1'][1][0], variant)
        assert loaded['conv1'][1][1:] == (3, 'text')


def test_a_dictionary_in_an_array_is_unwrapped():
    saved = np.array({'conv1': np.ones(3)}, dtype=object)
    loaded = array_pickle.load(io.BytesIO(pickle.dumps(saved, 4)))
    np.testing.assert_array_equal(loaded['conv1'], np.ones(3))


@pytest.mark.parametrize(
    'value',
    [np.array([1, None]), np.array(['text']), np.zeros(2, 'f4,i4'), np.zeros(2, 'M8[s]'), print],
)
def test_other_values_are_refused(value):
    with pytest.raises(array_pickle.Refused):
        array_pickle.load(io.BytesIO(pickle.dumps(value, 2)))


# An object dtype whose state says that it holds no objects: NumPy would follow bytes as pointers.
_FORGED = b"cnumpy\ndtype\n(S'O8'\nI0\nI1\ntR(I3\nS'|'\nNNNI-1\nI-1\nI0\ntb"
FORGERIES = [
    b'cnumpy.core.multiarray\nscalar\n(' + _FORGED + b"S'AAAAAAAA'\ntR.",
    b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR"
    b'(I1\n(I1\nt' + _FORGED + b"I00\nS'AAAAAAAA'\ntb.",
]


@pytest.mark.parametrize('forged', FORGERIES)
def test_a_forged_dtype_does_no_harm(forged):
    """Runs in a process of its own, which would crash with NumPy's own types."""
    program = (
        'import io, sys\n'
        'from input_pipeline import array_pickle\n'
        'try:\n'
        '    print(array_pickle.load(io.BytesIO(sys.stdin.buffer.read())))\n'
        'except array_pickle.Refused:\n'
        '    print("refused")\n'
    )
    completed = subprocess.run([sys.executable, '-c', program], input=forged, capture_output=True)
    assert (completed.returncode, completed.stdout) == (0, b'refused\n'), completed.stderr


def test_a_memo_takes_no_more_memory_than_what_is_in_it():
    for put in (b'r\xff\xff\xff\x7f', b'p2147483647\n'):
        tracemalloc.start()
        assert array_pickle.load(io.BytesIO(b'\x80\x02N' + put + b'.')) is None
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
        tracemalloc.stop()


BUFFER = b'cnumpy._core.numeric\n_frombuffer\n(h\0h\1(J\0\0\x10\0tX\1\0\0\0CtR'
ENCODED = b'c_codecs\nencode\nh\0X\6\0\0\0latin1\x86R'  # of the text
PROTOCOL_2 = b'cnumpy\nndarray\n)R((J\0\0\x10\0th\1\x89' + ENCODED + b'tb'
STATE = b'cnumpy\nndarray\n)R((J\0\0\x10\0th\1\x89h\0tb'
MEGABYTE = bytes(1 << 20)


@pytest.mark.parametrize(
    ('data', 'array', 'number'),
    [
        pytest.param(b'J\0\0\0\x20', BUFFER, 0, id='a number, read as so many zeros'),
        pytest.param(b'X\0\0\x10\0' + MEGABYTE, STATE, 99, id='one text for many arrays'),
        pytest.param(b'X\0\0\x10\0' + MEGABYTE, PROTOCOL_2, 99, id='one text, encoded for each'),
    ],
)
def test_arrays_take_no_more_memory_than_their_file(data, array, number):
    dtype = b'cnumpy\ndtype\n(X\2\0\0\0u1tRq\1'
    program = b'\x80\x02' + data + b'q\0' + dtype + b'](' + 99 * array + b'e.'
    loaded = []
    tracemalloc.start()
    with contextlib.suppress(TypeError):  # of the number
        loaded = array_pickle.load(io.BytesIO(program))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(loaded) == number
    assert peak < 10 << 20


def test_a_program_of_too_many_operations_is_refused():
    """Each of these bytes would be a list of 56."""
    with pytest.raises(array_pickle.Refused, match='more than 1,000,000 operations'):
        array_pickle.load(io.BytesIO(b']' * 1_000_001 + b'.'))


TUPLES = {
    'nested deep, whose hash overflows the stack': b')' + b'\x85' * 200_000,
    'of a tuple twice, and so on, whose hash takes forever': b')' + b'2\x86' * 60,
}


@pytest.mark.parametrize('key', TUPLES.values(), ids=TUPLES)
@pytest.mark.parametrize(
    ('before', 'after'),
    [(b'}', b'Ns'), (b'}(', b'Nu'), (b'(', b'Nd'), (b'\x8f(', b'\x90'), (b'(', b'\x91')],
    ids=['SETITEM', 'SETITEMS', 'DICT', 'ADDITEMS', 'FROZENSET'],
)
def test_a_tuple_is_no_key(key, before, after):
    """Runs in a process of its own, which could crash or never end."""
    program = (
        'import io, sys\n'
        'from input_pipeline import array_pickle\n'
        'try:\n'
        '    array_pickle.load(io.BytesIO(sys.stdin.buffer.read()))\n'
        'except array_pickle.Refused as error:\n'
        '    print(error)\n'
    )
    completed = subprocess.run(
        [sys.executable, '-c', program],
        input=b'\x80\x02' + before + key + after + b'.',
        capture_output=True,
        timeout=60,
    )
    assert completed.returncode == 0, completed.stderr
    assert completed.stdout == b'a key that is a tuple\n'


def test_plain_values_are_keys():
    saved = {'a': 1, b'b': 2, 3: 3, 4.5: {5, 'a'}, None: frozenset([6]), True: 7}
    for protocol in (2, 4):  # sets are calls in the first
        stored = saved if protocol > 2 else saved | {4.5: 0, None: 0}
        assert array_pickle.load(io.BytesIO(pickle.dumps(stored, protocol)))[3] == 3


def test_a_text_with_the_bytes_of_an_array_stays_a_text():
    (array, text) = array_pickle.load(io.BytesIO(pickle.dumps([np.array([97], np.uint8), 'a'], 2)))
    assert (array.tolist(), text) == ([97], 'a')


def test_what_is_referred_to_twice_is_built_once():
    nested = [np.ones(2)]
    for _ in range(60):  # 2 ** 60 lists, if each were built anew
        nested = [nested, nested]
    loaded = array_pickle.load(io.BytesIO(pickle.dumps(nested, 2)))
    assert loaded[0] is loaded[1]


def test_a_pickle_cannot_change_what_reads_the_next_one():
    """BUILD sets attributes of whatever is on the stack, such as a stand-in."""
    for state in (b'}', b'N}X\x05\x00\x00\x00buildNs\x86'):
        with pytest.raises(array_pickle.Refused, match='a change of the reader'):
            array_pickle.load(io.BytesIO(b'\x80\x02cnumpy\nndarray\n' + state + b'b.'))


def test_persistent_ids_are_refused_where_there_are_none():
    with pytest.raises(array_pickle.Refused, match='outside the file'):
        array_pickle.load(io.BytesIO(b'Pname\n.'))
