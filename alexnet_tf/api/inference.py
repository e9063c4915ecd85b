"""Computes a run's predictions and features for images, and its metrics on records or data sets."""

import dataclasses
import operator
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from alexnet_tf.api import images as images_lib
from alexnet_tf.api import settings
from alexnet_tf.config import fields
from alexnet_tf.evaluation import ensembles, prediction_cache
from alexnet_tf.models import features, outputs
from alexnet_tf.runs import image_index, loading, predictor, run_directory, selection
from alexnet_tf.training import evaluator
from input_pipeline import errors


@dataclasses.dataclass(frozen=True, eq=False)
class Prediction:
    """What a network predicts for one image.

    Attributes:
        file: Path of the image; None if it came as pixels.
        class_name: Name of the most probable class.
        probability: Its probability, in [0, 1].
        top: (class name, probability) of the most probable classes, five by default, best first.
        probabilities: (classes,) float32, of all classes in the order of `class_names`.

    Example:
    >>> top = (('cat', 0.75), ('dog', 0.25))
    >>> Prediction('a.jpg', *top[0], top, probabilities=np.array([0.75, 0.25], np.float32))
    Prediction(file='a.jpg', class_name='cat', probability=0.75, top=(('cat', 0.75), ('dog', 0.25)))
    """

    file: str | None
    class_name: str
    probability: float
    top: tuple[tuple[str, float], ...]
    probabilities: np.ndarray = dataclasses.field(repr=False)


