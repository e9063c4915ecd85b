"""The records of a training run, and its stream of batches from any position on."""

import dataclasses
import pathlib
from collections.abc import Callable, Iterator

import numpy as np

from alexnet_tf.config import fields, resolution, schema
from alexnet_tf.models import recipes
from alexnet_tf.runs import image_index, network_checks, run_directory
from alexnet_tf.training import schedule
from input_pipeline import errors
from input_pipeline.batches import augmentation, data_service, datasets, lane_service, lanes
from input_pipeline.records import caching, manifests, references

# Flags that have an effect only with one value of another flag.
_BELONGS_TO = {
    'drop_epochs': ('schedule', 'list'),
    'decay_power': ('schedule', 'polynomial'),
    'trust_coefficient': ('optimizer', 'lars'),
}
# The same for schedules; refused in new runs only, since older runs ignored such flags.
_BELONGS_TO_SCHEDULES = {'patience_epochs': ('plateau',), 'warmup': schedule.ENDING}
_MAX_SMALL_SIZE = 64  # side of the largest images for a small network


def load_manifest(config: schema.Config) -> manifests.Manifest:
    """Loads the manifest of `--data_dir`, or of its copy that `--cache` asks for."""
    if config.mode in ('train', 'all'):
        check_outside(config, 'run_dir', config.run_dir)
    manifest = image_index.load_manifest(config)
    if config.input.cache == 'none':
        return manifest
    return caching.copy_to_cache(manifest, caching.cache_directory(config.input.cache))


def check_outside(config: schema.Config, flag: str, directory: str) -> None:
    """Raises UsageError if a directory to write is among the images to read."""
    data = config.data
    places = {'source_dir': data.source_dir} if 'source_dir' in config.given else {}
    if resolution.is_within(directory, data.data_dir) and image_index.detect_images(data):
        places['data_dir'] = data.data_dir
    for name, place in places.items():
        if place and resolution.is_within(directory, place):
            raise fields.UsageError(
                f'--{flag}={directory} lies in --{name}={place}, where its files would be taken '
                'for images. Name a directory elsewhere.'
            )


@dataclasses.dataclass
class BatchReader:
    """Reads the batches of a run in order, from any position on.

    Attributes:
        config: Settings of the command.
        stream: The training data, or one worker's share of them.
        epochs: Number of epochs of the run.
        is_cancelled: Called while waiting for a data service.
    """

    config: schema.Config
    stream: datasets.TrainingDataset
    epochs: int
    is_cancelled: Callable[[], bool]
    _batches: Iterator[tuple] = dataclasses.field(default_factory=lambda: iter(()), init=False)
    _position: tuple[int, ...] = dataclasses.field(default=(), init=False)  # of the next batch

    def read(self, position: tuple[int, int]) -> tuple | None:
        """Reads the batch that starts at a position: (epoch, examples in it before the batch).

        The batch after the last one read is ready or under way; any other position reopens the
        records.

        Returns:
            (images, labels, mask), as `TrainingDataset.read_batches`; None if it was cancelled.

        Raises:
            DataError: A record cannot be read, or the data service has no batch.
        """
        if position != self._position:
            self._batches = read_batches(
                self.config, self.stream, position, self.epochs, is_cancelled=self.is_cancelled
            )
        epoch, examples = position[0], position[1] + self.stream.batch_size
        is_inside_epoch = examples < self.stream.num_examples
        self._position = (epoch, examples) if is_inside_epoch else (epoch + 1, 0)
        return next(self._batches, None)


