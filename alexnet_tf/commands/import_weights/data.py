"""Collects what a run usually takes from records: classes, mean image, how files become pixels."""

import dataclasses
import pathlib

import numpy as np

from alexnet_tf.commands.import_weights import contents as contents_lib
from alexnet_tf.commands.import_weights import imported
from alexnet_tf.config import fields, schema
from alexnet_tf.models import recipes
from alexnet_tf.models.layers import mean_subtraction
from alexnet_tf.models.weights import mean_images
from alexnet_tf.runs import class_names
from alexnet_tf.runs import description as description_lib
from input_pipeline import errors
from input_pipeline.images import decoding
from input_pipeline.images import rendering as rendering_lib

_IMAGENET_CLASSES = 1000
_SMALL_SQUARE = 32  # CIFAR-10's


def collect(
    config: schema.Config, recipe: recipes.Recipe, contents: contents_lib.Contents
) -> imported.ImportedData:
    """Collects what a run needs from flags, else from the file, else from the recipe.

    Raises:
        UsageError: Flags do not fit the file or the recipe.
        DataError: A file cannot be used, or nothing names the classes.
    """
    described = contents.description
    return imported.ImportedData(
        _choose_classes(config, contents),
        _choose_mean_image(config, recipe, contents),
        _choose_rendering(config, contents),
        described.ids if described and not config.weights.class_names else (),
    )


def _choose_classes(
    config: schema.Config, contents: contents_lib.Contents
) -> class_names.ClassNames:
    count, path, described = contents.count_classes(), config.weights.class_names, None
    if path:
        classes = class_names.read(pathlib.Path(path))
    elif described := contents.description:
        classes = class_names.ClassNames(described.classes, described.words)
    elif contents.file.classes:
        classes = class_names.parse(contents.file.classes)
    elif count == _IMAGENET_CLASSES:
        classes = class_names.load_imagenet()
    else:
        raise errors.DataError(
            f'{contents.path}: it has {count:,} classes, but not their names. Give '
            '--class_names=FILE, a text file with a class a line, in label order.'
        )
    if len(classes.labels) != count:
        origin = f'--class_names={path}' if path else f'{contents.path}'
        raise (fields.UsageError if path else errors.DataError)(
            f'{origin} names {len(classes.labels):,} classes, but fc8 of the weights has '
            f'{count:,} outputs. Give --class_names=FILE with a class a line, in label order.'
        )
    return classes


def _choose_mean_image(
    config: schema.Config, recipe: recipes.Recipe, contents: contents_lib.Contents
) -> np.ndarray:
    path, described = config.weights.mean_image, contents.description
    size = _SMALL_SQUARE if recipe.layers else decoding.SQUARE_SIZE
    if path and recipe.input_mean:
        colour = fields.format_value(recipe.input_mean)
        raise fields.UsageError(
            f'--mean_image: --recipe={recipe.name} subtracts --input_mean={colour}. Leave the '
            'image out.'
        )
    if path:
        image = mean_images.read(pathlib.Path(path))
    elif described:
        image, size = described.mean_image, len(described.mean_image)
    else:
        image = description_lib.find_mean_image(contents.file)
    if recipe.input_mean or image is None:
        image = np.asarray(recipe.input_mean or mean_subtraction.IMAGENET_MEAN, np.float32)
    return mean_images.to_square(image, size, recipe.window_size)


def _choose_rendering(
    config: schema.Config, contents: contents_lib.Contents
) -> rendering_lib.Rendering:
    """Returns how files become pixels: upright and in sRGB, unless the file says otherwise."""
    described, resize = contents.description, config.weights.resize
    rendering = described.rendering if described else rendering_lib.OWN_IMAGES
    layout = contents.recognised.layout
    does_warp = rendering.warp or (layout is not None and layout.warps)
    return dataclasses.replace(rendering, warp=does_warp if resize == 'auto' else resize == 'warp')
