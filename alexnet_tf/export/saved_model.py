"""Numbered SavedModels, each checked in a separate process before it gets its name."""

import contextlib
import dataclasses
import itertools
import json
import os
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from absl import logging
from tensorflow.core.protobuf import saved_model_pb2

from alexnet_tf.export import formats, requests, signatures, untrusted_images
from input_pipeline import errors, files, locks

TOLERANCE = 1e-5  # largest difference of a score
CLASSES = 'classes.txt'  # asset: one class name per line, in label order
LIMITS = {
    'bytes_per_image': untrusted_images.MAX_IMAGE_BYTES,
    'pixels_per_image': untrusted_images.MAX_IMAGE_PIXELS,
    'images_per_request': untrusted_images.MAX_IMAGES,
    'images_per_ten_crop_request': signatures.MAX_TEN_CROP_IMAGES,
    'formats': ['JPEG', 'PNG', 'GIF (first frame)', 'BMP', 'WebP'],
}
_DESCRIPTION, _REST, _GRPC = 'signature.json', 'request.json', 'request.pb'
_EXAMPLE = 'serving_default'  # signature of the example requests

# Loads the export as a client would: with TensorFlow, and nothing of this package.
_CLIENT = """
import sys
import numpy as np
import tensorflow as tf
model = tf.saved_model.load(sys.argv[1])
with np.load(sys.argv[2]) as saved:
    bounds, data = saved['bounds'], saved['data'].tobytes()
images = [data[start:end] for start, end in zip(bounds[:-1], bounds[1:])]
scores = model.signatures['serving_default'](images=tf.constant(images))['scores']
np.save(sys.argv[3], scores.numpy())
"""


@dataclasses.dataclass(frozen=True)
class ExportedModel:
    """A version that was written and checked.

    Attributes:
        path: Directory of the SavedModel.
        difference: Largest difference of a score between the export and the network.
        has_warmup: Whether it holds requests for a server's warm-up.
    """

    path: pathlib.Path
    difference: float
    has_warmup: bool


def write(
    export_dir: pathlib.Path,
    served: signatures.ServedModel,
    functions: Mapping[str, Callable],
    *,
    version: int | None = None,
    source: Mapping[str, Any],
    reference: tuple[Sequence[bytes], np.ndarray],
    write_formats: Callable[[pathlib.Path, pathlib.Path], Mapping] = lambda *_: {},
) -> ExportedModel:
    """Writes a version under a temporary name, checks it in a separate process, and renames it.

    Beside the version it writes `<version>.signature.json`, which describes inputs and outputs,
    and an example request for REST and, with tensorflow-serving-api, for gRPC.

    Args:
        export_dir: Directory of the versions, `<export_dir>/<version>/`.
        served: The network.
        functions: Its signatures, from `signatures.build`.
        version: Number of the version; the next free one if None.
        source: What was exported, for the description.
        reference: Encoded images, and the scores (images, classes) float32 that the network
            computes for them.
        write_formats: Writes other formats; called with the temporary and the final path of the
            version. If it raises, no version is left. What it measured is kept as 'formats' in the
            description.

    Raises:
        DataError: The version exists, its scores differ from the network's, or another process
            is exporting to the same directory.
    """
    with locks.acquire(export_dir):
        files.remove_temporary(export_dir)
        path = resolve_path(export_dir, version)
        _remove_sidecars(path)
        encoded, scores = reference
        with _removing_sidecars(path), files.atomic_directory(path) as unnamed:
            save(unnamed, served, functions)
            has_warmup = requests.write_warmup_requests(unnamed, functions, encoded[0])
            difference = _measure_difference(unnamed, encoded, scores)
            if not difference <= TOLERANCE:
                raise errors.DataError(
                    f'the scores of the SavedModel differ from the network by {difference:.2g}; at '
                    f'most {TOLERANCE:g} was expected. {path} was not written.'
                )
            description = requests.describe_signatures(unnamed, LIMITS) | {'source': dict(source)}
            requests.write_source(unnamed, source)
            # Written first: if the process is killed, it shows that the files beside it are from an
            # export.
            _write_sidecars(path, description, encoded[0])
            if measured := write_formats(unnamed, path):
                description['formats'] = dict(measured)
                _write_sidecars(path, description, encoded[0])
    return ExportedModel(path, difference, has_warmup)


def list_versions(export_dir: pathlib.Path) -> list[int]:
    """Lists the numbers of the versions in a directory, in ascending order."""
    names = (path.name for path in export_dir.glob('*') if path.is_dir())
    return sorted(int(name) for name in names if name.isascii() and name.isdecimal())


