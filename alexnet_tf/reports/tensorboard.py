"""What TensorBoard shows."""

import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from input_pipeline import files

_EVENTS = 'events.out.tfevents.*'


class Writer:
    """Writes scalars and pictures of a run to `<directory>/<split>`.

    Args:
        directory: The log directory of one run; None: nothing is written.
    """

    def __init__(self, directory: pathlib.Path | None):
        self._directory, self._writers, self._profiles = directory, {}, False

    def scalars(self, split: str, values: Mapping[str, float], step: int) -> None:
        """One point on each named curve."""
        if self._directory:
            with self._of(split).as_default():
                for name, value in values.items():
                    tf.summary.scalar(name, value, step)

    def picture(self, split: str, name: str, picture: np.ndarray, step: int) -> None:
        """A picture (height, width, 3) uint8."""
        if self._directory:
            with self._of(split).as_default():
                tf.summary.image(name, picture[None], step)

    def numbers(self, split: str, values: Mapping[str, Any]) -> None:
        """The run's settings, for the page of hyper-parameters."""
        if not self._directory:
            return
        from tensorboard.plugins.hparams import api  # it takes a while

        plain = (bool, int, float, str)
        shown = {k: v if isinstance(v, plain) else str(v) for k, v in values.items()}
        with self._of(split).as_default():
            api.hparams(shown, trial_id=self._directory.parent.name)

    def profile(self, split: str, *, begins: bool, ends: bool) -> None:
        """Begins or ends a profile."""
        if begins and self._directory and not self._profiles:  # training may go back to here
            tf.profiler.experimental.start(str(self._directory / split))
            self._profiles = True
        if ends and self._profiles:
            tf.profiler.experimental.stop()
            self._profiles = False

    def flush(self) -> None:
        """Makes everything written so far visible."""
        for each in self._writers.values():
            each.flush()

    def rewind(self, step: int | None, without: tuple[str, ...] = ()) -> None:
        """Takes away what was written of later steps than this; of all steps where it is None.

        Args:
            step: The last that stays.
            without: Beginnings of tags that do not stay of this step either.
        """
        for each in self._writers.values():
            each.close()
        self._writers = {}
        for path in sorted(self._directory.rglob(_EVENTS)) if self._directory else ():
            if step is None:
                path.unlink()
            else:
                _cut(path, step, without)

    def _of(self, split: str):
        if split not in self._writers:
            self._writers[split] = tf.summary.create_file_writer(str(self._directory / split))
        return self._writers[split]


def _cut(path: pathlib.Path, step: int, without: tuple[str, ...]) -> None:
    """Takes events of later steps out of a file, and what a killed process wrote by halves."""
    kept, whole = [], True
    try:
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            tags = [value.tag for value in event.summary.value]
            gone = event.step == step and any(tag.startswith(without) for tag in tags)
            if event.step <= step and not gone:
                kept.append(record.numpy())
            else:
                whole = False
    except tf.errors.DataLossError:
        whole = False
    if whole:
        return
    with files.atomic_file(path) as aside, tf.io.TFRecordWriter(str(aside)) as writer:
        for each in kept:
            writer.write(each)
