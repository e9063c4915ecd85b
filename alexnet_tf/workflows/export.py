"""A trained network -> a SavedModel that answers pictures."""

import pathlib

import numpy as np
import tensorflow as tf

import input_pipeline
from alexnet_tf import config as configs
from alexnet_tf.network import alexnet
from alexnet_tf.serving import narrow, saved_model, signatures
from alexnet_tf.workflows import run as runs

_CHECKED = 16  # pictures


def run(config: configs.Config) -> None:
    """Exports the newest checkpoint and says how to use it."""
    trained = runs.load(config)
    encoded, real = _pictures(config, trained)
    variables, served = of(trained)
    precision = config.export.export_precision
    if precision != 'float32':
        whole = _scores(served, encoded)
        variables, served = narrowed(trained, precision)
    scores = _scores(served, encoded)
    written = saved_model.write(
        pathlib.Path(config.export.export_dir or trained.directory / 'export'),
        variables,
        signatures.build(served),
        trained.names,
        version=config.export.export_version,
        checked_with=(encoded, scores),
    )
    print(f'export: {written.path}, step {trained.step}')
    if precision != 'float32':
        same = int((scores.argmax(1) == whole.argmax(1)).sum())
        print(
            f'export: weights as {precision} move the scores by at most '
            f'{np.abs(scores - whole).max():.2g}; the likeliest class is the same for {same} of '
            f'{len(encoded)} {real}'
        )
    print(
        f'export: read back in a fresh process, {len(encoded)} {real}, scores differ by at '
        f'most {written.difference:.1g} ({saved_model.TOLERANCE:g} is allowed)'
    )
    if not written.warm:
        print('export: without warm-up requests: pip install "alexnet_tf[serving]" writes them')
    print(saved_model.describe(written.path))


def of(trained: runs.Run) -> tuple[list[tf.Variable], signatures.Served]:
    """A run's network as it is served, and the variables that it reads."""
    hidden = alexnet.hidden(trained.model)
    return [each.value for each in runs.weights(trained.model)], _served(
        trained,
        lambda images: trained.model(images, training=False),
        lambda images: hidden(images, training=False),
    )


def narrowed(trained: runs.Run, dtype: str) -> tuple[list[tf.Variable], signatures.Served]:
    """The same with its weights kept as bfloat16 or float16."""
    weights = narrow.Weights(trained.model, dtype)
    hidden = alexnet.hidden(trained.model)
    return list(weights.variables), _served(trained, weights.of(trained.model), weights.of(hidden))


def _served(trained, logits, hidden) -> signatures.Served:
    return signatures.Served(
        logits=logits,
        hidden=hidden,
        classes=trained.names,
        mean_image=trained.mean_image,
        crop_size=trained.recipe.crop_size,
        turned=trained.exif_orientation,
    )


def _scores(served: signatures.Served, encoded) -> np.ndarray:
    answer, spec = signatures.build(served)['serving_default']
    asked = tf.function(answer, input_signature=[spec], autograph=False)
    return asked(tf.constant(encoded))['scores'].numpy()


def _pictures(config: configs.Config, trained: runs.Run) -> tuple[list[bytes], str]:
    """Real pictures where the data set is at hand, noise elsewhere; and which of both it is."""
    try:
        manifest = input_pipeline.records.load(config.data.data_dir)
    except input_pipeline.errors.DataError:
        noise = np.random.default_rng(0).integers(
            0, 256, (_CHECKED, *trained.mean_image.shape), np.uint8
        )
        return [tf.io.encode_jpeg(each).numpy() for each in noise], 'pictures of noise'
    squares, _, mask = next(
        iter(
            input_pipeline.pipeline.evaluation(
                manifest.shards(input_pipeline.records.VALIDATION),
                layout=manifest.layout,
                batch_size=_CHECKED,
            )
        )
    )
    held_out = squares[: int(mask.numpy().sum())]
    return [tf.io.encode_png(each).numpy() for each in held_out], 'held-out pictures'
