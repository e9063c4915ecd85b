"""Numbered SavedModels that are whole, checked, or not there."""

import itertools
import json
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Sequence

import keras
import numpy as np
from tensorflow.core.protobuf import saved_model_pb2

from input_pipeline import errors, files

TOLERANCE = 1e-5

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


def write(
    export_dir: pathlib.Path,
    model: keras.Model,
    signatures: dict,
    *,
    version: int | None = None,
    checked_with: tuple[Sequence[bytes], np.ndarray],
) -> tuple[pathlib.Path, float]:
    """Writes one version, reads it back in a fresh process, and only then gives it its name.

    Args:
        export_dir: Directory of the versions, `<export_dir>/<version>/`.
        model: What the signatures call.
        signatures: From `signatures.build`.
        version: The next one if None.
        checked_with: Encoded pictures, and the scores (pictures, classes) float32 that the
            network gave for them.

    Returns:
        The version's directory, and the largest difference of a score read back.

    Raises:
        DataError: The version exists already, or it does not answer as the network does.
    """
    export_dir.mkdir(parents=True, exist_ok=True)
    path = export_dir / str(version or next_version(export_dir))
    if path.exists():
        raise errors.DataError(f'{path} exists already. Give another --export_version.')
    archive = keras.export.ExportArchive()
    archive.track(model)
    for name, (function, spec) in signatures.items():
        archive.add_endpoint(name, function, input_signature=[spec])
    with files.atomic_directory(path) as aside:
        archive.write_out(str(aside), verbose=False)
        _forget_devices(aside)
        difference = _difference(aside, *checked_with)
        if difference > TOLERANCE:
            raise errors.DataError(
                f'the SavedModel answers otherwise than the network: scores differ by '
                f'{difference:.2g}, at most {TOLERANCE:g} was expected. {path} was not written.'
            )
    return path, difference


def next_version(export_dir: pathlib.Path) -> int:
    """One more than the highest number there."""
    numbers = [int(each.name) for each in export_dir.iterdir() if each.name.isdigit()]
    return max(numbers, default=0) + 1


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
