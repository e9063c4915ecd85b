"""What TensorBoard shows."""

import pathlib
from collections.abc import Mapping

import numpy as np
import tensorflow as tf


class Writer:
    """Writes scalars and pictures of a run to `<directory>/<split>`.

    Args:
        directory: The log directory of one run.
    """

    def __init__(self, directory: pathlib.Path):
        self._directory, self._writers = directory, {}

    def scalars(self, split: str, values: Mapping[str, float], step: int) -> None:
        """One point on each named curve."""
        with self._of(split).as_default():
            for name, value in values.items():
                tf.summary.scalar(name, value, step)

    def picture(self, split: str, name: str, picture: np.ndarray, step: int) -> None:
        """A picture (height, width, 3) uint8."""
        with self._of(split).as_default():
            tf.summary.image(name, picture[None], step)

    def flush(self) -> None:
        """Makes everything written so far visible."""
        for each in self._writers.values():
            each.flush()

    def _of(self, split: str):
        if split not in self._writers:
            self._writers[split] = tf.summary.create_file_writer(str(self._directory / split))
        return self._writers[split]
