"""`--mode=import`: makes a run directory of a file of weights, whatever program wrote it."""

import pathlib
from collections.abc import Sequence

from alexnet_tf.commands.import_weights import contents as contents_lib
from alexnet_tf.commands.import_weights import data as data_lib
from alexnet_tf.commands.import_weights import imported
from alexnet_tf.config import fields, schema
from alexnet_tf.models import recipes
from alexnet_tf.models.weights import assignment, mean_images
from alexnet_tf.runs import build, initial_weights, run_directory


def run(config: schema.Config) -> tuple[schema.Config, str]:
    """Recognises a weight file, and writes a run directory with its network and preprocessing.

    Returns:
        The settings and the `--mode` of the command that comes next.

    Raises:
        UsageError: The run directory exists, or settings do not fit the file.
        DataError: The file is broken, or does not tell what is needed.
    """
    directory = pathlib.Path(config.run_dir)
    imported.check_new(directory)
    path = pathlib.Path(config.weights.weights)
    if owner := run_directory.find_owner(path):
        raise fields.UsageError(
            f'--weights={path} is of the run {owner}, which needs no import: predict, evaluate or '
            'export that run.'
        )
    contents = contents_lib.read(path)
    for reason in contents.recognised.reasons:
        print(f'import: {contents.file.path.name}: {reason}')
    config = contents_lib.complete(config, contents)
    recipe = build.resolve_recipe(config)
    initial_weights.check_recipe(path, recipe, contents.list_recipes())
    contents_lib.check_sizes(recipe, contents)
    data = data_lib.collect(config, recipe, contents)
    model = build.build_model(config, recipe, len(data.classes.labels), devices=(), compiled=False)
    initial_weights.check_order(model, contents.file, contents.recognised)
    assignment.assign(model, contents.file, contents.recognised)
    print(f'import: network: --recipe={recipe.name}, {model.count_params():,} parameters')
    print(f'import: images: {_describe_preprocessing(data, recipe)}')
    print(f'import: classes: {_describe_classes(data)}')
    origin = imported.create(
        config, model, data, file=contents.file, reasons=contents.recognised.reasons
    )
    print(f'import: wrote {directory}; sha256 of the weights {origin["sha256"]}')
    return config, 'predict'


def _describe_preprocessing(data: imported.ImportedData, recipe: recipes.Recipe) -> str:
    size, colour = len(data.mean_image), mean_images.to_colour(data.mean_image)
    shape = 'resized' if data.rendering.warp else 'shorter side resized'
    mean = _format_colour(colour) if colour else 'a mean image'
    divided = f', over {_format_colour(recipe.input_sd)}' if recipe.input_sd else ''
    scaled = f', times {recipe.input_scale:g}' if recipe.input_scale != 1 else ''
    crop = recipe.window_size
    resized = f', resized to {recipe.crop_size}' if crop != recipe.crop_size else ''
    return (
        f'RGB of 0 to 255, {shape} to {size}, central {crop} x {crop}{resized}, minus '
        f'{mean}{divided}{scaled}'
    )


def _format_colour(colour: Sequence[float]) -> str:
    return f'({", ".join(f"{value:g}" for value in colour)})'


def _describe_classes(data: imported.ImportedData) -> str:
    labels, words = data.classes
    names = [' '.join(parts) for parts in zip(labels[:2], words[:2], strict=False)] or labels[:2]
    more = f' and {len(labels) - 2:,} more' if len(labels) > 2 else ''
    return f'{"; ".join(names)}{more}'
