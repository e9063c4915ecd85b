"""`--mode=prepare`: converts images to records, checks records, or estimates the conversion."""

import contextlib
import dataclasses
import math
import pathlib
import shlex
from typing import Any

from alexnet_tf.config import fields, schema
from alexnet_tf.reports import progress, tables
from input_pipeline import errors, files, locks
from input_pipeline.images import decoding
from input_pipeline.prepare import beam_executor, conversion, estimate, local_executor
from input_pipeline.records import checking, manifests, writing
from input_pipeline.sources import (
    cifar10,
    csv_file,
    detection,
    entries,
    folder,
    ilsvrc2010,
    ilsvrc2012,
    imagenet_releases,
    sample_images,
    tfds,
    tfrecords,
)


def run(config: schema.Config) -> str:
    """Prepares the data set, unless it is prepared; or only checks it, or estimates the work.

    Returns:
        The `--mode` that comes next; '' after a check or an estimate.

    Raises:
        DataError: The images cannot be used, or `--data_dir` holds something else.
        OSError: The disk is full or not writable.
        UsageError: Flags contradict each other.
    """
    data = config.data
    if data.verify_only:
        _verify(data.data_dir)
        return ''
    _check_separate(data)
    kind = _choose_source(data)
    if data.dry_run:
        _estimate(config, kind)
        return ''
    with locks.acquire(files.as_path(data.data_dir)):
        try:
            manifest = _prepare(config, _find_images(data, kind))
        finally:
            tfds.remove_copies(_unfinished_dir(data))
            with contextlib.suppress(OSError):  # unfinished shards are kept
                _unfinished_dir(data).rmdir()
    _print_summary(manifest)
    print(f'prepare: records are in {data.data_dir}')
    return 'train'


def _choose_source(data: schema.Data) -> str:
    if data.source != 'auto':
        return data.source
    kind, reason = detection.detect_source(data.source_dir, data.dataset)
    print(f'prepare: --source={kind}, since {reason}')
    return kind


def _find_images(data: schema.Data, kind: str) -> entries.Source:
    root, splits = data.source_dir, _name_splits(data)
    held_out = {'validation_fraction': data.validation_fraction}
    find_images = {
        'sample': sample_images.find_images,
        'folder': lambda: folder.find_images(root, **held_out),
        'csv': lambda: csv_file.find_images(root, **held_out),
        'ilsvrc2010': lambda: ilsvrc2010.find_images(root),
        'ilsvrc2012': lambda: ilsvrc2012.find_images(root),
        'fall2011': lambda: imagenet_releases.find_images(kind, root, **held_out),
        'imagenet10k': lambda: imagenet_releases.find_images(kind, root, **held_out),
        'cifar10': lambda: cifar10.find_images(root),
        'records': lambda: tfrecords.find_images(root),
        'tfds': lambda: tfds.find_images(
            data.dataset, root, splits=splits, copies_dir=_unfinished_dir(data), **held_out
        ),
    }
    source = find_images[kind]()
    if files.is_remote(data.data_dir):  # object stores have no links
        source = dataclasses.replace(source, in_place_layout=None)
    if data.exif_orientation != 'auto':
        source = dataclasses.replace(source, exif_orientation=data.exif_orientation == 'on')
    print(f'prepare: {source.description}')
    return source


def _prepare(config: schema.Config, source: entries.Source) -> manifests.Manifest:
    data, settings = config.data, _collect_settings(config)
    limits = {'max_bad_fraction': data.max_bad_fraction, 'fail_on_leak': data.fail_on_leak}
    manifest = conversion.load_if_current(data.data_dir, source, settings, **limits)
    if manifest:
        print('prepare: these images are already prepared and all hashes match')
        return manifest
    estimate.check_disk_space(source, data.data_dir, settings)
    executor = _create_executor(data, sum(map(len, source.splits.values())))
    with progress.Progress('images') as bar:
        return conversion.prepare(
            source, data.data_dir, settings=settings, report=bar.update, executor=executor, **limits
        )


def _collect_settings(config: schema.Config) -> dict[str, Any]:
    """Everything beside the source that decides the content of the records."""
    return {
        'record_encoding': config.data.record_encoding,
        'validation_fraction': config.data.validation_fraction,
        'shard_examples': config.data.shard_examples,
        'seed': config.seed,
        'jpeg_quality': decoding.JPEG_QUALITY,
    }


