"""Reads the pickles of PyTorch's files without PyTorch, and without running what they name.

A file holds a pickle of dictionaries of tensors and, apart from it, the tensors' storages, to which
the pickle refers by persistent ids. Stand-ins record how a tensor lies in its storage; arrays are
built from the storages afterwards.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, BinaryIO, NamedTuple

import ml_dtypes
import numpy as np

from alexnet_tf.models.weights import weight_file
from input_pipeline import array_pickle, errors

# What the storages of PyTorch hold, without the byte order.
_DTYPES = {
    'FloatStorage': np.dtype(np.float32),
    'DoubleStorage': np.dtype(np.float64),
    'HalfStorage': np.dtype(np.float16),
    'BFloat16Storage': np.dtype(ml_dtypes.bfloat16),
    'LongStorage': np.dtype(np.int64),
    'IntStorage': np.dtype(np.int32),
    'ShortStorage': np.dtype(np.int16),
    'CharStorage': np.dtype(np.int8),
    'ByteStorage': np.dtype(np.uint8),
    'BoolStorage': np.dtype(np.bool_),
}
# Where programs that save more than the weights keep them.
_WRAPPERS = ('state_dict', 'model_state_dict', 'model', 'net', 'weights')


class Storage(NamedTuple):  # a pickle can set the attributes of a frozen dataclass
    """A storage that a pickle refers to.

    Attributes:
        key: Its name in the file.
        dtype: Dtype of its numbers, in this machine's byte order.
        size: Count of its numbers.
        start: Index of the first number that tensors see.
        length: Count of the numbers that tensors see.
    """

    key: str
    dtype: np.dtype
    size: int
    start: int
    length: int


class Tensor(NamedTuple):
    """A tensor, as a strided view of a storage.

    Attributes:
        storage: Where its numbers are.
        offset: Index of the first one.
        shape: Shape of the tensor.
        strides: Distance between neighbours in each dimension, in numbers.
    """

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def build(self, name: str, storage: np.ndarray) -> np.ndarray:
        """Makes an array of the storage's numbers, without a copy.

        Args:
            name: The tensor's name, for messages.
            storage: (size,) of the storage's dtype.

        Raises:
            DataError: The tensor lies outside the storage, or its elements overlap.
        """
        numbers = (self.offset, *self.shape, *self.strides)
        if any(type(number) is not int or number < 0 for number in numbers):
            raise errors.DataError(f'{name} has a negative or unknown size, offset or stride.')
        if len(self.shape) != len(self.strides):
            sizes = f'{len(self.shape)} sizes, but {len(self.strides)} strides'
            raise errors.DataError(f'{name} has {sizes}.')
        itemsize = self.storage.dtype.itemsize
        count = weight_file.count_bytes(name, self.shape, itemsize) // itemsize
        length = self.storage.length
        last = self.offset + sum(
            (size - 1) * stride for size, stride in zip(self.shape, self.strides, strict=True)
        )
        if count and (last >= length or count > length):
            raise errors.DataError(
                f'{name} of shape {self.shape} reaches number {max(last + 1, count):,} of its '
                f'storage, which has {length:,}.'
            )
        part = storage[self.storage.start :][self.offset if count else 0 :]
        strides = [stride * part.itemsize for stride in self.strides]
        return np.lib.stride_tricks.as_strided(part, self.shape, strides, writeable=False)


def load(file: BinaryIO) -> tuple[Any, dict[str, Storage]]:
    """Reads a pickle of PyTorch.

    Args:
        file: Open file at the position of the pickle; afterwards it is past it.

    Returns:
        Dictionaries, lists and plain values, with a `Tensor` for each tensor; and all storages that
        it refers to, by key.

    Raises:
        DataError: The pickle asks for something else.
        Exception: Any kind, where a file is broken or hostile.
    """
    storages: dict[str, Storage] = {}

    def find_storage(pid: Any) -> Storage:
        storage = _parse_storage(pid)
        known = storages.setdefault(storage.key, storage)
        if (known.dtype, known.size) != (storage.dtype, storage.size):
            raise errors.DataError(f'storage {storage.key} has two types or sizes.')
        return storage

    try:
        return array_pickle.unpickle(file, _STAND_INS, find_storage), storages
    except array_pickle.Refused as error:
        raise errors.DataError(
            f'its pickle asks for {error}, but only tensors are admitted. If you trust the file, '
            'load it with PyTorch and save its state_dict() alone.'
        ) from error


def find_tensors(root: Any) -> dict[str, Tensor]:
    """Finds the tensors of a network in an unpickled object.

    Args:
        root: A dictionary of tensors, or one that holds it as 'state_dict' or under a similar name.

    Returns:
        Tensors by name.

    Raises:
        DataError: There are none.
    """
    mapping = root if isinstance(root, dict) else {}
    for wrapper in _WRAPPERS:
        if isinstance(mapping.get(wrapper), dict):
            mapping = mapping[wrapper]
            break
    tensors = {str(key): value for key, value in mapping.items() if isinstance(value, Tensor)}
    if not tensors:
        raise errors.DataError('it holds no dictionary of tensors, such as a state_dict.')
    return tensors


class _OrderedDict(dict):
    """Stands in for collections.OrderedDict; its attributes (versions of modules) are dropped.

    Pickles of Python 2 pass a list of pairs. The list is emptied, since a pickle that copies the
    same list again and again could fill the memory.
    """

    __slots__ = ()

    def __init__(self, pairs: Any = ()):
        super().__init__()
        if type(pairs) is not list and pairs != ():
            raise array_pickle.Refused(f'a dictionary of a {type(pairs).__name__}')
        for key, value in pairs:
            array_pickle.check_keys([key])
            self[key] = value
        if pairs:
            pairs.clear()

    def __setstate__(self, state: Any):
        pass


def _rebuild_tensor(
    storage: Storage, offset: int, shape: Sequence[int], strides: Sequence[int], *_: Any
) -> Tensor:
    if not isinstance(storage, Storage):
        raise array_pickle.Refused('a tensor without a storage')
    if type(shape) is not tuple or type(strides) is not tuple:
        raise array_pickle.Refused('a tensor whose shape is no tuple')
    return Tensor(storage, offset, shape, strides)


def _rebuild_parameter(tensor: Tensor, *_: Any) -> Tensor:
    return tensor


class _StorageType:
    """Stands in for torch.FloatStorage and the like, which persistent ids name."""

    __slots__ = ('dtype',)

    def __init__(self, dtype: np.dtype):
        self.dtype = dtype

    def __call__(self, *_: Any):
        raise array_pickle.Refused('a storage made by the pickle itself')


def _parse_storage(pid: Any) -> Storage:
    kind, storage_type, key, _, size, *view = pid
    if kind != 'storage' or not isinstance(key, str):
        raise array_pickle.Refused('an object outside the file that is no storage')
    start, length = view[0][1:] if view and view[0] else (0, size)
    numbers = (size, start, length)
    if any(type(number) is not int or number < 0 for number in numbers) or start + length > size:
        raise errors.DataError(f'storage {key} has a part outside itself: {numbers}.')
    return Storage(key, storage_type.stand_in.dtype, size, start, length)


_STAND_INS: Mapping[tuple[str, str], Callable] = {
    ('collections', 'OrderedDict'): _OrderedDict,
    ('torch._utils', '_rebuild_tensor'): _rebuild_tensor,
    ('torch._utils', '_rebuild_tensor_v2'): _rebuild_tensor,
    ('torch._utils', '_rebuild_parameter'): _rebuild_parameter,
    ('torch.nn.parameter', 'Parameter'): _rebuild_parameter,
    **{('torch', name): _StorageType(dtype) for name, dtype in _DTYPES.items()},
}
