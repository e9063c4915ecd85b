"""Creates the run directory of imported weights, with all that a trained run has except curves."""

import dataclasses
import json
import pathlib
from typing import Any

import keras
import numpy as np

from alexnet_tf.config import fields, schema, serialization
from alexnet_tf.models import recipes
from alexnet_tf.models.weights import weight_file
from alexnet_tf.reports import provenance
from alexnet_tf.runs import class_names, run_directory
from alexnet_tf.training import checkpoint, state
from input_pipeline import files
from input_pipeline.images import rendering as rendering_lib


@dataclasses.dataclass(frozen=True)
class ImportedData:
    """What a trained run takes from records, and an imported run from other sources.

    Attributes:
        classes: The classes.
        mean_image: (size, size, 3) float32 RGB in [0, 255].
        rendering: How files become pixels.
        ids: ILSVRC ids of the classes; () where they have none.
    """

    classes: class_names.ClassNames
    mean_image: np.ndarray
    rendering: rendering_lib.Rendering
    ids: tuple[int, ...] = ()


def check_new(directory: pathlib.Path) -> None:
    """Checks that a run directory can be created.

    Raises:
        UsageError: It exists and is not an empty directory, or is the working directory.
    """
    if directory.is_dir() and directory.samefile('.'):  # the new one would replace it
        raise fields.UsageError(
            f'--run_dir={directory} is the working directory. Name one that does not exist.'
        )
    if directory.exists() and not (directory.is_dir() and not any(directory.iterdir())):
        raise fields.UsageError(
            f'--run_dir={directory} exists already. Name another, or remove it first.'
        )


def create(
    config: schema.Config,
    model: keras.Model,
    data: ImportedData,
    *,
    file: weight_file.WeightFile,
    reasons: tuple[str, ...],
) -> dict[str, Any]:
    """Creates a run directory, whole or not at all.

    Args:
        config: Settings of the command; its recipe is that of the network.
        model: The network, with the weights.
        data: The classes and the preprocessing.
        file: The weight file.
        reasons: Phrases that say how the file was recognised.

    Returns:
        What the run keeps about the file: its name, bytes, sha256 and the reasons.

    Raises:
        OSError: The disk is full or not writable, or the directory exists.
    """
    origin = {
        'file': file.path.name,
        'bytes': file.path.stat().st_size,
        'sha256': files.compute_sha256(file.path),
        'recognised': reasons,
    }
    kept = {
        'manifest_sha256': '',  # the records are not known
        'classes': data.classes.labels,
        'words': data.classes.words,
        'ids': data.ids,
        'source': f'weights of {file.path.name}',
        run_directory.IMPORTED_KEY: origin,
        run_directory.RECIPE_KEY: dataclasses.asdict(recipes.RECIPES[config.network.recipe]),
        **data.rendering.to_settings(),
    }
    directory = pathlib.Path(config.run_dir)
    with files.atomic_directory(directory) as temporary:
        np.save(temporary / run_directory.MEAN_IMAGE_FILE, data.mean_image)
        for name, content in (
            (serialization.CONFIG_FILE, serialization.to_json(config)),
            (run_directory.ENVIRONMENT_FILE, json.dumps(provenance.collect(), indent=2)),
            (run_directory.DATA_FILE, json.dumps(kept, indent=2)),
        ):
            (temporary / name).write_text(content, encoding='utf-8')
        checkpoint.save(
            temporary / run_directory.CHECKPOINTS,
            checkpoint.list_weights(model),
            dataclasses.asdict(state.TrainingState()),
        )
    return origin
