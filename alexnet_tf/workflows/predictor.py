"""What trained networks say about pictures in files, a batch at a time."""

import collections
import concurrent.futures
import dataclasses
import itertools
import os
from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf

import input_pipeline
from alexnet_tf.training import step as steps
from alexnet_tf.workflows import run as runs

_AHEAD = 2  # batches that are read while one is scored


@dataclasses.dataclass(frozen=True)
class Answer:
    """To one file.

    Attributes:
        path: Of the file.
        scores: (classes,) float32 probabilities; None where there is an error.
        square: (size, size, 3) uint8, the picture as records would hold it; or None.
        error: What is wrong with the file.
    """

    path: str
    scores: np.ndarray | None = None
    square: np.ndarray | None = None
    error: str = ''


class Predictor:
    """Scores pictures in files by the weighted mean of some networks' probabilities.

    Args:
        networks: Trained on the same records.
        weights: Of each; only their proportions count.
        views: 1, 9 or 10 a picture.
        batch_size: Views a step, at least.
    """

    def __init__(
        self,
        networks: Sequence[runs.Run],
        weights: Sequence[float],
        *,
        views: int,
        batch_size: int,
    ):
        self._exif, self._size = networks[0].exif_orientation, len(networks[0].mean_image)
        self._pictures = max(1, batch_size // views)
        shares = (np.asarray(weights) / np.sum(weights)).tolist()
        members = [_scores_of(each, views) for each in networks]

        @tf.function(
            input_signature=[tf.TensorSpec([None, self._size, self._size, 3], tf.uint8)],
            autograph=False,
            jit_compile=False,
        )
        def score(squares):
            return tf.add_n(
                [share * of(squares) for share, of in zip(shares, members, strict=True)]
            )

        self._score = score

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
            for path, square in waiting:
                yield path, square.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _answers(self, group, size: int) -> Iterator[Answer]:
        squares = [each for _, each in group if not isinstance(each, str)]
        filling = [np.zeros((self._size, self._size, 3), np.uint8)] * (size - len(squares))
        scores = iter(self._score(np.stack(squares + filling)).numpy() if squares else ())
        for path, each in group:
            if isinstance(each, str):
                yield Answer(path, error=each)
            else:
                yield Answer(path, next(scores), each)

    def _read(self, path: str) -> np.ndarray | str:
        try:
            return input_pipeline.shards.read_square(
                input_pipeline.sources.entry.File(path, -1)(),
                exif_orientation=self._exif,
                square_size=self._size,
            ).numpy()
        except (tf.errors.OpError, OSError, ValueError) as error:
            return input_pipeline.errors.reason(error)


def _scores_of(network: runs.Run, views: int):
    def scores(squares):
        seen = input_pipeline.preprocessing.views(
            squares, network.mean_image, crop_size=network.recipe.crop_size, number=views
        )
        return steps.averaged_probabilities(network.model(seen, training=False), views)

    return scores


def best(scores: np.ndarray, number: int) -> list[int]:
    """The likeliest classes, best first; of equal ones the first in label order."""
    return np.argsort(-scores, kind='stable')[:number].tolist()
