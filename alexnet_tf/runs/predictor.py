"""What a trained network computes for images: probabilities or features, a batch at a time."""

import collections
import concurrent.futures
import dataclasses
import functools
import itertools
import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from alexnet_tf.models import features, inference, outputs
from alexnet_tf.runs import loading
from input_pipeline import cores, errors
from input_pipeline.records import converting
from input_pipeline.sources import entries

_AHEAD = 2  # batches that are read while one is computed

Function = Callable[[tf.Tensor], Any]  # squares -> values: a tensor, or a dict of tensors


@dataclasses.dataclass(frozen=True)
class ImageOutput:
    """What was computed for one image.

    Attributes:
        path: Its file; '' if it came as pixels.
        values: (...) float32: probabilities, or features; a dict of them if the function returns
            one; None if there is an error.
        square: (size, size, 3) uint8 RGB, the image as records store it; None if there is an error.
        error: Why the file could not be read; '' if it could.
    """

    path: str
    values: Any = None
    square: np.ndarray | None = None
    error: str = ''


class Predictor:
    """Applies a function to images, in memory that does not grow with their number.

    Args:
        trained: The run, which decides the size of squares and how files become pixels.
        function: Squares (batch, size, size, 3) uint8 RGB -> (batch, ...), or a dict of these.
        batch_size: Images a step.
    """

    def __init__(self, trained: loading.TrainedRun, function: Function, *, batch_size: int):
        self._rendering, self._size = trained.rendering, len(trained.mean_image)
        self._batch_size = batch_size
        squares = tf.TensorSpec([None, self._size, self._size, 3], tf.uint8)
        self._compute = tf.function(
            function, input_signature=[squares], autograph=False, jit_compile=False
        )
        self._fit_to_square = tf.function(
            lambda image: self._rendering.fit_to_square(image, self._size),
            input_signature=[tf.TensorSpec([None, None, 3], tf.uint8)],
            autograph=False,
        )

    @property
    def output_shapes(self) -> Any:
        """The shape of one image's values; a dict of shapes if the function returns one."""
        structure = self._concrete.structured_outputs
        return tf.nest.map_structure(lambda output: tuple(output.shape[1:]), structure)

    def __call__(self, images: Iterable[str | np.ndarray]) -> Iterator[ImageOutput]:
        """Yields the output for each image, in order.

        Args:
            images: Paths of files, or pixels (height, width, 3) uint8 RGB.
        """
        # One size for all batches, since XLA compiles for each size.
        size = min(self._batch_size, operator.length_hint(images, self._batch_size))
        squares = self._read_ahead(images, ahead=_AHEAD * size)
        while batch := list(itertools.islice(squares, size)):
            yield from self._predict_batch(batch, size)

    @functools.cached_property
    def _concrete(self):
        """The traced function, kept because looking it up takes longer than calling it."""
        return self._compute.get_concrete_function()

    def _read_ahead(self, images, ahead: int) -> Iterator[tuple[str, np.ndarray | str]]:
        """Yields each path with its square or its error; threads read some files ahead."""
        pool = concurrent.futures.ThreadPoolExecutor(cores.count_cores())
        reads = (
            (image if isinstance(image, str) else '', pool.submit(self._read, image))
            for image in images
        )
        waiting = collections.deque(itertools.islice(reads, ahead))
        try:
            while waiting:
                path, image = waiting.popleft()
                waiting.extend(itertools.islice(reads, 1))
                yield path, image.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _read(self, image: str | np.ndarray) -> np.ndarray | str:
        if not isinstance(image, str):
            return self._fit_to_square(image).numpy()
        try:
            return converting.decode_square(
                entries.ImageFile(image, -1)(),
                self._rendering,
                self._size,
            ).numpy()
        except (tf.errors.OpError, OSError, ValueError, errors.DataError) as error:
            if converting.is_of_machine(error):
                raise
            return errors.describe(error)

    def _predict_batch(self, batch, size: int) -> Iterator[ImageOutput]:
        squares = [image for _, image in batch if not isinstance(image, str)]
        padding = [np.zeros((self._size, self._size, 3), np.uint8)] * (size - len(squares))
        values = self._concrete(tf.constant(np.stack(squares + padding))) if squares else ()
        values = tf.nest.map_structure(lambda tensor: tensor.numpy(), values)
        rows = itertools.count()
        for path, image in batch:
            if isinstance(image, str):
                yield ImageOutput(path, error=image)
            else:
                row = next(rows)
                of_image = tf.nest.map_structure(operator.itemgetter(row), values)
                yield ImageOutput(path, of_image, image)


def build_probability_function(
    members: Sequence[loading.TrainedRun],
    weights: Sequence[float],
    views: int,
    *,
    is_live: bool = False,
) -> Function:
    """Returns a function: squares -> the weighted mean of some networks' probabilities.

    Args:
        members: Networks that were trained on the same records.
        weights: A weight for each member. Only their proportions count.
        views: Views of an image: 1, 2, 9 or 10.
        is_live: Whether the weights, which may change, are read at each call; otherwise a copy of
            their current values is used, which is faster to read.
    """
    shares = (np.asarray(weights) / np.sum(weights)).tolist()
    models = [_prepare(trained.model, is_live) for trained in members]

    def predict(trained, model, squares):
        logits = model(trained.preprocess.make_views(squares, views), training=False)
        return outputs.average_probabilities(logits, views)

    def average(squares):
        parts = zip(shares, members, models, strict=True)
        return tf.add_n([share * predict(*member, squares) for share, *member in parts])

    return average


def build_feature_function(trained: loading.TrainedRun) -> Function:
    """Returns a function: squares -> the last hidden layer's activations for the central crop."""
    return build_crop_function(trained, features.build_feature_extractor(trained.model))


def build_crop_function(
    trained: loading.TrainedRun, model: keras.Model, *, is_live: bool = False
) -> Function:
    """Returns a function: squares -> what a model computes for the central crop minus the mean.

    For `is_live` see `build_probability_function`.
    """
    preprocess, model = trained.preprocess, _prepare(model, is_live)
    return lambda squares: model(preprocess.make_views(squares, 1), training=False)


def _prepare(model: keras.Model, is_live: bool) -> keras.Model:
    return model if is_live else inference.build(model)


def select_top_k(probabilities: np.ndarray, k: int) -> list[int]:
    """Returns the labels of the k most probable classes, best first.

    >>> select_top_k(np.array([0.2, 0.4, 0.4]), 2)
    [1, 2]
    """
    return np.argsort(-probabilities, kind='stable')[:k].tolist()


def build_row(output: ImageOutput, names: Sequence[str], k: int = outputs.TOP_K) -> dict[str, Any]:
    """Builds a row of output: the file with its top-k classes and probabilities, or its error.

    Args:
        output: Its values are probabilities.
        names: Class names, in label order.
        k: Number of classes, at most.
    """
    if output.error:
        return {'file': output.path, 'error': output.error}
    labels = select_top_k(output.values, k)
    return {
        'file': output.path,
        'classes': [names[label] for label in labels],
        'probabilities': [float(output.values[label]) for label in labels],
    }
