"""Exports a trained network as a SavedModel that classifies image files."""

import datetime
import functools
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from alexnet_tf.commands.export import quantized
from alexnet_tf.config import fields, schema
from alexnet_tf.export import formats, saved_model, signatures
from alexnet_tf.models import placement
from alexnet_tf.models.weights import writers
from alexnet_tf.reports import provenance
from alexnet_tf.runs import description, image_index, loading, run_directory
from input_pipeline import errors
from input_pipeline.batches import datasets
from input_pipeline.images import decoding
from input_pipeline.records import manifests

_INT8 = 'litert_int8'  # of --export_also
_NARROW = (
    'export: it computes in {0}, as it was trained, which is slow on processors without {0}; '
    '--export_precision=float32 writes it in float32'
)
_CHECKED_IMAGES = 16
# Allowed differences of scores in other formats, with float32 and narrower activations.
_TOLERANCE, _NARROW_TOLERANCE = 1e-4, 0.05


def run(config: schema.Config) -> None:
    """Exports a checkpoint, checks the export, and prints how to use it."""
    export(config, functools.partial(loading.load_run, config))


def export(config: schema.Config, load: Callable[[], loading.TrainedRun]) -> pathlib.Path:
    """Exports a trained network, checks the export, and prints how to use it; all on the CPU.

    A GPU may round products to TF32, and this process holds its memory: too little would be left
    for the process that checks the export.

    Args:
        config: Settings of the command.
        load: Loads the network, not compiled; called once the settings are checked.

    Returns:
        The directory of the version that was written.

    Raises:
        PackageMissing: A package for `--export_also` is not installed.
        DataError: The version exists, there is no trained network, or the export computes
            other scores.
    """
    check_settings(config)  # before the network is loaded
    with tf.device('/CPU:0'):
        return _export(config, load)


def _export(config: schema.Config, load: Callable[[], loading.TrainedRun]) -> pathlib.Path:
    settings, export_dir = config.export, run_directory.get_export_dir(config)
    manifest = _load_calibration_records(config) if _INT8 in settings.export_also else None
    precision, trained = settings.export_precision, load()
    trained = _rebuild_exact(trained) if precision == 'float32' else trained
    encoded, kind = _load_images(config, trained.mean_image.shape)
    served = _serve(trained, precision)
    functions = signatures.build(served)
    scores = _compute_scores(functions, encoded)
    exported = saved_model.write(
        export_dir,
        served,
        functions,
        version=settings.export_version,
        source=_describe_source(trained, precision),
        reference=(encoded, scores),
        write_formats=functools.partial(
            _write_formats, settings.export_also, trained, encoded=encoded, manifest=manifest
        ),
    )
    print(f'export: {exported.path}, step {trained.step}')
    if precision not in ('', 'float32'):
        exact = _compute_scores(signatures.build(_serve(trained)), encoded)
        _print_precision(precision, scores, exact, kind)
    elif trained.precision != 'float32':
        print(_NARROW.format(trained.precision))
    print(
        f'export: checked in a separate process on {len(encoded)} {kind}: scores differ by at '
        f'most {exported.difference:.1g} ({saved_model.TOLERANCE:g} is allowed)'
    )
    if not exported.has_warmup:
        print('export: no warm-up requests; pip install "alexnet_tf[serving]" to write them')
    print(saved_model.format_usage(exported.path))
    return exported.path


def check_settings(config: schema.Config) -> None:
    """Checks what can be checked of an export before the network is loaded.

    Raises:
        PackageMissing: A package for `--export_also` is not installed.
        UsageError: TensorFlow could not load the model from its path.
        DataError: The version exists.
    """
    export_dir = run_directory.get_export_dir(config)
    if set('[\\') & set(place := str(export_dir.resolve())):
        raise fields.UsageError(
            f'--export_dir={place}: TensorFlow loads no SavedModel from a path with [ or a '
            'backslash. Name another directory.'
        )
    saved_model.resolve_path(export_dir, config.export.export_version)
    for kind in config.export.export_also:
        if package := formats.find_missing_package(kind):
            raise errors.PackageMissing(
                f'--export_also={kind} requires {package}, which is not installed. Run '
                f'pip install "alexnet_tf[{formats.FORMATS[kind].extra}]".'
            )


def _load_calibration_records(config: schema.Config) -> manifests.Manifest:
    try:
        manifest = image_index.load_manifest(config)
        run_directory.check_same_classes(pathlib.Path(config.run_dir), manifest)
    except errors.DataError as error:
        raise errors.DataError(
            f'--export_also={_INT8} needs the records of the run: training images to calibrate '
            f'int8, and validation images to measure its accuracy. {error}'
        ) from error
    return manifest


def _load_images(config: schema.Config, shape: tuple[int, ...]) -> tuple[list[bytes], str]:
    """Loads images to check the export on, and names their kind: held out, or noise."""
    try:
        if squares := _read_held_out(config):
            return squares, 'held-out images'
    except (errors.DataError, OSError, tf.errors.OpError) as error:
        if 'data_dir' in config.given and image_index.exists(config.data.data_dir):
            raise
        print(f'export: {config.data.data_dir} cannot be read: {errors.describe(error)}')
    noise = np.random.default_rng(0).integers(0, 256, (_CHECKED_IMAGES, *shape), np.uint8)
    return [tf.io.encode_jpeg(image).numpy() for image in noise], 'images of noise'


