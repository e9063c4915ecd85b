"""`AlexNet`, which builds a Keras model, as in `keras.applications`."""

import dataclasses
import math
import numbers
import os
import pathlib
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from alexnet_tf.api import settings
from alexnet_tf.commands.import_weights import contents as contents_lib
from alexnet_tf.config import serialization
from alexnet_tf.models import alexnet, placement
from alexnet_tf.models import columns as columns_lib
from alexnet_tf.models import recipes as recipes_lib
from alexnet_tf.models.layers import mean_subtraction
from alexnet_tf.runs import build, description, initial_weights, network_checks, run_directory

_DEFAULT_RECIPE = 'source2012'
_PRECISIONS = ('float32', 'bfloat16', 'float16')


@dataclasses.dataclass(frozen=True)
class _Source:
    """What `weights` names.

    Attributes:
        path: A run directory or a weight file.
        run_dir: The run directory that it is or lies in; None for other files.
        contents: What the file holds, or the newest checkpoint of the run.
    """

    path: pathlib.Path
    run_dir: pathlib.Path | None
    contents: contents_lib.Contents

    @classmethod
    def read(cls, path: pathlib.Path) -> '_Source':
        file = initial_weights.find_weights(path, 'newest', 'weights')
        run_dir = path if path.is_dir() else run_directory.find_owner(path)
        return cls(path, run_dir, contents_lib.read(file))

    def check(self, recipe: recipes_lib.Recipe, include_top: bool) -> None:
        """Checks that a network is that of the run, and not much larger than the file."""
        if self.path.is_dir():
            file, advice = self.contents.path, 'Leave recipe and width out'
            initial_weights.check_same_network(
                self.path, file, recipe=recipe, argument='weights', advice=advice
            )
        built = recipe if include_top else recipe.replace(hidden_units=recipe.columns)
        contents_lib.check_sizes(built, self.contents)

    def find_mean_image(self) -> np.ndarray | None:
        if self.run_dir:
            return run_directory.read_mean_image(self.run_dir)
        file, described = self.contents.file, self.contents.description
        return described.mean_image if described else description.find_mean_image(file)


@settings.name_arguments()
def AlexNet(  # noqa: N802
    *,
    weights: str | os.PathLike[str] | None = None,
    include_top: bool = True,
    classes: int = 1000,
    classifier_activation: Any = 'softmax',
    recipe: str | recipes_lib.Recipe | None = None,
    width: float | None = None,
    devices: Sequence[str] = (),
    precision: str | None = None,
    seed: int = 0,
    name: str = 'alexnet',
    include_preprocessing: bool = False,
) -> keras.Model:
    """Builds AlexNet as a functional Keras model.

    At 1000 classes and width 1 it has 60,965,224 parameters. Layers have the paper's names, 'conv1'
    to 'fc8', with '_a' or '_b' for the two columns of figure 2: `model.get_layer('conv1_a')`. The
    last ones are 'fc8', 'logits' and 'predictions'.

    Args:
        weights: A run directory of `train`, whose newest checkpoint is loaded, or a weight file
            (.caffemodel, .h5, .keras, .mat, .npy, .npz, .onnx, .pt, .pth, .safetensors or .tar) of
            Caffe's AlexNet or another one. No weights come with the package. None: random
            initialisation as in the paper.
        include_top: Whether to include the fully-connected layers. Without them the output is the
            last feature maps of both columns, (batch, 6, 6, 256), in a layer 'features'.
        classes: The number of classes.
        classifier_activation: The activation of the last layer. None returns the logits.
        recipe: The hyperparameters: a name from `recipes()`, or a `Recipe`, such as
            `Recipe.from_name('source2012').replace(crop_size=96, view_size=224)` for 96 pixels.
            None for that of the weights, or 'source2012' without weights; a file that fits several
            recipes needs it.
        width: Filters and units as a multiple of the paper's; None for the recipe's, mostly 1.
        devices: One device for both columns, or one for each, such as ('/GPU:0', '/GPU:1'); by
            default the one that TensorFlow chooses. `fit` computes all gradients on one of them;
            `alexnet_tf.train` computes each column's on that column's device.
        precision: The dtype of activations: 'float32', 'bfloat16' or 'float16'; weights are
            float32. None follows `keras.config.dtype_policy()`. With float16 `compile` scales the
            loss, as with Keras' policy 'mixed_float16'; a model that wraps this one must set it.
        seed: The seed of the initial weights and of the dropout masks, which
            `keras.utils.set_random_seed` does not affect; give another seed for another
            initialisation.
        name: The name of the model.
        include_preprocessing: Whether the model takes RGB images in [0, 255] and subtracts the mean
            colour itself: the recipe's if it has one (`torchvision`, `tf2cv`), else that of the
            weights' training images if the run or the file has it, else ImageNet's.

    Returns:
        A model from images to class probabilities, (batch, classes) float32. Images are RGB,
        (batch, crop_size, crop_size, 3), with the recipe's crop_size, 224 in the paper; any size is
        possible if the recipe trains at another one, as 'modern' does. Images are float32 minus the
        mean, about [-130, 150], see `preprocess_input`; with `include_preprocessing`, any dtype in
        [0, 255]. Without it, the model accepts images in [0, 255] without an error, but classifies
        them badly.

    Raises:
        ValueError: An argument has an invalid value, arguments do not go together, or the weights
            come from a run of another network.
        DataError: The weights cannot be read, or do not fit the network.

    Example:
    >>> model = AlexNet(classes=10, width=0.1)
    >>> probabilities = model.predict(np.zeros([2, 224, 224, 3]), verbose=0)
    >>> probabilities.shape
    (2, 10)
    >>> features = keras.Model(model.input, model.get_layer('relu7_a').output)
    """
    num_classes = settings.check_count('classes', classes) if include_top else None
    source = None if weights is None else _Source.read(pathlib.Path(weights).expanduser())
    recipe = _find_recipe(source) if recipe is None else recipe
    recipe = _get_recipe(recipe, width, is_new=source is None)
    if source:
        source.check(recipe, include_top)
    devices = _check_devices(devices or ())
    columns = columns_lib.ColumnBuilder(
        recipe, devices=devices, precision=_resolve_precision(precision), seed=seed
    )
    images = columns.create_input(trains=True)
    mean = _find_mean(source, recipe) if include_preprocessing else None
    outputs = _add_layers(columns, images, mean, num_classes)
    if include_top and classifier_activation is not None:
        outputs = build.add_predictions(outputs, classifier_activation)
    model = keras.Model(images, outputs, name=name)
    model.dtype_policy = columns.dtype_policy  # `compile` scales the loss if it is float16
    if source:
        advice = 'Give the same classes, or include_top=False.'
        initial_weights.load(model, source.contents.file, recipe=recipe, advice=advice)
    return model


