"""A trained network -> a SavedModel that answers pictures."""

import numpy as np
import tensorflow as tf

from alexnet_tf.config import schema
from alexnet_tf.export import formats, reduced_precision, saved_model, signatures
from alexnet_tf.runs import run as runs
from input_pipeline import errors
from input_pipeline.batches import datasets
from input_pipeline.images import decoding
from input_pipeline.records import manifests

_CHECKED = 16  # pictures
# Of a score in another format; and where the SavedModel's activations are narrower.
_TOLERANCE, _ROUGH = 1e-4, 0.05


def run(config: schema.Config) -> None:
    """Exports the newest checkpoint and says how to use it."""
    for kind in config.export.export_also:
        if lacking := formats.missing(kind):
            raise schema.UsageError(
                f'--export_also={kind} needs {lacking}: pip install "alexnet_tf[formats]".'
            )
    export_dir = runs.export_dir(config)
    saved_model.free(export_dir, config.export.export_version)  # before the network is loaded
    trained = runs.load(config)
    encoded, real = _pictures(config, trained)
    precision = config.export.export_precision
    variables, served = _served(trained, precision)
    answers = signatures.build(served)
    scores = whole = _scores(answers, encoded)
    if precision != 'float32':
        whole = _scores(signatures.build(_served(trained, 'float32')[1]), encoded)
    written = saved_model.write(
        export_dir,
        variables,
        answers,
        trained.names,
        version=config.export.export_version,
        checked_with=(encoded, scores),
        also=lambda aside, path: _write_also(config, trained, (aside, path), encoded),
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


def _write_also(config, trained: runs.Run, paths, encoded) -> None:
    """The other formats beside a path, held to what the version says."""
    if not config.export.export_also:
        return
    version, beside = paths
    exact = trained.precision == 'float32'
    whole = trained if exact else runs.load(config, path=trained.checkpoint, precision='float32')
    size = len(trained.mean_image)
    squares = np.stack([decoding.square(decoding.decode(each), size).numpy() for each in encoded])
    loaded = tf.saved_model.load(str(version))
    scores = loaded.signatures['pixels'](images=tf.constant(squares))['scores'].numpy()
    for kind in config.export.export_also:
        path = beside.with_name(f'{beside.name}{formats.SUFFIXES[kind]}')
        difference = formats.write(
            path,
            whole.model,
            trained.mean_image,
            crop_size=trained.recipe.crop_size,
            checked_with=(squares, scores),
            tolerance=_TOLERANCE if exact else _ROUGH,
        )
        print(
            f'export: {path}, run on the same pictures: scores differ by at most {difference:.1g}'
        )


def _served(trained: runs.Run, dtype: str) -> tuple[list[tf.Variable], signatures.Served]:
    """A run's network as it is served, and the variables that it reads."""
    variables, more = runs.weights(trained.model), {}
    held = [each.value for each in variables]
    if dtype != 'float32':
        kept = reduced_precision.Weights(variables, dtype)
        held, more = list(kept.variables), {'call': kept.of}
    return held, signatures.of(
        trained.model,
        trained.names,
        trained.mean_image,
        crop_size=trained.recipe.crop_size,
        turned=trained.exif_orientation,
        **more,
    )


def _scores(answers, encoded) -> np.ndarray:
    return answers['serving_default'](tf.constant(encoded))['scores'].numpy()


def _pictures(config: schema.Config, trained: runs.Run) -> tuple[list[bytes], str]:
    """Real pictures where the data set is at hand, noise elsewhere; and which of both it is."""
    try:
        manifest = manifests.load(config.data.data_dir)
    except errors.DataError:
        noise = np.random.default_rng(0).integers(
            0, 256, (_CHECKED, *trained.mean_image.shape), np.uint8
        )
        return [tf.io.encode_jpeg(each).numpy() for each in noise], 'pictures of noise'
    batches = datasets.evaluation(
        manifest.shards(manifests.VALIDATION),
        layout=manifest.layout,
        batch_size=_CHECKED,
    )
    squares, _, mask = next(datasets.read(batches, config.data.data_dir))
    held_out = squares[: int(mask.numpy().sum())]
    return [tf.io.encode_png(each).numpy() for each in held_out], 'held-out pictures'