def resolve_path(export_dir: pathlib.Path, version: int | None) -> pathlib.Path:
    """Returns the path of a version that does not exist yet; None stands for one above the highest.

    Raises:
        DataError: The version exists, or a file that would lie beside it does.
    """
    # The number of a deleted version that has a description is not given again.
    described = (file.name.partition('.')[0] for file in export_dir.glob(f'*.{_DESCRIPTION}'))
    numbers = [int(name) for name in described if name.isascii() and name.isdecimal()]
    path = export_dir / str(version or max([*list_versions(export_dir), *numbers], default=0) + 1)
    has_description = _sidecar(path, _DESCRIPTION).exists()  # of a version that was deleted
    for place in (path, *(() if has_description else _list_sidecars(path))):
        if place.exists():
            raise errors.DataError(f'{place} exists already. Choose another --export_version.')
    return path


def save(path: pathlib.Path, served: signatures.ServedModel, functions: Mapping) -> None:
    """Writes a SavedModel into a directory, unchecked; the arguments are those of `write`."""
    module = tf.Module()
    module.held = list(served.variables)
    # Traced here, so that earlier calls count; the saver would trace every function again.
    traced = {name: function.get_concrete_function() for name, function in functions.items()}
    with tempfile.TemporaryDirectory() as folder:
        names = pathlib.Path(folder) / CLASSES
        lines = ''.join(f'{" ".join(name.split())}\n' for name in served.class_names)
        names.write_text(lines, encoding='utf-8')
        module.classes = tf.saved_model.Asset(str(names))
        options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
        tf.saved_model.save(module, str(path), signatures=traced, options=options)
    _clear_devices(path)


def load(path: pathlib.Path):
    """Loads a SavedModel, without TensorFlow's warnings that it has no gradients."""
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        return tf.saved_model.load(str(path))
    finally:
        logging.set_verbosity(verbosity)


def format_usage(path: pathlib.Path) -> str:
    """Formats three lines of Python that load a version and call it."""
    return (
        f'model = tf.saved_model.load({json.dumps(str(path))})\n'
        "predictions = model.signatures['serving_default'](\n"
        "    images=tf.constant([open('photo.jpg', 'rb').read()]))"
    )


def _sidecar(path: pathlib.Path, suffix: str) -> pathlib.Path:
    return path.with_name(f'{path.name}.{suffix}')


def _list_sidecars(path: pathlib.Path) -> list[pathlib.Path]:
    """Lists the files that may lie beside a version."""
    others = (item.suffix.lstrip('.') for item in formats.FORMATS.values())
    return [_sidecar(path, suffix) for suffix in (_DESCRIPTION, _REST, _GRPC, *others)]


def _remove_sidecars(path: pathlib.Path) -> None:
    """Removes the files that a deleted version of the same number left."""
    for place in _list_sidecars(path):
        place.unlink(missing_ok=True)


@contextlib.contextmanager
def _removing_sidecars(path: pathlib.Path) -> Iterator[None]:
    """Removes the files written beside a version if the block fails."""
    try:
        yield
    except BaseException:
        _remove_sidecars(path)
        raise


def _write_sidecars(path: pathlib.Path, description: Mapping, example: bytes) -> None:
    description = json.dumps(description, indent=2) + '\n'
    files.write_atomically(_sidecar(path, _DESCRIPTION), description.encode())
    files.write_atomically(_sidecar(path, _REST), requests.encode_rest(_EXAMPLE, example).encode())
    if request := requests.encode_grpc(_EXAMPLE, example):
        files.write_atomically(_sidecar(path, _GRPC), request)


def _clear_devices(path: pathlib.Path) -> None:
    """Clears the device of every node; TensorFlow's saver pins its own nodes to one.

    The fingerprint no longer fits the changed graph, and loaders work without it.
    """
    graph_file = path / 'saved_model.pb'
    saved_model = saved_model_pb2.SavedModel.FromString(graph_file.read_bytes())
    for meta_graph in saved_model.meta_graphs:
        graph = meta_graph.graph_def
        function_nodes = (function.node_def for function in graph.library.function)
        for node in itertools.chain(graph.node, *function_nodes):
            node.device = ''
    graph_file.write_bytes(saved_model.SerializeToString(deterministic=True))
    (path / 'fingerprint.pb').unlink(missing_ok=True)


def _measure_difference(path, encoded: Sequence[bytes], expected: np.ndarray) -> float:
    with tempfile.TemporaryDirectory() as folder:
        images, scores = (pathlib.Path(folder) / name for name in ('images.npz', 'scores.npy'))
        bounds = np.cumsum([0, *map(len, encoded)])
        np.savez(images, bounds=bounds, data=np.frombuffer(b''.join(encoded), np.uint8))
        client = subprocess.run(
            [sys.executable, '-c', _CLIENT, str(path.resolve()), str(images), str(scores)],
            cwd=folder,
            # Without logs, the last line is the error; the parent holds a GPU's memory.
            env=os.environ | {'TF_CPP_MIN_LOG_LEVEL': '3', 'CUDA_VISIBLE_DEVICES': '-1'},
            capture_output=True,
            text=True,
            check=False,
        )
        if client.returncode:
            last_line = (client.stderr.strip().splitlines() or ['no message'])[-1]
            raise errors.DataError(f'the SavedModel cannot be loaded: {last_line}')
        return float(np.abs(np.load(scores) - expected).max())
