"""Exports in other formats: LiteRT and ONNX by Keras' exporters, weights, and Keras' own file.

Float LiteRT and ONNX files are run once before they are kept.
"""

import contextlib
import importlib
import io
import json
import pathlib
import tempfile
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from alexnet_tf.export import litert
from alexnet_tf.models.weights import keras_files
from input_pipeline import errors, files, startup
from input_pipeline.batches import preprocessing


class Format(NamedTuple):
    """A format of exports.

    Attributes:
        suffix: Suffix of its files.
        packages: Modules that it needs.
        extra: The extra of this package that installs them.
    """

    suffix: str
    packages: tuple[str, ...] = ()
    extra: str = ''


_LITERT = ('ai_edge_litert.interpreter',)
FORMATS = {
    'litert': Format('.tflite', _LITERT, 'formats'),
    'litert_int8': Format('.int8.tflite', _LITERT, 'formats'),
    'onnx': Format('.onnx', ('tf2onnx', 'onnxruntime'), 'formats'),
    'safetensors': Format('.safetensors', ('safetensors',), 'weights'),
    'keras': Format('.keras'),
}
_INPUT, _OUTPUT = 'images', 'scores'  # names that other programs ask for


def find_missing_package(kind: str) -> str:
    """Finds a package that a format needs and that is not installed; '' if all are."""
    for name in FORMATS[kind].packages:
        try:
            importlib.import_module(name)
        except ImportError:
            return name.partition('.')[0]
    return ''


def name_file(version: pathlib.Path, kind: str) -> pathlib.Path:
    """Names the file of a format beside the version of a SavedModel.

    >>> name_file(pathlib.Path('export/1'), 'litert_int8').name
    '1.int8.tflite'
    """
    return version.with_name(f'{version.name}{FORMATS[kind].suffix}')


def write_model(
    path: pathlib.Path,
    model: keras.Model,
    preprocess: preprocessing.Preprocessing,
    *,
    reference: tuple[np.ndarray, np.ndarray],
    tolerance: float,
) -> float:
    """Writes a model to a temporary file, runs it, and renames it if its scores are right.

    The exported model takes squares (batch, size, size, 3) uint8 RGB, as records hold them, since
    these formats cannot decode images. It returns scores (batch, classes) float32.

    Args:
        path: File to write; its suffix selects the format.
        model: Images -> logits, in float32, without device scopes.
        preprocess: Makes its images from squares.
        reference: Squares (n, size, size, 3) uint8, and their scores (n, classes) float32.
        tolerance: Largest difference of a score.

    Returns:
        The largest difference of a score from the reference.

    Raises:
        DataError: A score differs by more than the tolerance.
    """
    squares, expected = reference
    with _write_whole(path) as temporary:
        _export(temporary, _prepend_preprocessing(model, preprocess), squares[:1])
        run = {'.tflite': _run_litert, '.onnx': _run_onnx}[path.suffix]
        difference = float(np.abs(run(temporary, squares) - expected).max())
        if not difference <= tolerance:
            raise errors.DataError(
                f'the scores of {path.name} differ from those of the SavedModel by '
                f'{difference:.2g}; at most {tolerance:g} was expected. Nothing was written.'
            )
        return difference


def write_int8(
    path: pathlib.Path,
    model: keras.Model,
    preprocess: preprocessing.Preprocessing,
    representative: np.ndarray,
) -> None:
    """Writes a LiteRT model that computes in int8 wherever LiteRT can, with weights in int8.

    Inputs and outputs are those of `write_model`. Scores are rounded, so they are not compared.

    Args:
        path: File to write.
        model: Images -> logits, in float32, without device scopes.
        preprocess: Makes its images from squares.
        representative: Squares (n, size, size, 3) uint8, from which the range of each layer's
            outputs is chosen.
    """

    def iterate_inputs():
        return ([square[None]] for square in representative)

    with _write_whole(path) as temporary:
        _export(
            temporary,
            _prepend_preprocessing(model, preprocess),
            representative[:1],
            optimizations=[tf.lite.Optimize.DEFAULT],
            representative_dataset=iterate_inputs,
        )


def write_keras(path: pathlib.Path, model: keras.Model, metadata: Mapping[str, str]) -> None:
    """Writes a `.keras` file, whole or not at all.

    Args:
        path: File to write.
        model: Any model.
        metadata: Strings by key, kept in a member of the archive that Keras ignores.
    """
    with _write_whole(path) as temporary:
        model.save(temporary)
        with zipfile.ZipFile(temporary, 'a') as archive:
            archive.writestr(keras_files.DESCRIPTION, json.dumps(dict(metadata)))


@contextlib.contextmanager
def _write_whole(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yields a temporary file of the same name, which becomes `path` if the block succeeds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f'.{path.name}.tmp-') as folder:
        temporary = pathlib.Path(folder) / path.name
        yield temporary
        with files.atomic_file(path) as unnamed:
            temporary.replace(unnamed)


def _prepend_preprocessing(model, preprocess: preprocessing.Preprocessing) -> keras.Model:
    centre = keras.layers.Lambda(
        preprocess.make_views, arguments={'number': 1}, name='centred', dtype='float32'
    )
    squares = keras.Input(preprocess.mean_image.shape, dtype='uint8', name=_INPUT)
    logits = model(centre(squares))
    scores = keras.layers.Softmax(dtype='float32', name=_OUTPUT)(logits)
    return keras.Model(squares, {_OUTPUT: scores})


def _export(path: pathlib.Path, model: keras.Model, example: np.ndarray, **options) -> None:
    with (
        contextlib.redirect_stdout(io.StringIO()),
        startup.suppress_stderr(),  # the converter's C++ logs there
        warnings.catch_warnings(),
    ):
        warnings.simplefilter('ignore')  # the converters' own, about NumPy
        model(example)  # the ONNX exporter requires a model that has been called
        (kind,) = (kind for kind, item in FORMATS.items() if item.suffix == path.suffix)
        model.export(str(path), format=kind, verbose=False, **options)


def _run_litert(path: pathlib.Path, squares: np.ndarray) -> np.ndarray:
    return litert.LiteRTModel(path)(squares)


def _run_onnx(path: pathlib.Path, squares: np.ndarray) -> np.ndarray:
    session = importlib.import_module('onnxruntime').InferenceSession(str(path))
    (scores,) = session.run([_OUTPUT], {_INPUT: squares})
    return scores