class Inference:
    """Runs a run's network on images; checks arguments, and traces each function once.

    Args:
        trained: The run.
    """

    def __init__(self, trained: loading.TrainedRun):
        self._run = trained
        self._predictors: dict[tuple, predictor.Predictor] = {}

    def compute_probabilities(
        self, images: Any, views: int, batch_size: int
    ) -> Iterator[predictor.ImageOutput]:
        """Computes the probabilities of images; see `Classifier.predict`."""
        compute = self._get_probability_predictor(views, batch_size)
        return self._iterate(compute, self._list_images(images))

    def compute_features(
        self, images: Any, layer: str | Sequence[str], linear: bool, batch_size: int
    ) -> np.ndarray | dict[str, np.ndarray]:
        """Computes the outputs of layers; see `Classifier.features`."""
        is_list = isinstance(layer, (list, tuple)) and len(layer) > 0
        names = tuple(map(str, layer if is_list else [layer]))  # None becomes an unknown name

        def build_function():
            try:
                extractor = features.build_extractor(self._run.model, names, linear=linear)
            except ValueError as error:
                raise fields.UsageError(str(error)) from error
            return predictor.build_crop_function(self._run, extractor, is_live=True)

        compute = self._get_predictor((names, linear), batch_size, build_function)
        images = self._list_images(images)
        outputs = self._iterate(compute, images)
        arrays = _stack((output.values for output in outputs), operator.length_hint(images))
        return arrays if is_list else arrays[names[0]]

    def evaluate(
        self,
        data: str | os.PathLike[str] | tf.data.Dataset,
        split: str,
        views: int,
        batch_size: int,
    ) -> dict[str, float]:
        """Computes the metrics of records or of a data set; see `Classifier.evaluate`."""
        if isinstance(data, tf.data.Dataset):
            names = tuple(getattr(data, 'class_names', self._run.names))
            if names not in (self._run.names, self._run.classes):
                raise errors.DataError(
                    f'data: a data set of the classes {errors.join_some(names)}; the network knows '
                    f'{errors.join_some(self._run.names)}. Labels must count the same classes.'
                )
            return self._evaluate_dataset(data, views, batch_size)
        if not isinstance(data, (str, os.PathLike)):
            raise fields.UsageError(
                f'data: expected a directory of records or a tf.data.Dataset, not '
                f'{type(data).__name__}. For arrays, use '
                'tf.data.Dataset.from_tensor_slices((images, labels)).batch(128).'
            )
        directory = os.path.expanduser(data)
        if not image_index.exists(directory):
            raise errors.DataError(
                f'data={directory}: it holds no records. Give the directory that prepare() wrote; '
                f'a folder of images is image_dataset_from_directory({directory!r}).'
            )
        return self._evaluate_records(directory, split, views, batch_size)

    def _evaluate_records(
        self, data_dir: str, split: str, views: int, batch_size: int
    ) -> dict[str, float]:
        self._get_probability_predictor(views, batch_size)  # checks views and batch_size
        values = {'run_dir': str(self._run.directory), 'data_dir': data_dir}
        manifest = image_index.load_manifest(
            settings.build_config('evaluate', values, name='evaluate')
        )
        selection.check_split(manifest, split, 'split')
        run_directory.check_same_classes(self._run.directory, manifest)
        network_evaluator = evaluator.Evaluator(
            self._run.model,
            self._run.preprocess,
            views=views,
            batch_size=batch_size,
        )
        return network_evaluator.evaluate(manifest, split).metrics

    def _evaluate_dataset(
        self, dataset: tf.data.Dataset, views: int, batch_size: int
    ) -> dict[str, float]:
        compute = self._get_probability_predictor(views, batch_size)
        labels, classes = [], len(self._run.classes)

        def iterate_images(pairs):
            for image, label in pairs:
                if not _is_label(label, classes):
                    raise fields.UsageError(
                        'data: expected (images, labels), with an integer label from 0 to '
                        f'{classes - 1} for each image.'
                    )
                labels.append(label)
                yield image

        examples = iterate_images(images_lib.iterate_dataset(dataset))
        probabilities = [output.values for output in self._iterate(compute, examples)]
        predictions = prediction_cache.Predictions(np.stack(probabilities), np.array(labels), [])
        return ensembles.compute_metrics([predictions], [1.0])

    def _list_images(self, images: Any):
        return images_lib.list_images(images, rendering=self._run.rendering)

    def _get_probability_predictor(self, views: int, batch_size: int) -> predictor.Predictor:
        views = settings.check_count('views', views)
        settings.check_choice('views', views, sorted(outputs.VIEWS.values()))

        def build_function():
            return predictor.build_probability_function([self._run], [1.0], views, is_live=True)

        return self._get_predictor((views,), batch_size, build_function, views)

    def _get_predictor(
        self,
        key: tuple,
        batch_size: int,
        build_function: Callable[[], predictor.Function],
        views: int = 1,
    ) -> predictor.Predictor:
        settings.check_count('batch_size', batch_size)
        key = (*key, batch_size)
        if key not in self._predictors:
            images = max(1, batch_size // views)
            self._predictors[key] = predictor.Predictor(
                self._run, build_function(), batch_size=images
            )
        return self._predictors[key]

    def _iterate(self, compute: predictor.Predictor, images) -> Iterator[predictor.ImageOutput]:
        """Iterates over the outputs for images, at least one.

        Raises:
            DataError: An image cannot be read.
            UsageError: There are no images.
        """
        output = None
        for output in compute(images):
            if output.error:
                raise errors.DataError(f'{output.path}: {output.error}.')
            yield output
        if output is None:
            raise fields.UsageError('images: the data set is empty.')


def _stack(rows: Iterable[Mapping[str, np.ndarray]], count: int) -> dict[str, np.ndarray]:
    """Stacks rows of arrays by name; with a `count` of 0, unknown, it first lists all rows."""
    if not count:
        rows = list(rows)
        count = len(rows)
    stacked: dict[str, np.ndarray] = {}
    for at, row in enumerate(rows):
        for name, values in row.items():
            if not at:
                stacked[name] = np.empty((count, *values.shape), values.dtype)
            stacked[name][at] = values
    return stacked


def describe(output: predictor.ImageOutput, class_names: Sequence[str], number: int) -> Prediction:
    """Describes the probabilities of an image by the names of the most probable classes."""
    labels = predictor.select_top_k(output.values, number)
    top = tuple((class_names[label], float(output.values[label])) for label in labels)
    return Prediction(output.path or None, *top[0], top, output.values)


def _is_label(label: Any, classes: int) -> bool:
    value = np.asarray(label)
    is_integer = value.shape == () and np.issubdtype(value.dtype, np.integer)
    return bool(is_integer and 0 <= value < classes)
