"""The records and the stream of batches that a training run asks for."""

from collections.abc import Callable, Iterator

from alexnet_tf.config import schema
from alexnet_tf.models import recipes
from input_pipeline import errors
from input_pipeline.batches import augmentation, data_service, datasets
from input_pipeline.records import caching, manifests

_SMALL_SIDE = 64  # most of a small network's pictures


def load(config: schema.Config) -> manifests.Manifest:
    """The prepared records; their copy where `--cache` asks for one."""
    manifest = manifests.load(config.data.data_dir)
    if config.input.cache == 'none':
        return manifest
    return caching.copied(manifest, caching.place(config.input.cache))


def batches(
    config: schema.Config,
    stream: datasets.Training,
    start: tuple[int, int],
    epochs: int,
    *,
    cancelled: Callable[[], bool] = lambda: False,
) -> Iterator[tuple]:
    """What is left of a run's batches, from `start` = (epochs, examples of the next) to `epochs`.

    They end when `cancelled` says so while they are waited for.
    """
    if config.input.data_service:
        made = data_service.batches(
            stream,
            config.input.data_service,
            start_epoch=start[0],
            epochs=epochs,
            cancelled=cancelled,
        )
    else:
        made = stream.batches(start=start, epochs=epochs)
    return datasets.read(made, config.data.data_dir, stream.first_unreadable)


def check(config: schema.Config, numbers: recipes.Recipe, manifest, copies: int) -> None:
    """Refuses pictures that do not suit the network, a batch that cannot be divided as asked, and
    epochs that its schedule does not ask for.

    Raises:
        UsageError: As said.
    """
    check_pictures(numbers, manifest)
    if config.training.drop_epochs and numbers.schedule != 'list':
        raise schema.UsageError(
            f'--drop_epochs: they are of --schedule=list, and this one is {numbers.schedule}.'
        )
    shares = copies * config.training.accumulate_steps
    if numbers.batch_size % shares:
        raise schema.UsageError(
            f'--batch_size={numbers.batch_size} cannot be divided into {shares} equal parts, which '
            f'{copies} copies of the network and --accumulate_steps='
            f'{config.training.accumulate_steps} ask for. Give a multiple of {shares}.'
        )
    if config.input.data_service and config.network.strategy == 'multi_worker':
        raise schema.UsageError(
            '--data_service feeds one host: its order is not known, so several could not share '
            'it out. Give each host of --strategy=multi_worker the records.'
        )


def check_readable(config: schema.Config, manifest: manifests.Manifest, unreadable: int) -> None:
    """Stops when more records cannot be read than may be, or the manifest counts others.

    Args:
        config: Of the run.
        manifest: Of its records.
        unreadable: How many training records of this epoch could not be read.

    Raises:
        DataError: As said.
    """
    if not unreadable:
        return  # after nearly every step: the shards need not be counted
    total = manifest.examples(manifests.TRAIN)
    share = config.data.max_bad_fraction
    skips = config.input.on_bad_record == 'skip'
    if skips and 0 < unreadable <= share * total:
        return
    most = f'more than --max_bad_fraction={share:g} of {total:,}'
    if not skips and unreadable > 0:
        most = 'and --on_bad_record=skip is not given'
    raise errors.DataError(
        f'--data_dir={manifest.directory}: {unreadable:,} training records of this epoch could '
        f'not be read, {most}. --mode=prepare --verify_only says which.'
    )


def check_pictures(numbers: recipes.Recipe, manifest: manifests.Manifest) -> None:
    """Refuses pictures smaller than what the network sees, or far larger than a small network's.

    Raises:
        UsageError: As said.
    """
    side, crop = manifest.layout.square_size, numbers.crop_size
    pictures = f'the pictures in {manifest.directory} are {side} x {side}'
    if crop > side:
        raise schema.UsageError(
            f'--crop_size={crop}: {pictures}. Give a smaller crop; for 32 x 32 there are '
            '--recipe=cifar13, cifar11 and figure1.'
        )
    if numbers.layers and side > _SMALL_SIDE:
        raise schema.UsageError(
            f'--recipe={numbers.name} is a network for pictures of 32 x 32; {pictures}. Give '
            '--recipe=source2012, or the records of --source=cifar10.'
        )


def of(
    config: schema.Config,
    numbers: recipes.Recipe,
    manifest: manifests.Manifest,
    augment: augmentation.Augmentation,
    share: tuple[int, int] = (0, 1),
) -> datasets.Training:
    """The training stream, from its beginning; of each batch, the share of one worker of several.

    Raises:
        UsageError: The records' pictures do not suit the network.
    """
    check_pictures(numbers, manifest)
    return datasets.Training(
        manifest.shards(manifests.TRAIN),
        manifest.layout,
        augment,
        numbers.batch_size,
        seed=config.seed,
        reshuffle=numbers.reshuffle,
        tolerant=config.input.on_bad_record == 'skip',
        on_accelerator=config.input.augment_on == 'accelerator',
        share=share,
        dtype='bfloat16' if config.network.precision == 'bfloat16' else 'float32',
    )
