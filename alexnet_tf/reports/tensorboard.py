"""TensorBoard: event files with scalars, images, hyperparameters and profiles."""

import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from input_pipeline import files

_EVENT_FILES = 'events.out.tfevents.*'


class SummaryWriter:
    """Writes event files of a run to `<directory>/<split>`.

    Args:
        directory: The log directory of one run; None: nothing is written.
    """

    def __init__(self, directory: pathlib.Path | None):
        self._directory, self._writers, self._is_profiling = directory, {}, False

    def write_scalars(self, split: str, values: Mapping[str, float], step: int) -> None:
        """Writes one point of each named curve."""
        if self._directory:
            with self._get_writer(split).as_default():
                for name, value in values.items():
                    tf.summary.scalar(name, value, step)

    def write_image(self, split: str, name: str, image: np.ndarray, step: int) -> None:
        """Writes an image, (height, width, 3) uint8 RGB."""
        if self._directory:
            with self._get_writer(split).as_default():
                tf.summary.image(name, image[None], step)

    def write_hyperparameters(self, values: Mapping[str, Any]) -> None:
        """Writes the settings of the run for the HParams page, above the curves of all splits."""
        if not self._directory:
            return
        # Not plugins.hparams.api: it imports tf.keras, which may be a Keras that is not installed.
        from tensorboard.plugins.hparams import summary_v2

        plain = (bool, int, float, str)
        shown = {k: v if isinstance(v, plain) else str(v) for k, v in values.items()}
        with self._get_writer('.').as_default():  # the page shows only curves in subdirectories
            summary_v2.hparams(shown, trial_id=str(self._directory.parent.absolute()))

    def start_profile(self, split: str) -> None:
        """Starts a profile, unless one is still running from before a rollback."""
        if self._directory and not self._is_profiling:
            tf.profiler.experimental.start(str(self._directory / split))
            self._is_profiling = True

    def stop_profile(self) -> None:
        """Stops the profile, if one is running, and writes it."""
        if self._is_profiling:
            tf.profiler.experimental.stop()
            self._is_profiling = False

    def flush(self) -> None:
        """Writes to the disk whatever is still in memory."""
        for writer in self._writers.values():
            writer.flush()

    def rewind(self, step: int | None, without: tuple[str, ...] = ()) -> None:
        """Removes the events of later steps.

        Args:
            step: The last step to keep; None: all are removed.
            without: Prefixes of tags whose events at `step` itself are removed, too.
        """
        for writer in self._writers.values():
            writer.close()
        self._writers = {}
        for path in sorted(self._directory.rglob(_EVENT_FILES)) if self._directory else ():
            if step is None:
                path.unlink()
            else:
                _truncate(path, step, without)

    def _get_writer(self, split: str) -> tf.summary.SummaryWriter:
        if split not in self._writers:
            self._writers[split] = tf.summary.create_file_writer(str(self._directory / split))
        return self._writers[split]


def _truncate(path: pathlib.Path, step: int, without: tuple[str, ...]) -> None:
    """Removes later events from a file, and a last, partial one that a killed process left."""
    kept, is_whole = [], True
    try:
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            if _is_kept(event, step, without):
                kept.append(record.numpy())
            else:
                is_whole = False
    except tf.errors.DataLossError:
        is_whole = False
    if not is_whole:
        with files.atomic_file(path) as temporary, tf.io.TFRecordWriter(str(temporary)) as writer:
            for record in kept:
                writer.write(record)


def _is_kept(event: tf.compat.v1.Event, step: int, without: tuple[str, ...]) -> bool:
    if event.step == step:
        return not any(value.tag.startswith(without) for value in event.summary.value)
    return event.step < step
