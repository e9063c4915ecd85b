"""Finds the images that the settings name, and how they become pixels."""

import dataclasses
import pathlib

from alexnet_tf.config import fields, schema
from input_pipeline.images import rendering as rendering_lib
from input_pipeline.sources import detection, entries


def find_images(
    data: schema.Data, kind: str, copies_dir: pathlib.Path, *, split_rule: str = ''
) -> entries.Source:
    """Finds the images of `--source_dir` or `--dataset`.

    Args:
        data: Settings of the data set.
        kind: The kind of source.
        copies_dir: Folder for copies of images without random access.
        split_rule: How images are held out; '' for the present rule.

    Raises:
        DataError: They cannot be used.
        UsageError: `--background` is no colour.
    """
    request = detection.Request(
        data.source_dir,
        copies_dir,
        data.validation_fraction,
        split_rule=split_rule,
        max_missing_fraction=data.max_bad_fraction,
        dataset=data.dataset,
        dataset_splits=name_splits(data),
    )
    source = detection.FINDERS[kind](request)
    return dataclasses.replace(source, rendering=choose_rendering(data, source.rendering))


def choose_rendering(data: schema.Data, usual: rendering_lib.Rendering) -> rendering_lib.Rendering:
    """Lets flags override how a source's images usually become pixels.

    Raises:
        UsageError: `--background` is no colour.
    """
    choices = {name: getattr(data, name) for name in ('exif_orientation', 'colour_profiles')}
    flags = {name: choice == 'on' for name, choice in choices.items() if choice != 'auto'}
    try:
        background = rendering_lib.parse_color(data.background)
    except ValueError as error:
        raise fields.UsageError(f'--background={data.background}: {error}.') from error
    return dataclasses.replace(usual, background=background, **flags)


def name_splits(data: schema.Data) -> dict[str, str]:
    """Returns the splits of `--dataset` for training and validation, '' for the usual ones."""
    return {'train': data.train_split, 'validation': data.validation_split}