def recipes() -> tuple[str, ...]:
    """Returns the names of the recipes: the paper's, other AlexNets', a modern one, CIFAR-10's.

    Example:
    >>> recipes()[:4]
    ('paper', 'source2012', 'caffe', 'caffenet')
    """
    return tuple(recipes_lib.RECIPES)


def _get_recipe(
    recipe: str | recipes_lib.Recipe, width: float | None, *, is_new: bool
) -> recipes_lib.Recipe:
    """Returns the checked recipe; layers are checked in new networks only, not in old weights."""
    recipe = settings.get_recipe(recipe)
    if width is not None:
        if not isinstance(width, numbers.Real) or not 0 < width < math.inf:
            raise ValueError(f'width={width!r}: expected a number above 0.')
        recipe = recipe.replace(width=width)
    if not recipe.takes_two_sizes:  # otherwise images of any size are accepted
        network_checks.check_training_size(recipe)
    if is_new:
        network_checks.check_layers(recipe)
    return recipe


def _find_recipe(source: _Source | None) -> str | recipes_lib.Recipe:
    """Finds the recipe of a run or a weight file; the default one if nothing tells.

    Raises:
        DataError: The file fits several recipes.
    """
    if source is None:
        return _DEFAULT_RECIPE
    if source.run_dir:
        return build.resolve_recipe(run_directory.read_config(source.run_dir))
    if described := source.contents.description:
        return build.resolve_recipe(serialization.from_settings(described.settings))
    is_known = bool(source.contents.recognised.recipes)
    return contents_lib.choose_recipe(source.contents) if is_known else _DEFAULT_RECIPE


def _check_devices(devices: Sequence[str]) -> tuple[str, ...]:
    """Returns devices that exist; on CPUs, they are created."""
    if devices and tf.distribute.has_strategy():
        raise ValueError('devices: a strategy chooses them for its replicas. Leave devices out.')
    placement.create_logical_cpus(devices)
    placement.check_devices(devices)
    return tuple(devices)


def _resolve_precision(precision: Any) -> str:
    """Returns the dtype of activations; None follows Keras' global policy."""
    if precision is None:
        policy = str(keras.config.dtype_policy().name)
        # Unless the program sets a policy, it is floatx, which a user's keras.json may set.
        precision = 'float32' if policy == keras.config.floatx() else policy
    dtype = str(getattr(precision, 'name', precision)).removeprefix('mixed_')
    if dtype not in _PRECISIONS:
        raise ValueError(f'precision={precision}: expected one of {", ".join(_PRECISIONS)}.')
    return dtype


def _find_mean(source: _Source | None, recipe: recipes_lib.Recipe) -> Sequence[float]:
    """Finds the mean colour, RGB: the recipe's, that of a run, or ImageNet's."""
    if recipe.input_mean:
        return recipe.input_mean
    mean_image = source and source.find_mean_image()
    if mean_image is None:
        return mean_subtraction.IMAGENET_MEAN
    if mean_image.ndim == 1:
        return mean_image.tolist()
    if len(mean_image) > recipe.window_size:  # of squares, and not of crops
        mean_image = build.build_preprocessing(mean_image, recipe).mean_view
    return mean_image.mean(axis=(0, 1), dtype=np.float64).tolist()


def _add_layers(
    columns: columns_lib.ColumnBuilder,
    images: keras.KerasTensor,
    mean: Sequence[float] | None,
    num_classes: int | None,
) -> keras.KerasTensor:
    """Adds all layers but the last activation, and returns logits or, without classes, features."""
    if mean is not None:
        subtract = mean_subtraction.MeanSubtraction(mean, dtype='float32', name='mean_subtraction')
        images = subtract(images)
    features = alexnet.add_features(columns, images)
    if num_classes is None:
        return columns.join_columns('features', features)
    return alexnet.add_classifier(columns, features, num_classes=num_classes)
