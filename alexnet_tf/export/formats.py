"""The network for LiteRT and ONNX Runtime, by Keras' exporters, checked by running it."""

import contextlib
import importlib
import io
import pathlib
import tempfile
import warnings

import keras
import numpy as np

from input_pipeline import errors, files
from input_pipeline.batches import preprocessing
from input_pipeline.images import decoding

SUFFIXES = {'litert': '.tflite', 'onnx': '.onnx'}
_NEEDED = {
    'litert': ('ai_edge_litert.interpreter',),
    'onnx': ('tf2onnx', 'onnxruntime'),
}
_IMAGES = 'images'


def missing(kind: str) -> str:
    """A package that a format needs and that is not installed; '' where all are."""
    for name in _NEEDED[kind]:
        try:
            importlib.import_module(name)
        except ImportError:
            return name.partition('.')[0]
    return ''


def write(
    path: pathlib.Path,
    model: keras.Model,
    mean_image: np.ndarray,
    *,
    crop_size: int,
    checked_with: tuple[np.ndarray, np.ndarray],
    tolerance: float,
) -> float:
    """Writes a file, runs it, and only then gives it its name; the largest difference of a score.

    It takes images (batch, size, size, 3) uint8 RGB, the central squares that records hold, for
    these formats do not decode pictures, and gives scores (batch, classes) float32.

    Args:
        path: Of the file; its suffix says which of SUFFIXES it is.
        model: images -> logits, in float32, without device scopes.
        mean_image: (size, size, 3) float32.
        crop_size: Side of what the network sees.
        checked_with: Squares (n, size, size, 3) uint8, and their scores (n, classes) float32.
        tolerance: Of a score.

    Raises:
        DataError: It does not answer as expected.
    """
    kind = {suffix: kind for kind, suffix in SUFFIXES.items()}[path.suffix]
    squares, expected = checked_with
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f'.{path.name}.tmp-') as scratch:
        made = pathlib.Path(scratch) / path.name
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter('ignore')  # of the converters, about NumPy
            whole = _whole(model, mean_image, crop_size)
            whole(squares[:1])  # ONNX' exporter wants it to have been called
            whole.export(str(made), format=kind, verbose=False)
        scores = {'litert': _run_litert, 'onnx': _run_onnx}[kind](made, squares)
        difference = float(np.abs(scores - expected).max())
        if not difference <= tolerance:
            raise errors.DataError(
                f'{path.name} answers otherwise than the SavedModel: scores differ by '
                f'{difference:.2g}, at most {tolerance:g} was expected. It was not written.'
            )
        with files.atomic_file(path) as aside:
            made.replace(aside)
    return difference


class Centred(keras.layers.Layer):
    """The central crop of squares, minus the mean image's.

    Args:
        mean_image: (size, size, 3) float32.
        crop_size: Side of the crop.
    """

    def __init__(self, mean_image: np.ndarray, crop_size: int, **kwargs):
        super().__init__(dtype='float32', trainable=False, autocast=False, **kwargs)
        self._mean_image, self._crop_size = mean_image, crop_size

    def call(self, squares):
        return preprocessing.views(squares, self._mean_image, crop_size=self._crop_size, number=1)


def _whole(model: keras.Model, mean_image: np.ndarray, crop_size: int) -> keras.Model:
    size = len(mean_image)
    squares = keras.Input((size, size, decoding.CHANNELS), dtype='uint8', name=_IMAGES)
    logits = model(Centred(mean_image, crop_size, name='centred')(squares))
    return keras.Model(squares, keras.layers.Softmax(dtype='float32', name='scores')(logits))


def _run_litert(path: pathlib.Path, squares: np.ndarray) -> np.ndarray:
    interpreter = importlib.import_module('ai_edge_litert.interpreter').Interpreter(str(path))
    (given,), (answer,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.resize_tensor_input(given['index'], squares.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(given['index'], squares)
    interpreter.invoke()
    return interpreter.get_tensor(answer['index'])


def _run_onnx(path: pathlib.Path, squares: np.ndarray) -> np.ndarray:
    session = importlib.import_module('onnxruntime').InferenceSession(str(path))
    return session.run(None, {_IMAGES: squares})[0]
