"""A trained network as one object: `load_run` and `Classifier`."""

import functools
import os
import pathlib
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from alexnet_tf.api import figures, inference
from alexnet_tf.api import settings as settings_lib
from alexnet_tf.commands import export
from alexnet_tf.config import fields
from alexnet_tf.export import formats
from alexnet_tf.models import recipes
from alexnet_tf.plots import availability
from alexnet_tf.runs import build, description, loading, predictor
from input_pipeline import files

_BATCH_SIZE = 128  # as --eval_batch_size


@settings_lib.name_arguments()
def load_run(run_dir: str | os.PathLike[str], checkpoint: str = 'newest') -> 'Classifier':
    """Loads the trained network of a run directory, on one device.

    Args:
        run_dir: The run directory that `train`, or `--mode=train`, wrote.
        checkpoint: 'newest', or 'best' for the epoch with the best validation error.

    Returns:
        The network with everything that is needed to use it.

    Raises:
        UsageError: There is no such directory, or no such kind of checkpoint.
        DataError: The directory holds no trained network, or all of its checkpoints are damaged.

    Example:
    >>> classifier = load_run('runs/flowers')  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    alexnet_tf.config.fields.UsageError: run_dir=runs/flowers: no such directory...
    """
    directory = os.path.expanduser(run_dir)
    if not os.path.isdir(directory):
        raise fields.UsageError(
            f'run_dir={directory}: no such directory. Name one in which a network was trained.'
        )
    return Classifier(directory, checkpoint)


