"""Numbered SavedModels that are whole, checked, or not there."""

import dataclasses
import itertools
import json
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from alexnet_tf.export import formats, requests, signatures, untrusted_images
from input_pipeline import errors, files, locks

TOLERANCE = 1e-5
CLASSES = 'classes.txt'  # asset: a name a line, in label order
_DESCRIPTION, _REST, _GRPC = 'signature.json', 'request.json', 'request.pb'
_OTHERS = (suffix.lstrip('.') for suffix in formats.SUFFIXES.values())
BESIDE = (_DESCRIPTION, _REST, _GRPC, *_OTHERS)  # files that belong to a version
_EXAMPLE = 'serving_default'
LIMITS = {
    'bytes_a_picture': untrusted_images.MOST_BYTES,
    'pixels_a_picture': untrusted_images.MOST_PIXELS,
    'pictures_a_request': untrusted_images.MOST_PICTURES,
    'pictures_a_request_of_ten_views': signatures.MOST_OF_TEN_VIEWS,
    'formats': ['JPEG', 'PNG', 'GIF (first picture)', 'BMP', 'WebP'],
}

# What a stranger would write: plain TensorFlow, nothing of this package.
_READER = """
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
class Written:
    """A version.

    Attributes:
        path: Its directory.
        difference: The largest difference of a score read back.
        warm: Whether it has requests for a server's warm-up.
    """

    path: pathlib.Path
    difference: float
    warm: bool


def write(
    export_dir: pathlib.Path,
    variables: Sequence[tf.Variable],
    answers: dict[str, Callable],
    classes: Sequence[str],
    *,
    version: int | None = None,
    checked_with: tuple[Sequence[bytes], np.ndarray],
    also: Callable[[pathlib.Path, pathlib.Path], None] = lambda *_: None,
) -> Written:
    """Writes one version, reads it back in a fresh process, and only then gives it its name.

    Beside it go `<version>.signature.json`, what it takes and gives, and an example of a request
    by REST and, with tensorflow-serving-api, by gRPC.

    Args:
        export_dir: Directory of the versions, `<export_dir>/<version>/`.
        variables: That the signatures read.
        answers: From `signatures.build`.
        classes: Names in label order, for the asset.
        version: The next one if None.
        checked_with: Encoded pictures, and the scores (pictures, classes) float32 that the
            network gave for them.
        also: Called with the version as it is before it has its name, and with its path to be:
            writes what else belongs beside it, or raises.

    Raises:
        DataError: The version exists already, it does not answer as the network does, or
            another process exports to the same place.
    """
    with locks.held(export_dir):
        return _written(
            export_dir, variables, answers, classes, version, checked_with=checked_with, also=also
        )


def _written(export_dir, variables, answers, classes, version, *, checked_with, also) -> Written:
    files.clear_left_aside(export_dir)
    path = free(export_dir, version)
    for each in BESIDE:  # of a version that was taken away
        path.with_name(f'{path.name}.{each}').unlink(missing_ok=True)
    example = checked_with[0][0]
    with files.atomic_directory(path) as aside:
        save(aside, variables, answers, classes)
        warm = requests.write_warm_up(aside, answers, example)
        difference = _difference(aside, *checked_with)
        if not difference <= TOLERANCE:
            raise errors.DataError(
                f'the SavedModel answers otherwise than the network: scores differ by '
                f'{difference:.2g}, at most {TOLERANCE:g} was expected. {path} was not written.'
            )
        _write_beside(path, requests.description(aside, LIMITS), example)
        also(aside, path)
    return Written(path, difference, warm)


def versions(export_dir: pathlib.Path) -> list[int]:
    """The numbers of the versions in a directory, in order."""
    found = (each.name for each in export_dir.glob('*') if each.is_dir())
    return sorted(int(name) for name in found if name.isascii() and name.isdecimal())


def free(export_dir: pathlib.Path, version: int | None) -> pathlib.Path:
    """The path of a version that is not there yet; if None, one more than the highest number.

    Raises:
        DataError: It is there.
    """
    path = export_dir / str(version or max(versions(export_dir), default=0) + 1)
    if path.exists():
        raise errors.DataError(f'{path} exists already. Give another --export_version.')
    return path


def save(path: pathlib.Path, variables, answers, classes) -> None:
    """Writes a SavedModel, unchecked, into a directory; arguments as those of `write`."""
    served = tf.Module()
    served.held = list(variables)
    # Traced here, where what ran before counts: the saver would trace all anew.
    traced = {name: each.get_concrete_function() for name, each in answers.items()}
    with tempfile.TemporaryDirectory() as scratch:
        names = pathlib.Path(scratch) / CLASSES
        names.write_text(''.join(f'{" ".join(each.split())}\n' for each in classes))
        served.classes = tf.saved_model.Asset(str(names))
        options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
        tf.saved_model.save(served, str(path), signatures=traced, options=options)
    _forget_devices(path)


def _write_beside(path: pathlib.Path, description, example: bytes) -> None:
    beside = {
        _DESCRIPTION: (json.dumps(description, indent=2) + '\n').encode(),
        _REST: requests.rest(_EXAMPLE, example).encode(),
        _GRPC: requests.grpc(_EXAMPLE, example),
    }
    for name, text in beside.items():
        if text is not None:
            files.write_atomically(path.with_name(f'{path.name}.{name}'), text)


def _forget_devices(path: pathlib.Path) -> None:
    """Clears the device of every node: TensorFlow's saver writes that of its own ones.

    The fingerprint is of the graph as it was; loaders do without one.
    """
    graph = path / 'saved_model.pb'
    saved = saved_model_pb2.SavedModel.FromString(graph.read_bytes())
    for each in saved.meta_graphs:
        functions = (node for one in each.graph_def.library.function for node in one.node_def)
        for node in itertools.chain(each.graph_def.node, functions):
            node.device = ''
    graph.write_bytes(saved.SerializeToString(deterministic=True))
    (path / 'fingerprint.pb').unlink(missing_ok=True)


def _difference(path: pathlib.Path, encoded: Sequence[bytes], expected: np.ndarray) -> float:
    with tempfile.TemporaryDirectory() as scratch:
        asked, answered = (pathlib.Path(scratch) / name for name in ('asked.npz', 'answered.npy'))
        bounds = np.cumsum([0, *map(len, encoded)])
        np.savez(asked, bounds=bounds, data=np.frombuffer(b''.join(encoded), np.uint8))
        command = [sys.executable, '-c', _READER, str(path.resolve()), str(asked), str(answered)]
        done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, check=False)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ['no message'])[-1]
            raise errors.DataError(f'the SavedModel cannot be read back: {last}')
        return float(np.abs(np.load(answered) - expected).max())


def describe(path: pathlib.Path) -> str:
    """How to ask it, in three lines."""
    return json.dumps(str(path)).join(
        (
            'model = tf.saved_model.load(',
            ")\nanswer = model.signatures['serving_default'](\n"
            "    images=tf.constant([open('photo.jpg', 'rb').read()]))",
        )
    )