def _create_executor(data: schema.Data, images: int) -> conversion.Executor:
    if data.engine == 'local':
        return local_executor.LocalExecutor(conversion.choose_workers(images, data.workers))
    try:
        return beam_executor.BeamExecutor(shlex.split(data.beam_options))
    except ValueError as error:
        raise fields.UsageError(f'--beam_options={data.beam_options}: {error}.') from error


def _estimate(config: schema.Config, kind: str) -> None:
    """Prints what a conversion would take, without writing anything."""
    data = config.data
    if kind == 'tfds':  # to list its images would download it
        print(f'prepare: {tfds.describe(data.dataset, data.source_dir, _name_splits(data))}')
    else:
        source = _find_images(data, kind)
        plan = estimate.estimate_preparation(
            source, data.data_dir, _collect_settings(config), data.workers
        )
        rows = [
            (split, _format_count(len(members), source.expected.get(split)))
            for split, members in source.splits.items()
        ]
        print(tables.format_table(('split', 'images'), rows))
        place = ', used in place' if plan.in_place else ''
        free = '' if plan.free_bytes == math.inf else f', {plan.free_bytes / 1e9:,.2f} GB free'
        print(
            f'prepare: {len(source.classes):,} classes, {plan.files} {plan.encoding} files{place}\n'
            f'prepare: {plan.bytes / 1e9:,.2f} GB needed{free}\n'
            f'prepare: about {progress.format_duration(plan.secs)} with {plan.workers} processes, '
            f'from {plan.sampled} sampled images ({plan.unreadable} unreadable)'
        )
    print('prepare: dry run: nothing was written')


def _verify(data_dir: str) -> None:
    manifest = manifests.read(data_dir)
    with progress.Progress('MB') as bar:
        problems = checking.find_problems(
            manifest, lambda done, total: bar.update(done / 1e6, total / 1e6)
        )
    if problems:
        raise errors.DataError(
            f'{data_dir} is not as it was written. Problems: {len(problems)}\n'
            + '\n'.join(problems)
        )
    _print_summary(manifest)
    print(f'prepare: every byte in {data_dir} is as it was written')


def _print_summary(manifest: manifests.Manifest) -> None:
    rows = [
        (
            split,
            _format_count(manifest.count_examples(split), manifest.expected.get(split)),
            f'{len(shards):,}',
            f'{sum(shard.bytes for shard in shards) / 1e6:,.1f}',
            ', '.join(f'{number:,} {kind}' for kind, number in manifest.kinds[split].items()),
        )
        for split, shards in manifest.splits.items()
    ]
    print(tables.format_table(('split', 'images', 'files', 'MB', 'kinds'), rows))
    print(f'prepare: {len(manifest.classes):,} classes')
    if manifest.quarantined:
        print(
            f'prepare: warning: unreadable images left out: {manifest.quarantined:,}, see '
            f'{manifest.directory / manifests.QUARANTINE}'
        )
    if manifest.leaked:
        print(
            f'prepare: warning: {manifest.leaked:,} images are in training and in another split, '
            f'so errors on them mean nothing, see {manifest.directory / manifests.LEAKS}'
        )


def _format_count(images: int, published: int | None) -> str:
    return f'{images:,}' if published is None else f'{images:,} of {published:,} published'


def _check_separate(data: schema.Data) -> None:
    """Refuses records inside the folder of images, where they would be taken for images."""
    if not data.source_dir:
        return
    source, records = map(_resolve, (data.source_dir, data.data_dir))
    if records.is_relative_to(source) and source.is_dir():
        raise fields.UsageError(
            f'--data_dir={data.data_dir} lies in --source_dir={data.source_dir}, where records '
            'would be taken for images. Name a directory beside it.'
        )


def _resolve(path: str) -> pathlib.Path:
    return files.as_path(path) if files.is_remote(path) else pathlib.Path(path).resolve()


def _name_splits(data: schema.Data) -> dict[str, str]:
    return {'train': data.train_split, 'validation': data.validation_split}


def _unfinished_dir(data: schema.Data) -> pathlib.Path:
    return files.as_path(data.data_dir) / writing.UNFINISHED_DIR
