"""The index of unprepared images: records that refer to them, and are read like any others.

`--data_dir` may hold images instead of records. Then the index is built once, beside the runs.
"""

import dataclasses
import os
import pathlib
from collections.abc import Callable, Set
from typing import Any

import numpy as np

from alexnet_tf.config import fields, resolution, schema
from alexnet_tf.reports import progress
from alexnet_tf.runs import image_sources
from input_pipeline import cores, errors, files, locks
from input_pipeline.images import rendering
from input_pipeline.prepare import comparison, conversion, local_executor
from input_pipeline.records import known_statistics, manifests, references, writing
from input_pipeline.sources import detection, entries, folder, listing, sample_images, snapshots
from input_pipeline.sources import tfds as tfds_lib

_SECTION = schema.Data()  # the defaults
_FLAGS = '--source_dir', '--data_dir'  # which names a source when it is prepared, and here
_SPLITS = 'train_split', 'validation_split'  # of tensorflow-datasets
# Any of these shows that records were prepared, even if others are lost.
_OF_RECORDS = (manifests.MANIFEST, manifests.STATISTICS, writing.UNFINISHED_DIR)


def load_manifest(config: schema.Config) -> manifests.Manifest:
    """Loads the manifest of `--data_dir`: of records, or of the index of the images in it.

    Raises:
        DataError: It holds neither, or other images than were indexed.
        UsageError: Flags contradict the index.
        OSError: The index cannot be written.
    """
    data = config.data
    kind = detect_images(data)
    if not kind:
        manifest = manifests.load(data.data_dir)
        if config.mode in ('train', 'experiment'):  # `all` has just prepared them
            _check_settings(data, manifest, config.given)
    else:
        manifest = manifests.load(_find_index(config, kind))
        _check_index(config, manifest)
    if manifest.layout.encoding == references.ENCODING:
        check_unchanged(manifest)
    return manifest


def exists(data_dir: str) -> bool:
    """Returns whether a `--data_dir` holds records, or its images have an index already."""
    places = data_dir, resolution.name_index(data_dir)
    return any((files.as_path(place) / manifests.MANIFEST).exists() for place in places)


def detect_images(data: schema.Data) -> str:
    """Returns the kind of source that `--data_dir` is; '' if it holds records, or nothing."""
    place = data.data_dir
    if place.startswith(resolution.TFDS):
        return tfds_lib.NAME
    path = files.as_path(place)
    is_list = path.suffix.lower() == '.csv' and path.is_file()
    holds_records = any((path / name).exists() for name in _OF_RECORDS)
    if not is_list and (holds_records or not path.is_dir()):
        return ''
    if data.source == tfds_lib.NAME:  # its images do not lie in --data_dir
        return ''
    if data.source not in ('auto', sample_images.NAME):
        return data.source
    kind, _ = detection.detect_source(place, '')
    has_classes = kind != folder.NAME or listing.Lister(path).list_folders(path)
    return kind if has_classes else ''


def build(
    config: schema.Config,
    source: entries.Source,
    directory: pathlib.Path,
    report: Callable[[int, int], None],
) -> manifests.Manifest:
    """Builds the index of a source. The caller holds the directory's lock.

    Args:
        config: Settings of the command.
        source: The images; its `root` is where references start.
        directory: For the index.
        report: Called with (images done, images in all) from time to time.

    Raises:
        DataError: The images or the statistics cannot be used.
        UsageError: `--statistics=0`.
        OSError: The disk is full or not writable.
    """
    data, settings = config.data, collect_settings(config)
    is_known = not settings['statistics_images']
    known = known_statistics.load(data.statistics, source.square_size) if is_known else None
    is_local = source.name != tfds_lib.NAME and data.source_dir and not files.is_remote(source.root)
    snapshots.write(directory, os.path.abspath(data.source_dir) if is_local else '', source)
    workers = data.workers or cores.count_cores()
    return conversion.prepare(
        source,
        str(directory),
        settings=settings,
        max_bad_fraction=data.max_bad_fraction,
        report=report,
        executor=local_executor.LocalExecutor(workers),
        fail_on_leak=data.fail_on_leak,
        image_statistics=known,
    )


def collect_settings(config: schema.Config) -> dict[str, Any]:
    """Collects the settings that, with the source, decide what an index holds.

    Raises:
        UsageError: `--statistics=0`.
    """
    statistics = config.data.statistics
    if statistics.isdecimal() and not int(statistics):
        raise fields.UsageError(
            f'--statistics={statistics}: expected a number of images from 1, '
            f'{known_statistics.IMAGENET}, or a file.'
        )
    splits = {name: getattr(config.data, name) for name in _SPLITS} if config.data.dataset else {}
    return splits | {
        'record_encoding': references.ENCODING,
        'validation_fraction': config.data.validation_fraction,
        'shard_examples': config.data.shard_examples,
        'seed': config.seed,
        'statistics_images': int(statistics) if statistics.isdecimal() else 0,
    }


def find_root(data: schema.Data, directory: pathlib.Path) -> str:
    """Returns the folder that an index's references start from: of the images or of the index."""
    if files.is_remote(data.source_dir):
        return data.source_dir
    place = os.path.abspath(data.source_dir or directory)
    return os.path.dirname(place) if os.path.isfile(place) else place


