"""Pictures -> records."""

import contextlib
import dataclasses
import math
import pathlib
import shlex

from alexnet_tf.config import schema
from alexnet_tf.reports import progress, tables
from input_pipeline import errors, files, locks
from input_pipeline.images import decoding
from input_pipeline.prepare import beam_executor, conversion, estimate
from input_pipeline.records import checking, manifests, writing
from input_pipeline.sources import (
    cifar10,
    csv_file,
    detection,
    folder,
    ilsvrc2010,
    ilsvrc2012,
    imagenet_releases,
    sample_images,
    tfds,
    tfrecords,
)


def run(config: schema.Config) -> None:
    """Prepares the data set, or says that it stands already; or only looks."""
    data = config.data
    if data.verify_only:
        return _verify(data.data_dir)
    _check_apart(data)
    source = _source(data)
    if source == 'tfds' and data.dry_run:
        return print(f'prepare: {_described(data)}\nprepare: dry run, nothing was written.')
    if data.dry_run:
        return _plan(config, _find(data, source), _settings(config))
    with locks.held(files.at(data.data_dir)):
        try:
            manifest = _made(config, _find(data, source), _settings(config))
        finally:
            _remove_copies(data)
    _summary(manifest)


def _remove_copies(data: schema.Data) -> None:
    aside = files.at(data.data_dir) / writing.NOTES
    tfds.remove_copies(aside)
    with contextlib.suppress(OSError):
        aside.rmdir()  # where there is nothing else


def _made(config, found, settings):
    """The manifest of what stands already, or is made now."""
    data = config.data
    print(f'prepare: {found.description}')
    manifest = conversion.standing(
        data.data_dir,
        found,
        settings,
        max_bad_fraction=data.max_bad_fraction,
        fail_on_leak=data.fail_on_leak,
    )
    if manifest is None:
        print(f'prepare: -> {data.data_dir}')
        return _prepare(config, found, settings)
    print(f'prepare: {data.data_dir} stands and its hashes are right; nothing to do.')
    return manifest


def _prepare(config, found, settings):
    estimate.check_room(found, config.data.data_dir, settings)
    bar = progress.Progress('pictures')
    manifest = conversion.prepare(
        found,
        config.data.data_dir,
        settings=settings,
        max_bad_fraction=config.data.max_bad_fraction,
        report=bar.show,
        workers=config.data.workers,
        fail_on_leak=config.data.fail_on_leak,
        **_engine(config.data),
    )
    bar.close()
    return manifest


def _engine(data: schema.Data) -> dict:
    if data.engine == 'local':
        return {}
    try:
        options = shlex.split(data.beam_options)
    except ValueError as error:
        raise schema.UsageError(f'--beam_options={data.beam_options}: {error}.') from error
    return {'make_engine': lambda _: beam_executor.BeamEngine(options)}


def _verify(data_dir: str) -> None:
    manifest = manifests.read(data_dir)
    bar = progress.Progress('bytes')
    found = checking.problems(manifest, bar.show)
    bar.close()
    if found:
        raise errors.DataError(
            f'{data_dir}: {len(found)} of its files are not what was written:\n' + '\n'.join(found)
        )
    print(f'prepare: {data_dir} is whole, byte for byte.')
    _summary(manifest)


def _source(data: schema.Data) -> str:
    if data.source != 'auto':
        return data.source
    source, why = detection.source_of(data.source_dir, data.dataset)
    print(f'prepare: --source={source}, for {why}')
    return source


