"""The records and the stream of batches that a training run asks for."""

from collections.abc import Callable, Iterator

import input_pipeline
from alexnet_tf import config as configs
from alexnet_tf.network import recipe


def load(config: configs.Config) -> input_pipeline.records.Manifest:
    """The prepared records; their copy where `--cache` asks for one."""
    manifest = input_pipeline.records.load(config.data.data_dir)
    if config.input.cache == 'none':
        return manifest
    return input_pipeline.cache.copied(manifest, input_pipeline.cache.place(config.input.cache))


def batches(
    config: configs.Config,
    numbers: recipe.Recipe,
    manifest: input_pipeline.records.Manifest,
    augment: input_pipeline.augmentation.Augmentation,
    start: tuple[int, int],
    *,
    cancelled: Callable[[], bool] = lambda: False,
) -> Iterator[tuple]:
    """What is left of a run's batches, after `start` = (epochs, examples of the next).

    They end when `cancelled` says so while they are waited for.
    """
    stream = of(config, numbers, manifest, augment)
    if config.input.data_service:
        made = input_pipeline.service.batches(
            stream,
            config.input.data_service,
            start_epoch=start[0],
            epochs=numbers.epochs,
            cancelled=cancelled,
        )
    else:
        made = stream.batches(start=start, epochs=numbers.epochs)

    return input_pipeline.pipeline.read(made, manifest.directory, stream.first_unreadable)


def of(
    config: configs.Config,
    numbers: recipe.Recipe,
    manifest: input_pipeline.records.Manifest,
    augment: input_pipeline.augmentation.Augmentation,
) -> input_pipeline.pipeline.Training:
    """The training stream, from its beginning.

    Raises:
        UsageError: The records' pictures are smaller than what the network sees.
    """
    side = manifest.layout.square_size
    if numbers.crop_size > side:
        raise configs.UsageError(
            f'--crop_size={numbers.crop_size}: the pictures in {manifest.directory} are '
            f'{side} x {side}.'
        )
    return input_pipeline.pipeline.Training(
        manifest.shards(input_pipeline.records.TRAIN),
        manifest.layout,
        augment,
        numbers.batch_size,
        seed=config.seed,
        reshuffle=numbers.reshuffle,
        tolerant=config.input.on_bad_record == 'skip',
        on_accelerator=config.input.augment_on == 'accelerator',
        dtype='bfloat16' if config.network.precision == 'bfloat16' else 'float32',
    )