def _find_index(config: schema.Config, kind: str) -> pathlib.Path:
    """Finds the index of the images in `--data_dir`, and builds it if there is none."""
    place = config.data.data_dir
    directory = pathlib.Path(resolution.name_index(place))
    # With prepare's default seed: another training seed must not change the data set.
    data = dataclasses.replace(config.data, **_name_source(place))
    config = dataclasses.replace(config, data=data, seed=schema.Config.seed)
    if (directory / manifests.MANIFEST).exists():  # finished: no lock, the disk may be read-only
        return directory
    with locks.acquire(directory, wait=True):
        if (directory / manifests.MANIFEST).exists():
            return directory
        files.remove_temporary(directory)  # copies of images that a killed process left
        try:
            source = image_sources.find_images(data, kind, directory)
        except errors.DataError as error:  # its advice is that of --mode=prepare
            error.args = (str(error).replace(*_FLAGS),)
            raise
        source = dataclasses.replace(source, root=find_root(data, directory))
        print(f'{config.mode}: {source.description}', flush=True)
        for warning in source.warnings:
            print(f'{config.mode}: warning: {warning.replace(*_FLAGS)}')
        with progress.Progress('images') as bar:
            manifest = build(config, source, directory, bar.update)
    print(f'{config.mode}: {describe(manifest, data)}', flush=True)
    return directory


def _name_source(place: str) -> dict[str, str]:
    if place.startswith(resolution.TFDS):
        return {'dataset': place.removeprefix(resolution.TFDS)}
    return {'source_dir': place}


def describe(manifest: manifests.Manifest, data: schema.Data) -> str:
    """Describes where an index is, what was left out, and where its statistics are from."""
    images = manifest.count_examples(manifests.TRAIN)
    sampled = min(images, manifest.settings['statistics_images'])
    statistics = f'{sampled:,} of {images:,} training images' if sampled else data.statistics
    bad = f'; {manifest.quarantined:,} unreadable images left out' if manifest.quarantined else ''
    return (
        f'the index of the images is in {manifest.directory}{bad}; mean image and colour '
        f'covariance are those of {statistics}'
    )


def _check_index(config: schema.Config, manifest: manifests.Manifest) -> None:
    """Checks that an index fits the images, and the flags that were given."""
    data, directory = config.data, manifest.directory
    place = dataclasses.replace(data, **_name_source(data.data_dir))
    root = find_root(place, directory)
    known = snapshots.read_place(directory)  # '' if the images are not local
    if manifest.layout.root != root or (known and known != os.path.abspath(data.data_dir)):
        raise errors.DataError(
            f'{directory} is the index of images in {known or manifest.layout.root or "records"}, '
            f'not in {data.data_dir}. Delete it, or work in another directory.'
        )
    if data.source not in ('auto', sample_images.NAME, manifest.source):
        raise fields.UsageError(
            f'--source={data.source}: {directory} was built as {manifest.source}. Leave the flag '
            'out, or delete that directory.'
        )
    changed = {field.name for field in fields.list_settings(data)}
    changed = {name for name in changed if getattr(data, name) != getattr(_SECTION, name)}
    _check_settings(place, manifest, config.given | changed)
    if 'statistics' in config.given:  # a run's file may be gone
        check_statistics(data.statistics, manifest)


def _check_settings(data: schema.Data, manifest: manifests.Manifest, given: Set[str]) -> None:
    """Checks that flags do not contradict the existing records or index."""
    kept, directory = manifest.settings, manifest.directory
    usual = rendering.Rendering.from_settings(kept)
    wanted = collect_settings(schema.Config(data=data))
    wanted |= dataclasses.asdict(image_sources.choose_rendering(data, usual))
    # The training seed is not that of the records.
    for name in (
        'seed',
        *comparison.list_idle_settings(kept.get('split_rule', ''), manifest.layout),
    ):
        wanted.pop(name, None)
    is_index = manifest.layout.encoding == references.ENCODING
    other = 'delete that directory' if is_index else 'prepare other records'
    for name, value in wanted.items():
        flag = 'statistics' if name == 'statistics_images' else name
        if flag in given and name in kept and kept[name] != value:
            raise fields.UsageError(
                f'--{flag}={getattr(data, flag)}: {directory} was built with '
                f'{_describe_kept(name, kept[name])}. Leave the flag out, or {other}.'
            )


def _describe_kept(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return 'on' if value else 'off'
    if name == 'statistics_images' and not value:
        return 'known statistics'
    return str(value) or 'the default'


def check_statistics(choice: str, manifest: manifests.Manifest) -> None:
    """Checks that an index has the known statistics, if any, that `--statistics` names.

    Raises:
        UsageError: The index has others.
        DataError: There is no such file. The index itself does not need it.
    """
    if choice.isdecimal() or manifest.settings['statistics_images']:
        return
    try:
        known = known_statistics.load(choice, manifest.layout.square_size)
    except errors.DataError as error:
        raise errors.DataError(
            f'{error} Or leave the flag out: {manifest.directory} keeps its own.'
        ) from error
    kept = vars(manifests.load_statistics(manifest))
    if not all(np.array_equal(values, kept[name]) for name, values in vars(known).items()):
        raise fields.UsageError(
            f'--statistics={choice}: {manifest.directory} was built with others. Leave the flag '
            'out, or delete that directory.'
        )


def check_unchanged(manifest: manifests.Manifest) -> None:
    """Checks that the images of an index have not changed since it was built.

    Raises:
        DataError: They have changed.
    """
    only_images = manifest.source == folder.NAME
    change = snapshots.find_change(manifest.directory, only_images=only_images)
    if change:
        raise errors.DataError(
            f'The images have changed since {manifest.directory} was built: {change}. Delete that '
            'directory to build it again; a run resumes only with the images it was trained on.'
        )
