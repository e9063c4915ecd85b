"""A trained network -> a SavedModel that answers pictures."""

import pathlib

import numpy as np
import tensorflow as tf

import input_pipeline
from alexnet_tf import config as configs
from alexnet_tf.serving import saved_model, signatures
from alexnet_tf.workflows import run as runs

_CHECKED = 16  # pictures


def run(config: configs.Config) -> None:
    """Exports the newest checkpoint and says how to use it."""
    trained = runs.load(config)
    asked = signatures.build(
        trained.model,
        trained.names,
        trained.mean_image,
        crop_size=trained.recipe.crop_size,
    )
    encoded = _pictures(config, trained)
    answer, _ = asked['serving_default']
    scores = tf.function(answer)(tf.constant(encoded))['scores'].numpy()
    path, difference = saved_model.write(
        pathlib.Path(config.export.export_dir or trained.directory / 'export'),
        trained.model,
        asked,
        version=config.export.export_version,
        checked_with=(encoded, scores),
    )
    print(f'export: {path}, step {trained.step}')
    print(
        f'export: read back in a fresh process, {len(encoded)} pictures, scores differ by at '
        f'most {difference:.1g}'
    )
    print(saved_model.describe(path))


def _pictures(config: configs.Config, trained: runs.Run) -> list[bytes]:
    """Real pictures where the data set is at hand, noise elsewhere."""
    try:
        manifest = input_pipeline.records.load(config.data.data_dir)
    except input_pipeline.errors.DataError:
        noise = np.random.default_rng(0).integers(
            0, 256, (_CHECKED, *trained.mean_image.shape), np.uint8
        )
        return [tf.io.encode_jpeg(each).numpy() for each in noise]
    squares, _, mask = next(
        iter(
            input_pipeline.pipeline.evaluation(
                manifest.shards(input_pipeline.records.VALIDATION),
                layout=manifest.layout,
                batch_size=_CHECKED,
            )
        )
    )
    return [tf.io.encode_png(each).numpy() for each in squares[: int(mask.numpy().sum())]]