class Classifier:
    """A trained network, with its classes and the preprocessing that it was trained with.

    Get one from `load_run`, `load_weights` or `train`. The argument `images` of its methods is a
    path; a folder, for all image files below it; a PIL image; an array or tensor of uint8 RGB,
    (height, width, 3) or (n, height, width, 3), of any size; a list of these; or a
    `tf.data.Dataset` of such arrays, batched or not, with or without labels. Images are
    preprocessed as on the command line: the central square is resized to 256 x 256, its centre is
    cropped, and the mean image is subtracted; imported weights bring their own preprocessing. The
    EXIF orientation of files is applied if it was in training.

    Args:
        run_dir: The run directory.
        checkpoint: 'newest' or 'best'.

    Example:
    >>> import contextlib, tempfile
    >>> import alexnet_tf
    >>> file = f'{tempfile.mkdtemp()}/network.keras'
    >>> recipe = alexnet_tf.Recipe.from_name('paper').replace(crop_size=67, width=0.05)
    >>> alexnet_tf.AlexNet(recipe=recipe).save(file)
    >>> with contextlib.redirect_stdout(None):
    ...     classifier = alexnet_tf.load_weights(file, recipe=recipe)
    >>> images = np.zeros([2, 280, 300, 3], np.uint8)
    >>> [len(prediction.top) for prediction in classifier.predict(images)]
    [5, 5]
    >>> classifier.features(images, 'fc7').shape
    (2, 204)
    >>> sorted(classifier.evaluate(tf.data.Dataset.from_tensors((images, [0, 1]))))
    ['loss', 'top1_error', 'top5_error']
    >>> classifier.save(file)
    """

    def __init__(self, run_dir: str, checkpoint: str = 'newest'):
        path = os.path.abspath(run_dir)  # wherever the program changes to
        config = settings_lib.build_config(
            'export', {'run_dir': path, 'checkpoint': checkpoint}, name='load_run'
        )
        self._name, self._run = run_dir, loading.load_run(config, compiled=True)
        self._inference = inference.Inference(self._run)

    def __repr__(self) -> str:
        run = self._run
        return (
            f'<Classifier {self._name!r}: recipe {run.recipe.name}, {len(run.names)} '
            f'classes, step {run.step}>'
        )

    @functools.cached_property
    def model(self) -> keras.Model:
        """The network as a Keras model.

        It maps images, (batch, crop_size, crop_size, 3) float32 RGB minus the mean image, to
        probabilities, (batch, classes) float32. It shares its weights with the classifier: after
        `fit`, the methods predict with the new weights. Inputs come from `dataset_from_records`
        with the recipe of the run; `save` writes a model with the preprocessing inside. XLA
        compiles parts of it, so TensorFlow Serving refuses it; use `export` to serve it.
        """
        network = self._run.model
        outputs = build.add_predictions(network.output)
        model = keras.Model(network.input, outputs, name=network.name)
        if self._run.precision == 'float16':
            model.dtype_policy = keras.DTypePolicy('mixed_float16')  # `compile` scales the loss
        return model

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes in label order; ImageNet's ids are followed by their words."""
        return self._run.names

    @property
    def recipe(self) -> recipes.Recipe:
        """The hyperparameters of the network and its training."""
        return self._run.recipe

    @property
    def mean_image(self) -> np.ndarray:
        """The mean image, or the recipe's `input_mean`: (size, size, 3) float32 RGB in [0, 255]."""
        return build.choose_mean_image(self._run.mean_image, self.recipe)

    @settings_lib.name_arguments()
    def predict(
        self, images: Any, views: int = 1, *, top: int = 5, batch_size: int = _BATCH_SIZE
    ) -> list[inference.Prediction]:
        """Predicts the classes of images, as `--mode=predict` does.

        Args:
            images: See `Classifier`.
            views: Views of each image whose probabilities are averaged: 1 for the centre, 2 for the
                centre and its mirror image, 10 for the corners and the centre with their mirror
                images (section 4.1), 9 for the 3 x 3 positions of the paper's source.
            top: The number of classes in `Prediction.top`.
            batch_size: Views in a forward pass.

        Returns:
            A prediction for each image, in order.

        Raises:
            UsageError: An argument cannot be used; its message says what is expected.
            DataError: A file does not exist, or is not a readable image; the message names it.
        """
        settings_lib.check_count('top', top)
        outputs = self._inference.compute_probabilities(images, views, batch_size)
        return [inference.describe(output, self.class_names, top) for output in outputs]

    @settings_lib.name_arguments()
    def features(
        self,
        images: Any,
        layer: str | Sequence[str] = 'fc7',
        *,
        linear: bool = False,
        batch_size: int = _BATCH_SIZE,
    ) -> np.ndarray | dict[str, np.ndarray]:
        """Computes the outputs of one or several layers for the central crop of images.

        Args:
            images: See `Classifier`.
            layer: A layer by the paper's name, without the column: 'conv1' to 'conv5', 'fc6',
                'fc7', 'fc8', 'norm1', 'pool5', ... A layer with weights is taken after its
                activation: 'fc7' means 'relu7', 'fc8' the logits. In 'source2012' the activation of
                conv1 follows norm1 and pool1; 'conv1:linear' gives its own 55 x 55 outputs.
                'conv5_a' is one column alone, 'fc6:linear' is fc6 before its activation. A list,
                such as ['conv5', 'fc6:linear'], is computed in one pass.
            linear: Whether to take all layers with weights before their activation.
            batch_size: Images in a forward pass.

        Returns:
            (images, units) float32 for a fully-connected layer, 4096 units for fc6 and fc7 at width
            1; (images, rows, columns, channels) for the others, such as (images, 13, 13, 256) for
            conv5. Column a's units or channels come before column b's. For a list of layers, a
            dict: name as given -> array.

        Raises:
            UsageError: There is no such layer, or another argument cannot be used.
            DataError: A file does not exist, or is not a readable image; the message names it.
        """
        return self._inference.compute_features(images, layer, linear, batch_size)

    @settings_lib.name_arguments()
    def evaluate(
        self,
        data: str | os.PathLike[str] | tf.data.Dataset,
        split: str = 'validation',
        *,
        views: int = 1,
        batch_size: int = _BATCH_SIZE,
    ) -> dict[str, float]:
        """Evaluates the network on records, as `--mode=evaluate` does, or on a data set.

        Nothing is written to the run directory.

        Args:
            data: Directory of records that `prepare` wrote, or of the unprepared images that a run
                was trained on; or a `tf.data.Dataset` of (images, labels), with images as in
                `Classifier` and integer labels. `image_dataset_from_directory` yields images that
                are already cropped, so its errors differ slightly from those on records of the same
                files.
            split: Split of the records: 'train', 'validation', 'test' or 'all'.
            views: Views of each image whose probabilities are averaged: 1, 2, 9 or 10.
            batch_size: Views in a forward pass.

        Returns:
            'loss' in nats, 'top1_error' and 'top5_error' in [0, 1]: means over the examples.

        Raises:
            UsageError: An argument cannot be used; its message says what is expected.
            DataError: There are no records, they have other classes, or one cannot be read.
        """
        return self._inference.evaluate(data, split, views, batch_size)

    @settings_lib.name_arguments()
    def plot(self, images: Any, views: int = 1) -> Any:
        """Plots images above the probabilities of their top classes (figure 4).

        Args:
            images: See `Classifier`.
            views: See `predict`.

        Returns:
            A `matplotlib.figure.Figure`, which a notebook shows at the end of a cell, and
            `savefig` writes.

        Raises:
            PackageMissing: matplotlib is not installed.
            UsageError, DataError: See `predict`.
        """
        charts = availability.require_plots('Classifier.plot')
        outputs = self._inference.compute_probabilities(images, views, _BATCH_SIZE)
        rows = [
            (predictor.build_row(output, self.class_names), output.square) for output in outputs
        ]
        return figures.show_in_notebooks(charts.plot_predictions(rows))

    @settings_lib.name_arguments()
    def plot_kernels(self) -> Any:
        """Plots the kernels of conv1, column a's above column b's (figure 3).

        Returns and raises: as `plot`.
        """
        return figures.plot_kernels(self._run.model, self._run.directory.name)

    @settings_lib.name_arguments()
    def export(self, directory: str | os.PathLike[str], **settings: Any) -> pathlib.Path:
        """Writes a SavedModel that classifies image files, as `--mode=export` does.

        The export is loaded and checked in a process of its own before it is kept.

        Args:
            directory: Holds numbered versions of the model, as model servers expect; one is added.
            **settings: Settings of `--mode=export`, named after its flags: `export_version`,
                `export_precision`, `export_also=('litert', 'safetensors')`, or `data_dir` with the
                images for the check. The exported weights are this classifier's.

        Returns:
            The directory of the version.

        Raises:
            UsageError: A setting cannot be used.
            PackageMissing: A package for `export_also` is not installed.
            DataError: The version exists, or the export's outputs differ from the network's.
        """
        for name in {'run_dir', 'checkpoint'} & settings.keys():
            raise fields.UsageError(f'{name}: give it to load_run; export writes this classifier.')
        own = {'run_dir': str(self._run.directory), 'export_dir': os.fspath(directory)}
        config = settings_lib.build_config('export', settings | own, name='export')
        return export.export(config, lambda: loading.rebuild(self._run))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Saves the network as a Keras file with its preprocessing inside.

        `keras.models.load_model` reads it in any process that has imported `alexnet_tf`. The model
        maps images, (batch, crop_size, crop_size, 3) RGB in [0, 255] of any dtype, to
        probabilities, (batch, classes) float32; it subtracts the mean image itself. `load_weights`
        turns the file into a classifier again, with its class names.

        Args:
            path: A file that ends in .keras.

        Raises:
            UsageError: `path` does not end in .keras, or is in an object store.
        """
        if files.is_remote(path) or not os.fspath(path).endswith('.keras'):
            raise fields.UsageError(f'path={os.fspath(path)}: expected a local NAME.keras.')
        file, model = pathlib.Path(path).expanduser(), loading.build_with_preprocessing(self._run)
        formats.write_keras(file, model, description.to_metadata(self._run))
