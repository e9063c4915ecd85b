"""Pictures -> records."""

import input_pipeline
from alexnet_tf import config as configs
from alexnet_tf import sections
from alexnet_tf.reporting import progress


def run(config: configs.Config) -> None:
    """Prepares the data set, or says that it stands already; or only looks whether it is whole."""
    if config.data.verify_only:
        return _verify(config.data.data_dir)
    found = _find(config.data)
    settings = _settings(config)
    manifest = input_pipeline.convert.standing(config.data.data_dir, found, settings)
    if manifest is None:
        print(f'prepare: {found.description} -> {config.data.data_dir}')
        bar = progress.Progress('pictures')
        manifest = input_pipeline.convert.prepare(
            found,
            config.data.data_dir,
            settings=settings,
            max_bad_fraction=config.data.max_bad_fraction,
            report=bar.show,
            workers=config.data.workers,
        )
        bar.close()
    else:
        print(f'prepare: {config.data.data_dir} stands and its hashes are right; nothing to do.')
    _summary(manifest)


def _verify(data_dir: str) -> None:
    manifest = input_pipeline.records.read(data_dir)
    bar = progress.Progress('bytes')
    found = input_pipeline.inspection.problems(manifest, bar.show)
    bar.close()
    if found:
        raise input_pipeline.errors.DataError(
            f'{data_dir}: {len(found)} of its files are not what was written:\n' + '\n'.join(found)
        )
    print(f'prepare: {data_dir} is whole, byte for byte.')
    _summary(manifest)


def _find(data: sections.Data):
    if data.source == 'folder':
        return input_pipeline.sources.folder.find(
            data.source_dir, validation_fraction=data.validation_fraction
        )
    return input_pipeline.sources.photographs.find()


def _settings(config: configs.Config) -> dict:
    """What decides the records' content."""
    data = config.data
    return {
        'record_encoding': data.record_encoding,
        'validation_fraction': data.validation_fraction,
        'shard_examples': data.shard_examples,
        'seed': config.seed,
        'square_size': input_pipeline.pictures.SQUARE_SIZE,
        'jpeg_quality': input_pipeline.pictures.JPEG_QUALITY,
    }


def _summary(manifest) -> None:
    for split, shards in manifest.splits.items():
        size = sum(each.bytes for each in shards) / 1e6
        print(
            f'prepare: {split}: {manifest.examples(split):,} records in {len(shards)} files, '
            f'{size:,.1f} MB'
        )
    if manifest.quarantined:
        print(f'prepare: {manifest.quarantined} pictures left out, see quarantine.csv')
