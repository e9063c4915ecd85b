"""`--mode=prepare`: converts images to records, checks records, or estimates the conversion."""

import contextlib
import dataclasses
import math
import pathlib
import shlex
import tempfile
from collections.abc import Sequence
from typing import Any

from alexnet_tf.config import fields, schema
from alexnet_tf.models import recipes
from alexnet_tf.reports import preparation, progress, tables
from alexnet_tf.runs import build, image_index, image_sources
from input_pipeline import cores, errors, files, locks
from input_pipeline.prepare import (
    beam_executor,
    class_checks,
    conversion,
    estimate,
    local_executor,
    outcomes,
)
from input_pipeline.records import checking, manifests, references, writing
from input_pipeline.sources import detection, entries, splits, tfds

_STORED_AS = (schema.Data.record_quality, schema.Data.record_subsampling)  # unless flags say so


def run(config: schema.Config) -> tuple[schema.Config, str] | None:
    """Prepares the data set, unless it is prepared; or only checks it, or estimates the work.

    Returns:
        The settings and the `--mode` of the command that comes next; None after a check or an
        estimate.

    Raises:
        DataError: The images cannot be used, or `--data_dir` holds something else.
        OSError: The disk is full or not writable.
        UsageError: Flags contradict each other.
    """
    config = _make_absolute(_keep_seed(config))
    data = config.data
    if data.verify_only:
        _verify(data.data_dir)
        return None
    _check_separate(data)
    kind = _choose_source(data)
    if data.dry_run:
        _estimate(config, kind)
        return None
    directory, copies_dir = files.as_path(data.data_dir), _choose_copies_dir(data)
    with locks.acquire(directory, may_read=True):
        files.remove_temporary(directory)  # that a killed process left
        are_kept = copies_dir == directory  # a finished index keeps its copies
        others = entries.list_copies(directory) if are_kept else ()
        try:
            source = _find_images(config, kind, copies_dir)
            manifest = _prepare(config, source)
        finally:
            if not (are_kept and (directory / manifests.MANIFEST).exists()):
                entries.remove_copies(copies_dir, but=others)
            with contextlib.suppress(OSError, ValueError):  # unfinished shards are kept
                _unfinished_dir(data).rmdir()
    _print_summary(manifest, known_warnings=_list_warnings(source))
    if manifest.layout.encoding == references.ENCODING:
        print(f'prepare: {image_index.describe(manifest, data)}')
    print(f'prepare: records are in {data.data_dir}')
    return config, 'train'


def _keep_seed(config: schema.Config) -> schema.Config:
    """Returns settings with the seed of existing records: in `--mode=all`, --seed is training's."""
    manifest_file = files.as_path(config.data.data_dir) / manifests.MANIFEST
    if config.mode != 'all' or not manifest_file.exists():
        return config
    kept = manifests.read(config.data.data_dir).settings.get('seed', config.seed)
    return dataclasses.replace(config, seed=kept)


def _make_absolute(config: schema.Config) -> schema.Config:
    """Makes paths absolute for Beam, whose workers have other working directories."""
    data = config.data
    if data.engine == 'local':
        return config
    paths = {
        name: files.make_absolute(path)
        for name in ('data_dir', 'source_dir')
        if (path := getattr(data, name))
    }
    return dataclasses.replace(config, data=dataclasses.replace(data, **paths))


def _choose_source(data: schema.Data) -> str:
    if data.source != 'auto':
        return data.source
    kind, reason = detection.detect_source(data.source_dir, data.dataset)
    print(f'prepare: --source={kind}, since {reason}')
    return kind


def _find_images(config: schema.Config, kind: str, copies_dir: pathlib.Path) -> entries.Source:
    """Finds the images and prints what was found, before any of them is converted."""
    data, rule = config.data, _find_split_rule(config.data.data_dir)
    source = image_sources.find_images(data, kind, copies_dir, split_rule=rule)
    if config.mode == 'all':
        source = _enlarge(source, build.resolve_recipe(config))
    is_default = (data.record_quality, data.record_subsampling) == _STORED_AS
    if not is_default or not (data.dry_run or files.has_links(files.as_path(data.data_dir))):
        source = dataclasses.replace(source, in_place_layout=None)
    root = image_index.find_root(data, files.as_path(data.data_dir))
    source = dataclasses.replace(source, root=root)
    print(f'prepare: {source.description}')
    print(preparation.format_classes(class_checks.count_source(source)))
    for warning in _list_warnings(source):
        print(f'prepare: warning: {warning}')
    return source


def _enlarge(source: entries.Source, recipe: recipes.Recipe) -> entries.Source:
    """Enlarges the images of CIFAR-10, which stay small unless the network needs more."""
    small, large = source.square_size, entries.Source.square_size
    needed = recipe.window_size
    if needed <= small:
        return source
    print(
        f'prepare: images of {small} x {small} are enlarged to {large} x {large}, because '
        f'--recipe={recipe.name} needs {needed} x {needed}'
    )
    return dataclasses.replace(source, square_size=large)


def _find_split_rule(data_dir: str) -> str:
    """Finds the rule by which an older version split these images, to apply it again; or ''."""
    if not (files.as_path(data_dir) / manifests.MANIFEST).exists():
        return ''
    rule = manifests.read(data_dir).settings.get('split_rule', '')
    return rule if rule in splits.OLDER_RULES else ''


def _list_warnings(source: entries.Source) -> list[str]:
    warnings = class_checks.find_warnings(class_checks.count_source(source))
    return [*source.warnings, *warnings]


