"""What a network says about pictures in files, a batch at a time."""

import collections
import concurrent.futures
import dataclasses
import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from alexnet_tf.models import alexnet, outputs
from alexnet_tf.runs import run as runs
from input_pipeline import errors
from input_pipeline.batches import preprocessing
from input_pipeline.records import writing
from input_pipeline.sources import entries

_AHEAD = 2  # batches that are read while one is computed


@dataclasses.dataclass(frozen=True)
class Answer:
    """To one file.

    Attributes:
        path: Of the file.
        values: (values,) float32: probabilities, or features; None where there is an error.
        square: (size, size, 3) uint8, the picture as records would hold it; or None.
        error: What is wrong with the file.
    """

    path: str
    values: np.ndarray | None = None
    square: np.ndarray | None = None
    error: str = ''


class Predictor:
    """Answers files by a function of their pictures; memory does not grow with their number.

    Args:
        network: Says how pictures are turned, and their size.
        function: Squares (batch, size, size, 3) uint8 -> (batch, values).
        batch_size: Pictures a step.
    """

    def __init__(self, network: runs.Run, function: Callable, *, batch_size: int):
        self._exif, self._size = network.exif_orientation, len(network.mean_image)
        self._pictures = batch_size
        squares = tf.TensorSpec([None, self._size, self._size, 3], tf.uint8)
        self._compute = tf.function(
            function, input_signature=[squares], autograph=False, jit_compile=False
        )

    def __call__(self, paths: Sequence[str]) -> Iterator[Answer]:
        """The answers in the order of the paths."""
        size = min(self._pictures, len(paths))  # one for all batches: each is compiled
        reading = self._reading(paths, ahead=_AHEAD * size)
        while group := list(itertools.islice(reading, size)):
            yield from self._answers(group, size)

    def _reading(self, paths, ahead: int) -> Iterator[tuple[str, np.ndarray | str]]:
        """Each path with its square, or what is wrong with it; threads read some ahead."""
        waiting: collections.deque = collections.deque()
        pool = concurrent.futures.ThreadPoolExecutor(os.cpu_count())
        try:
            for path in paths:
                waiting.append((path, pool.submit(self._read, path)))
                if len(waiting) > ahead:
                    path, square = waiting.popleft()
                    yield path, square.result()
            while waiting:
                path, square = waiting.popleft()
                yield path, square.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _answers(self, group, size: int) -> Iterator[Answer]:
        squares = [each for _, each in group if not isinstance(each, str)]
        filling = [np.zeros((self._size, self._size, 3), np.uint8)] * (size - len(squares))
        values = iter(self._compute(np.stack(squares + filling)).numpy() if squares else ())
        for path, each in group:
            if isinstance(each, str):
                yield Answer(path, error=each)
            else:
                yield Answer(path, next(values), each)

    def _read(self, path: str) -> np.ndarray | str:
        try:
            return writing.read_square(
                entries.File(path, -1)(),
                exif_orientation=self._exif,
                square_size=self._size,
            ).numpy()
        except (tf.errors.OpError, OSError, ValueError, errors.DataError) as error:
            return errors.reason(error)


def probabilities(networks: Sequence[runs.Run], weights: Sequence[float], views: int) -> Callable:
    """squares -> the weighted mean of some networks' probabilities, of 1, 9 or 10 views.

    Args:
        networks: Trained on the same records.
        weights: Of each; only their proportions count.
        views: Of a picture.
    """
    shares = (np.asarray(weights) / np.sum(weights)).tolist()

    def one(network, squares):
        logits = network.model(_views(network, squares, views), training=False)
        return alexnet.averaged_probabilities(logits, views)

    def mean(squares):
        pairs = zip(shares, networks, strict=True)
        return tf.add_n([share * one(network, squares) for share, network in pairs])

    return mean


def features(network: runs.Run) -> Callable:
    """squares -> the last hidden layer of the central view; see `alexnet.hidden`."""
    model = alexnet.hidden(network.model)
    return lambda squares: model(_views(network, squares, 1), training=False)


def _views(network: runs.Run, squares, number: int):
    return preprocessing.views(
        squares, network.mean_image, crop_size=network.recipe.crop_size, number=number
    )


def best(scores: np.ndarray, number: int) -> list[int]:
    """The likeliest classes, best first; of equal ones the first in label order."""
    return np.argsort(-scores, kind='stable')[:number].tolist()


def row(file: str, scores: np.ndarray, names: Sequence[str]) -> dict[str, Any]:
    """What is said of a picture: file, its TOP likeliest classes and their probabilities."""
    likeliest = best(scores, outputs.TOP_K)
    return {
        'file': file,
        'classes': [names[each] for each in likeliest],
        'probabilities': [float(scores[each]) for each in likeliest],
    }
