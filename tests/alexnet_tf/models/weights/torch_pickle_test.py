"""What a pickle of PyTorch may ask for, without PyTorch."""

import subprocess
import sys

import pytest

from alexnet_tf.models.weights import torch_pickle
from input_pipeline import array_pickle

PAIRS = {
    'nested deep': b')' + b'\x85' * 900_000,
    'of a tuple twice, and so on': b')' + b'2\x86' * 60,
}


@pytest.mark.parametrize('key', PAIRS.values(), ids=PAIRS)
def test_a_tuple_is_no_key_of_an_ordered_dictionary(key):
    """Runs in a process of its own, which could crash or never end."""
    program = (
        'import io, sys\n'
        'from alexnet_tf.models.weights import torch_pickle\n'
        'from input_pipeline import errors\n'
        'try:\n'
        '    torch_pickle.load(io.BytesIO(sys.stdin.buffer.read()))\n'
        'except errors.DataError as error:\n'
        '    print(error)\n'
    )
    pickled = b'\x80\x02ccollections\nOrderedDict\n]' + key + b'K\x01\x86a\x85R.'
    done = subprocess.run(
        [sys.executable, '-c', program], input=pickled, capture_output=True, timeout=60, check=False
    )
    assert 'a key that is a tuple' in done.stdout.decode(), done.stderr


def test_an_ordered_dictionary_of_python_2_is_read_once():
    ordered = torch_pickle._OrderedDict
    pairs = [['a', 1], ['b', 2]]
    assert ordered(pairs) == {'a': 1, 'b': 2}
    assert ordered(pairs) == {}  # which no pickle can repeat to fill the memory
    with pytest.raises(array_pickle.Refused, match='a dictionary of a dict'):
        ordered({'a': 1})