def _find(data: schema.Data, source: str):
    where, fraction = data.source_dir, data.validation_fraction
    found = {
        'photographs': lambda: sample_images.find(),
        'folder': lambda: folder.find(where, validation_fraction=fraction),
        'csv': lambda: csv_file.find(where, validation_fraction=fraction),
        'ilsvrc2010': lambda: ilsvrc2010.find(where),
        'ilsvrc2012': lambda: ilsvrc2012.find(where),
        'fall2011': lambda: imagenet_releases.find(source, where, validation_fraction=fraction),
        'imagenet10k': lambda: imagenet_releases.find(source, where, validation_fraction=fraction),
        'cifar10': lambda: cifar10.find(where),
        'records': lambda: tfrecords.find(where),
        'tfds': lambda: tfds.find(
            data.dataset,
            where,
            splits=_splits(data),
            validation_fraction=fraction,
            aside=files.at(data.data_dir) / writing.NOTES,
        ),
    }[source]()
    if files.is_remote(data.data_dir):  # which has no links
        found = dataclasses.replace(found, in_place=None)
    if data.exif_orientation == 'auto':
        return found
    return dataclasses.replace(found, exif_orientation=data.exif_orientation == 'on')


def _described(data: schema.Data) -> str:
    return tfds.describe(data.dataset, data.source_dir, _splits(data))


def _splits(data: schema.Data) -> dict[str, str]:
    return {'train': data.train_split, 'validation': data.validation_split}


def _check_apart(data: schema.Data) -> None:
    """Refuses records among the pictures that they are made of."""
    if not data.source_dir:
        return
    source, records = map(_absolute, (data.source_dir, data.data_dir))
    if records.is_relative_to(source) and source.is_dir():
        raise schema.UsageError(
            f'--data_dir={data.data_dir} lies in --source_dir={data.source_dir}, where records '
            'would be taken for pictures. Name a directory beside it.'
        )


def _absolute(path: str) -> pathlib.Path:
    at = files.at(path)
    return at if files.is_remote(path) else at.resolve()


def _settings(config: schema.Config) -> dict:
    """What decides the records' content."""
    data = config.data
    return {
        'record_encoding': data.record_encoding,
        'validation_fraction': data.validation_fraction,
        'shard_examples': data.shard_examples,
        'seed': config.seed,
        'jpeg_quality': decoding.JPEG_QUALITY,
    }


def _plan(config, found, settings) -> None:
    """What a dry run says."""
    print(f'prepare: {found.description}')
    plan = estimate.estimate(found, config.data.data_dir, settings, config.data.workers)
    rows = [
        (split, f'{len(entries):,}', _number(found.expected.get(split)))
        for split, entries in found.splits.items()
    ]
    print(tables.text(('split', 'pictures', 'published'), rows))
    where = ', used where they lie' if plan.in_place else ''
    print(
        f'prepare: {len(found.classes):,} classes, records in {plan.encoding}, {plan.files} files'
        f'{where}'
    )
    print(f'prepare: {plan.bytes / 1e9:,.2f} GB needed{_free(plan)}')
    print(
        f'prepare: about {progress.duration(plan.secs)} on {plan.workers} processes, by '
        f'{plan.sampled} pictures tried; {plan.unreadable} of them could not be read'
    )
    print('prepare: dry run, nothing was written.')


def _free(plan) -> str:
    return '' if plan.free_bytes == math.inf else f', {plan.free_bytes / 1e9:,.2f} GB free'


def _summary(manifest) -> None:
    for split, shards in manifest.splits.items():
        size = sum(each.bytes for each in shards) / 1e6
        print(
            f'prepare: {split}: {manifest.examples(split):,} records in {len(shards)} files, '
            f'{size:,.1f} MB'
        )
    rows = [
        (
            split,
            _number(manifest.expected.get(split)),
            f'{manifest.examples(split):,}',
            ', '.join(f'{number:,} {kind}' for kind, number in kinds.items()),
        )
        for split, kinds in manifest.kinds.items()
    ]
    print(tables.text(('split', 'published', 'found', 'of which'), rows))
    if manifest.quarantined:
        print(f'prepare: {manifest.quarantined} pictures left out, see quarantine.csv')
    if manifest.leaked:
        print(
            f'prepare: warning: {manifest.leaked} pictures are in training and in another split, '
            'see leaks.csv; errors on them say nothing.'
        )


def _number(given: int | None) -> str:
    return '' if given is None else f'{given:,}'