def _read_held_out(config: schema.Config) -> list[bytes]:
    """Reads squares of the validation split as PNGs; none if there are no records."""
    if not image_index.exists(config.data.data_dir):  # no index is built for this
        return []
    manifest = image_index.load_manifest(config)
    shards, layout = manifest.list_shards(manifests.VALIDATION), manifest.layout
    batches = datasets.evaluation_dataset(shards, layout=layout, batch_size=_CHECKED_IMAGES)
    squares, _, mask = next(datasets.iterate(batches, config.data.data_dir))
    squares = squares[: int(mask.numpy().sum())]
    return [tf.io.encode_png(square).numpy() for square in squares]


def _serve(trained: loading.TrainedRun, precision: str = '') -> signatures.ServedModel:
    """Creates the served model, computing or at least stored in `precision`; '': as trained."""
    is_native = _computes_in(precision)
    if is_native and trained.precision != precision:
        trained = loading.rebuild(trained, precision)
    return signatures.ServedModel.from_keras(
        trained.model,
        trained.names,
        trained.preprocess,
        rendering=trained.rendering,
        stored_dtype='' if is_native or precision in ('', 'float32') else precision,
    )


def _computes_in(precision: str) -> bool:
    """Returns whether an exported model computes in a precision: if this CPU is faster with it."""
    return precision == 'bfloat16' and placement.computes_bfloat16(['/CPU:0'])


def _describe_source(trained: loading.TrainedRun, precision: str) -> dict[str, Any]:
    """Describes where the network was loaded from, when it is exported, and package versions."""
    return {
        'run_dir': str(trained.directory.absolute()),
        'checkpoint': trained.checkpoint.name,
        'step': trained.step,
        'variables_sha256': trained.variables_sha256,
        'as_in_checkpoint': loading.is_as_in_checkpoint(trained),
        'recipe': trained.recipe.name,
        'computes_in': precision if _computes_in(precision) else trained.precision,
        'export_precision': precision or trained.precision,
        'rendering': trained.rendering.to_settings(),
        'exported': datetime.datetime.now(datetime.UTC).isoformat(timespec='seconds'),
        **provenance.collect(),
    }


def _compute_scores(functions: Mapping, encoded: Sequence[bytes]) -> np.ndarray:
    return functions['serving_default'](tf.constant(encoded))['scores'].numpy()


def _write_formats(
    kinds: Sequence[str],
    trained: loading.TrainedRun,
    version: pathlib.Path,
    path: pathlib.Path,
    *,
    encoded: Sequence[bytes],
    manifest: manifests.Manifest | None,
) -> dict[str, Any]:
    """Writes the other formats beside `path`, checked against the SavedModel in `version`.

    Returns:
        Measurements of the int8 model on the records of `manifest`, by file name.
    """
    scored = [kind for kind in kinds if kind not in (*_WEIGHT_WRITERS, _INT8)]
    exact = _rebuild_exact(trained) if scored or _INT8 in kinds else trained
    if scored:
        tolerance = _TOLERANCE if trained.precision == 'float32' else _NARROW_TOLERANCE
        _write_scored_formats(
            scored, exact, version=version, path=path, encoded=encoded, tolerance=tolerance
        )
    for kind in kinds:
        if kind in _WEIGHT_WRITERS:
            file = formats.name_file(path, kind)
            print(f'export: {file}, {_WEIGHT_WRITERS[kind](file, trained)}')
    if _INT8 not in kinds:
        return {}
    file = formats.name_file(path, _INT8)
    comparison = quantized.write(file, exact, manifest)
    print(f'export: {file}: {quantized.describe(comparison)}')
    return {file.name: comparison}


def _rebuild_exact(trained: loading.TrainedRun) -> loading.TrainedRun:
    """Rebuilds the network with float32 activations, unless it has them."""
    return trained if trained.precision == 'float32' else loading.rebuild(trained, 'float32')


def _write_safetensors(file: pathlib.Path, trained: loading.TrainedRun) -> str:
    metadata = description.to_metadata(trained)
    is_torchvision = writers.write_safetensors(file, trained.model, metadata)
    return f'weights by the keys of {"torchvision" if is_torchvision else "alexnet_tf"}'


def _write_keras(file: pathlib.Path, trained: loading.TrainedRun) -> str:
    model = loading.build_with_preprocessing(trained)
    formats.write_keras(file, model, description.to_metadata(trained))
    return 'a Keras model of images from 0 to 255'


_WEIGHT_WRITERS = {'safetensors': _write_safetensors, 'keras': _write_keras}


def _write_scored_formats(
    kinds: Sequence[str],
    trained: loading.TrainedRun,
    *,
    version: pathlib.Path,
    path: pathlib.Path,
    encoded: Sequence[bytes],
    tolerance: float,
) -> None:
    size = len(trained.mean_image)
    squares = np.stack(
        [decoding.resize_to_square(decoding.decode(image), size).numpy() for image in encoded]
    )
    loaded = saved_model.load(version)
    scores = loaded.signatures['pixels'](images=tf.constant(squares))['scores'].numpy()
    for kind in kinds:
        file = formats.name_file(path, kind)
        difference = formats.write_model(
            file,
            trained.model,
            trained.preprocess,
            reference=(squares, scores),
            tolerance=tolerance,
        )
        print(
            f'export: {file}, checked on the same images: scores differ by at most {difference:.1g}'
        )


def _print_precision(precision: str, scores: np.ndarray, exact: np.ndarray, kind: str) -> None:
    same = int((scores.argmax(1) == exact.argmax(1)).sum())
    reduced = 'weights and activations' if _computes_in(precision) else 'weights'
    print(
        f'export: {reduced} as {precision} change the scores by at most '
        f'{np.abs(scores - exact).max():.2g}; the top-1 class is the same for {same} of '
        f'{len(scores)} {kind}'
    )