def read_batches(
    config: schema.Config,
    stream: datasets.TrainingDataset,
    start: tuple[int, int],
    epochs: int,
    *,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> Iterator[tuple]:
    """Reads the batches from `start` = (epoch, examples in it) up to the end of epoch `epochs`.

    They end early if `is_cancelled` returns True while a data service is waited for.
    """
    if address := config.input.data_service:
        service = lane_service if stream.lanes > 1 else data_service
        batches = service.iterate_batches(
            stream, address, start=start, epochs=epochs, is_cancelled=is_cancelled
        )
    else:
        batches = stream.read_batches(start=start, epochs=epochs)
    return datasets.iterate(batches, config.data.data_dir, stream.find_first_unreadable)


def create_stream(
    config: schema.Config,
    recipe: recipes.Recipe,
    manifest: manifests.Manifest,
    augment: augmentation.Augmentation,
    share: tuple[int, int] = (0, 1),
    *,
    balanced_labels: np.ndarray | None = None,
) -> datasets.TrainingDataset:
    """Creates the training data of a run.

    Args:
        config: Settings of the command.
        recipe: Hyperparameters of the run.
        manifest: Manifest of the records.
        augment: The training augmentation.
        share: (worker, workers): this worker's part of each batch.
        balanced_labels: The labels of all examples, if classes are balanced.

    Raises:
        UsageError: The images do not fit the network, or the lanes not the batch.
    """
    check_image_size(recipe, manifest)
    _check_lanes(config.training.lanes, recipe, manifest, workers=share[1])
    return datasets.TrainingDataset(
        manifest.list_shards(manifests.TRAIN),
        manifest.layout,
        augment,
        recipe.batch_size,
        seed=config.seed,
        reshuffle=recipe.reshuffle,
        tolerant=config.input.on_bad_record == 'skip',
        on_accelerator=config.input.augment_on == 'accelerator',
        share=share,
        dtype='bfloat16' if config.network.precision == 'bfloat16' else 'float32',
        balanced_labels=balanced_labels,
        lanes=config.training.lanes,
        bytes_read=lanes.create_counter(),
    )


def is_order_fixed(config: schema.Config) -> bool:
    """Returns whether the settings, not a data service, decide the order of the examples."""
    return not config.input.data_service or config.training.lanes > 1


def check_settings(
    config: schema.Config, recipe: recipes.Recipe, manifest: manifests.Manifest, replicas: int
) -> None:
    """Checks that records, recipe and number of replicas go together.

    Raises:
        UsageError: They do not.
    """
    check_image_size(recipe, manifest)
    if not run_directory.holds_run(pathlib.Path(config.run_dir)):  # runs may be of older versions
        network_checks.check_layers(recipe)
        if not config.training.init_weights:  # their network may be older
            network_checks.check_effects(recipe)
        _check_schedule(config, recipe)
    _check_lanes(config.training.lanes, recipe, manifest, workers=1)
    _check_learning_rate(config, recipe)
    for name, (other, value) in _BELONGS_TO.items():
        if getattr(config.training, name) and getattr(recipe, other) != value:
            raise fields.UsageError(
                f'--{name} belongs to --{other}={value}, but the {other} is '
                f'{getattr(recipe, other)}. Leave one of the flags out.'
            )
    if recipe.schedule == 'plateau' and config.training.validate_every_epochs > 1:
        raise fields.UsageError(
            f'--validate_every_epochs={config.training.validate_every_epochs}: --schedule=plateau '
            'needs the validation error of every epoch. Leave one of the flags out.'
        )
    parts = replicas * config.training.accumulate_steps
    if recipe.batch_size % parts:
        raise fields.UsageError(
            f'--batch_size={recipe.batch_size} cannot be divided into the {parts} equal parts '
            f'that {replicas} replicas and --accumulate_steps={config.training.accumulate_steps} '
            f'need. Give a multiple of {parts}.'
        )
    if config.input.data_service and manifest.layout.encoding == references.ENCODING:
        raise fields.UsageError(
            f'--data_service decodes records, but {manifest.directory} only refers to image files. '
            'Prepare records of them first, with --mode=prepare.'
        )
    if config.network.strategy == 'multi_worker' and not is_order_fixed(config):
        raise fields.UsageError(
            '--data_service feeds only one worker without --lanes: its order is random, so that '
            'workers could not share it. Give --lanes, a multiple of the number of workers.'
        )


def _check_schedule(config: schema.Config, recipe: recipes.Recipe) -> None:
    for name, schedules in _BELONGS_TO_SCHEDULES.items():
        value = getattr(config.training, name)
        is_given = value and value != getattr(schema.Training, name)
        if is_given and recipe.schedule not in schedules:
            raise fields.UsageError(
                f'--{name}={value:g} belongs to --schedule={" and ".join(schedules)}, but the '
                f'schedule is {recipe.schedule}. Leave one of the flags out.'
            )


def _check_learning_rate(config: schema.Config, recipe: recipes.Recipe) -> None:
    if recipe.optimizer == 'lars' and config.training.learning_rate is None:
        raise fields.UsageError(
            '--optimizer=lars needs a --learning_rate of its own, larger than that of sgd: about 2 '
            'for batches of 512, and 10 for 4096.'
        )


def _check_lanes(
    number: int, recipe: recipes.Recipe, manifest: manifests.Manifest, *, workers: int
) -> None:
    """Checks that workers have equally many lanes, and lanes equally many rows of a batch."""
    examples, batch_size = manifest.count_examples(manifests.TRAIN), recipe.batch_size
    if batch_size % number:
        raise fields.UsageError(
            f'--lanes={number}: a batch of {batch_size} cannot have as many examples of each lane. '
            f'Give --lanes that divides --batch_size={batch_size}.'
        )
    if number > examples:
        raise fields.UsageError(
            f'--lanes={number}: there are only {examples} training examples, and each lane needs '
            'one. Give fewer lanes.'
        )
    if number > 1 and number % workers:
        raise fields.UsageError(
            f'--lanes={number}: {workers} workers cannot have as many lanes each. Give a multiple '
            f'of {workers} that divides --batch_size={batch_size}, or --lanes=1.'
        )


def check_image_size(recipe: recipes.Recipe, manifest: manifests.Manifest) -> None:
    """Checks that the images are not smaller than the view, nor far larger than a small network's.

    Raises:
        UsageError: They are.
    """
    size = manifest.layout.square_size
    images = f'the images in {manifest.directory} are {size} x {size}'
    if recipe.window_size > size:
        name = 'view_size' if recipe.view_size else 'crop_size'
        raise fields.UsageError(
            f'--{name}={recipe.window_size}: {images}. Give a smaller one, or let --view_size='
            f'{size * 7 // 8} enlarge a part of each image to --crop_size; for 32 x 32 there are '
            '--recipe=cifar13, cifar11 and figure1.'
        )
    if recipe.layers and size > _MAX_SMALL_SIZE:
        raise fields.UsageError(
            f'--recipe={recipe.name} is a network for images of 32 x 32; {images}. Give '
            '--recipe=source2012, or the records of --source=cifar10.'
        )


def check_unreadable(config: schema.Config, manifest: manifests.Manifest, unreadable: int) -> None:
    """Checks that not too many records are unreadable.

    Args:
        config: Settings of the command.
        manifest: Manifest of the records.
        unreadable: Unreadable training records of this epoch. Negative: more than the manifest has.

    Raises:
        DataError: More than `--max_bad_fraction`, any without `--on_bad_record=skip`, or fewer
            than 0.
    """
    if not unreadable:
        return  # after nearly every step: do not count the shards
    total = manifest.count_examples(manifests.TRAIN)
    share = config.data.max_bad_fraction
    skips = config.input.on_bad_record == 'skip'
    if skips and 0 < unreadable <= share * total:
        return
    if unreadable < 0:
        raise errors.DataError(
            f'--data_dir={manifest.directory}: an epoch has {total - unreadable:,} training '
            f'records, but {manifests.MANIFEST} counts {total:,}. --mode=prepare --verify_only '
            'checks them.'
        )
    limit = f'more than --max_bad_fraction={share:g} of {total:,}'
    if not skips:
        limit = 'and --on_bad_record=skip is not given'
    raise errors.DataError(
        f'--data_dir={manifest.directory}: {unreadable:,} training records of this epoch could '
        f'not be read, {limit}. --mode=prepare --verify_only names them.'
    )