def _prepare(config: schema.Config, source: entries.Source) -> manifests.Manifest:
    data, settings = config.data, _collect_settings(config)
    limits = {'max_bad_fraction': data.max_bad_fraction, 'fail_on_leak': data.fail_on_leak}
    manifest = conversion.load_if_current(data.data_dir, source, settings, **limits)
    if manifest:
        if manifest.layout.encoding == references.ENCODING:
            image_index.check_unchanged(manifest)
            image_index.check_statistics(data.statistics, manifest)
        print(
            'prepare: images of these names, labels and sizes are already prepared, and the hashes '
            'of all records match'
        )
        if manifest.quarantined:
            print(
                f'prepare: {manifest.quarantined:,} images could not be read then, see '
                f'{manifests.QUARANTINE}; to retry them, delete {data.data_dir}'
            )
        return manifest
    estimate.check_disk_space(source, data.data_dir, settings)
    executor = _create_executor(config)
    with progress.Progress('images') as bar:
        if data.record_encoding == references.ENCODING:
            return image_index.build(config, source, files.as_path(data.data_dir), bar.update)
        return conversion.prepare(
            source, data.data_dir, settings=settings, report=bar.update, executor=executor, **limits
        )


def _collect_settings(config: schema.Config) -> dict[str, Any]:
    """Collects the settings that, with the source, decide the content of the records."""
    if config.data.record_encoding == references.ENCODING:
        return image_index.collect_settings(config)
    return {
        'record_encoding': config.data.record_encoding,
        'validation_fraction': config.data.validation_fraction,
        'shard_examples': config.data.shard_examples,
        'seed': config.seed,
        'jpeg_quality': config.data.record_quality,
        'jpeg_subsampling': config.data.record_subsampling,
    }


def _create_executor(config: schema.Config) -> conversion.Executor:
    data = config.data
    if data.engine == 'local':
        return local_executor.LocalExecutor(data.workers or cores.count_cores())
    try:
        return beam_executor.BeamExecutor(shlex.split(data.beam_options))
    except ValueError as error:
        raise fields.UsageError(f'--beam_options={data.beam_options}: {error}.') from error


def _estimate(config: schema.Config, kind: str) -> None:
    """Prints what a conversion would take, without writing anything."""
    data = config.data
    if kind == 'tfds':  # listing its images would download it
        chosen = image_sources.name_splits(data)
        print(f'prepare: {tfds.describe(data.dataset, data.source_dir, chosen)}')
    else:
        with tempfile.TemporaryDirectory() as copies_dir:
            source = _find_images(config, kind, pathlib.Path(copies_dir))
            plan = estimate.estimate_preparation(
                source, data.data_dir, _collect_settings(config), data.workers
            )
        rows = [
            (split, preparation.format_count(len(members), source.expected.get(split)))
            for split, members in source.splits.items()
        ]
        print(tables.format_table(('split', 'images'), rows))
        if source.ignored:
            print(preparation.format_files(source.ignored))
        place = ', used in place' if plan.in_place else ''
        free = '' if plan.free_bytes == math.inf else f', {plan.free_bytes / 1e9:,.2f} GB free'
        print(
            f'prepare: {plan.files} record files ({plan.encoding}){place}\n'
            f'prepare: {plan.bytes / 1e9:,.2f} GB needed{free}\n'
            f'prepare: about {progress.format_duration(plan.secs)} with '
            f'{plan.workers} {"thread" if plan.workers == 1 else "threads"}, '
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
    outcome = outcomes.read(manifest.directory)
    if outcome:
        print(preparation.format_classes(outcome.classes))
    _print_summary(manifest)
    print(f'prepare: all records and statistics in {data_dir} are as they were written')


def _print_summary(manifest: manifests.Manifest, known_warnings: Sequence[str] = ()) -> None:
    """Prints what the records hold, what became of the files, and warnings not printed before."""
    print(preparation.format_records(manifest))
    outcome = outcomes.read(manifest.directory)
    if outcome and outcome.files:
        print(preparation.format_files(outcome.files))
    for warning in outcome.warnings if outcome else ():
        if warning not in known_warnings:
            print(f'prepare: warning: {warning}')
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


def _check_separate(data: schema.Data) -> None:
    """Refuses records among images, where they would be taken for images."""
    if not data.source_dir:
        kind = image_index.detect_images(dataclasses.replace(data, source='auto'))
        if kind and not data.dataset:
            raise fields.UsageError(
                f'--data_dir={data.data_dir}: it holds images, which train reads unprepared. To '
                'prepare them, give them as --source_dir, and another --data_dir.'
            )
        return
    source, records = map(_resolve, (data.source_dir, data.data_dir))
    if records.is_relative_to(source) and source.is_dir():
        raise fields.UsageError(
            f'--data_dir={data.data_dir} lies in --source_dir={data.source_dir}, where records '
            'would be taken for images. Name a directory beside it.'
        )


def _resolve(path: str) -> pathlib.Path:
    return files.as_path(path) if files.is_remote(path) else pathlib.Path(path).resolve()


def _choose_copies_dir(data: schema.Data) -> pathlib.Path:
    """Chooses where to copy images that allow no random access: a new index keeps the copies."""
    directory = files.as_path(data.data_dir)
    is_new = not (directory / manifests.MANIFEST).exists()
    keeps = is_new and data.record_encoding == references.ENCODING
    return directory if keeps else _unfinished_dir(data)


def _unfinished_dir(data: schema.Data) -> pathlib.Path:
    return files.as_path(data.data_dir) / writing.UNFINISHED_DIR
