"""Turns `--minutes` into settings: the network and the schedule that fit the time on this machine.

Training then depends on these settings alone, which the run directory keeps: they train the same
network again, whatever the clock says.
"""

import math
import pathlib
from typing import Any, NamedTuple

from alexnet_tf.commands.report import examples as report_examples
from alexnet_tf.commands.train import speed as speed_lib
from alexnet_tf.config import environment, fields, schema, serialization
from alexnet_tf.models import alexnet, flops, placement, recipes
from alexnet_tf.runs import build, run_directory, selection, training_data
from alexnet_tf.training import distribution, schedule
from input_pipeline import files
from input_pipeline.records import manifests

FLAGFILE = 'settings.cfg'  # in the run directory
_ENDS = ('epochs', 'max_steps')
SIZES = ('width', 'training_crop_size', 'crop_size')  # settings of a network's cost


class _Choice(NamedTuple):
    """A network, and when it is worth its time.

    Attributes:
        width: Multiple of the paper's channels.
        training_crop_size: Side of the images in training, in pixels.
        crop_size: In evaluation.
        epochs: With fewer the next choice is better.
    """

    width: float
    training_crop_size: int
    crop_size: int
    epochs: int

    def to_settings(self, recipe: recipes.Recipe) -> dict[str, Any]:
        """Returns SIZES; without global pooling a network has one size of images."""
        sizes = self[1:3] if recipe.takes_two_sizes else (0, self.training_crop_size)
        return dict(zip(SIZES, (self.width, *sizes), strict=True))


# From the slowest to the fastest: docs/results/own_images.md.
_CHOICES = (
    _Choice(0.5, 128, 160, epochs=8),
    _Choice(0.375, 128, 160, epochs=6),
    _Choice(0.25, 128, 160, epochs=4),
    _Choice(0.25, 96, 128, epochs=0),
)
_MEASURED = _CHOICES[0]  # to estimate the others
_CUTMIX, _CUTMIX_CROP_SIZE = 0.5, 144
_CUTMIX_EPOCHS = 250  # a guess: worse at 64 epochs, as good at 105, good at 315
_MANY_EXAMPLES = 512  # with fewer, batches are small, so that an epoch has some steps
_EVALUATION_COST = 0.45  # of an image, as a multiple of its training
_VALIDATION_SHARE = 0.04  # of the time, at most
_MODEL_SECS = 35.0  # to evaluate, export and report, apart from the images
_HEAD_SECS = 10.0  # to fit the last layer, apart from the features
_MARGIN = 0.97  # of the time is planned


def choose_settings(config: schema.Config) -> tuple[schema.Config, list[str]]:
    """Chooses the settings that `--minutes` leaves open, by measuring this machine.

    A run that exists keeps its settings.

    Args:
        config: Settings of the command.

    Returns:
        The config with the settings, and lines that say what was chosen and why.

    Raises:
        UsageError: The schedule has no given end, several hosts train, or the time is too short.
        DataError: There are no records.
    """
    if not config.training.minutes:
        return config, []
    check_schedule(build.resolve_recipe(config), '--minutes')
    if config.network.strategy == 'multi_worker':
        raise fields.UsageError(
            '--minutes measures one host. Give --epochs to --strategy=multi_worker.'
        )
    directory = pathlib.Path(config.run_dir)
    if run_directory.holds_run(directory):
        return _keep_settings(config, run_directory.read_config(directory))
    check_open_end(config)
    return _measure_and_choose(config, training_data.load_manifest(config))


def check_schedule(recipe: recipes.Recipe, what: str) -> None:
    """Checks that a schedule has a given end, to which the learning rate falls.

    Args:
        recipe: Names the schedule.
        what: What needs that, for the message.

    Raises:
        UsageError: It has none.
    """
    if recipe.schedule not in schedule.ENDING:
        raise fields.UsageError(
            f'{what} needs a schedule whose end is known in advance, --schedule=cosine or '
            f'polynomial; here it is {recipe.schedule}. Give one of them, or --recipe=modern, '
            'which has cosine.'
        )


def check_open_end(config: schema.Config) -> None:
    """Checks that `--minutes` alone says when training ends.

    Raises:
        UsageError: Another setting ends it, too.
    """
    for name in _ENDS:
        if (value := getattr(config.training, name)) is not None:
            raise fields.UsageError(
                f'--{name}={value}: --minutes={config.training.minutes:g} chooses this itself. '
                'Leave one of the two out; --minutes=0 overrides --minutes of a flagfile.'
            )


def _keep_settings(config: schema.Config, saved: schema.Config) -> tuple[schema.Config, list[str]]:
    """Fills in what a run's budget chose; warns if another budget is asked for."""
    minutes, settings = config.training.minutes, serialization.to_settings(saved)
    warning = (
        f'train: warning: --minutes={minutes:g} changes nothing in {config.run_dir}, whose steps '
        'are chosen already. For another network name another --run_dir.'
    )
    names = (*SIZES, *_ENDS, 'cutmix', 'batch_size', 'learning_rate', 'precision')
    names += ('validate_every_epochs',)
    config = serialization.fill_in(config, {name: settings[name] for name in names})
    config = serialization.replace(config, {'minutes': settings['minutes']})
    return config, [warning] * (saved.training.minutes != minutes)


def write_flagfile(config: schema.Config) -> pathlib.Path:
    """Writes a flagfile with the settings of a run, except `--minutes`."""
    path = pathlib.Path(config.run_dir) / FLAGFILE
    flags = serialization.to_flags(config, 'train')
    lines = [f'{flag}\n' for flag in flags if not flag.startswith('--minutes=')]
    files.write_atomically(path, ''.join(lines).encode())
    return path


def _measure_and_choose(
    config: schema.Config, manifest: manifests.Manifest
) -> tuple[schema.Config, list[str]]:
    replicas = build.create_replicas(config)  # before TensorFlow runs anything
    examples, speed = _count_examples(config, manifest), None
    config = serialization.replace(config, _choose_batch(config, examples, replicas.number))
    is_open = all(getattr(config.network, name) is None for name in SIZES)
    is_open = is_open and not build.resolve_recipe(config).layers  # which has sizes of its own
    if is_open:
        config, speed = _choose_network(config, manifest, replicas)
    speed = speed or speed_lib.measure(config, manifest, replicas)
    if config.training.cutmix is None and _is_seen_often(config, manifest, speed):
        is_resized = is_open and build.resolve_recipe(config).training_crop_size
        mixing = {'cutmix': _CUTMIX} | ({'crop_size': _CUTMIX_CROP_SIZE} if is_resized else {})
        config = serialization.replace(config, mixing)
        speed = speed_lib.measure(config, manifest, replicas)  # a tenth slower
    config = serialization.replace(config, _choose_steps(config, manifest, speed, examples))
    recipe, training = build.resolve_recipe(config), config.training
    speed_text = f'{recipe.batch_size / speed.step_secs:,.0f} images/s'
    every = training.validate_every_epochs
    every = 'epoch' if every == 1 else f'{every} epochs'
    return config, [
        f'train: {training.minutes:g} minutes for {examples:,} images of '
        f'{len(manifest.classes)} classes: {_describe(recipe)} trains at {speed_text} here',
        f'train: chosen: {training.max_steps:,} steps of {recipe.batch_size} images, '
        f'{training.epochs} epochs, in {config.network.precision}, validation every {every}',
    ]


def _choose_steps(
    config: schema.Config, manifest: manifests.Manifest, speed: speed_lib.Speed, examples: int
) -> dict[str, int]:
    """Chooses as many steps as fit in the time, and how often to validate."""
    recipe = build.resolve_recipe(config)
    seconds = _compute_seconds_left(config, manifest, speed) - speed.start_secs
    validated = manifest.count_examples(manifests.VALIDATION)
    epoch_steps = math.ceil(examples / recipe.batch_size)
    epoch_secs = epoch_steps * speed.step_secs
    validation_secs = validated * _compute_evaluation_secs(recipe, speed)
    every = config.training.validate_every_epochs
    if every == 1 and 'validate_every_epochs' not in config.given:
        every = max(1, math.ceil(validation_secs / epoch_secs / _VALIDATION_SHARE))
    share = 1 / every
    if kept := config.training.keep_every_epochs:  # validated, too
        share += 1 / kept - 1 / math.lcm(every, kept)
    secs_by_step = speed.step_secs * (1 + validation_secs / epoch_secs * share)
    steps = int(_MARGIN * seconds / secs_by_step)
    is_half_over = environment.measure_age() > 30 * config.training.minutes
    if steps < 1 and config.mode == 'all' and is_half_over:
        raise fields.UsageError(
            f'--minutes={config.training.minutes:g} leaves no time to train: most of it went into '
            'preparing. Give the same command again, since the records are kept.'
        )
    if steps < 1:
        raise fields.UsageError(
            f'--minutes={config.training.minutes:g} is too short: not a single step fits in. Give '
            'more minutes, or a smaller --width and --crop_size.'
        )
    epochs = math.ceil(steps / epoch_steps)
    return {'max_steps': steps, 'epochs': epochs, 'validate_every_epochs': min(every, epochs)}


def _count_examples(config: schema.Config, manifest: manifests.Manifest) -> int:
    """Counts the images of an epoch."""
    examples, classes = manifest.count_examples(manifests.TRAIN), len(manifest.classes)
    return examples // classes * classes if config.training.balanced_sampling else examples


def _choose_batch(config: schema.Config, examples: int, replicas: int) -> dict[str, Any]:
    """Chooses precision, a batch size that replicas can share, and its learning rate."""
    recipe, chosen = build.resolve_recipe(config), {}
    devices = config.network.devices or [placement.get_default_device()]
    if 'precision' not in config.given and placement.computes_bfloat16(devices):
        chosen['precision'] = 'bfloat16'
    parts, size = replicas * config.training.accumulate_steps, recipe.batch_size
    if examples < _MANY_EXAMPLES and config.training.batch_size is None:
        size = max(4, 2 ** int(math.log2(max(examples, 1) / 8 + 1)))
    size = parts * math.ceil(size / parts)
    if 'batch_size' not in config.given and size != recipe.batch_size:
        chosen['batch_size'] = size
        # LARS needs its own learning rate, which `check_settings` asks for.
        is_open = config.training.learning_rate is None and recipe.optimizer != 'lars'
        if is_open and not recipe.base_batch_size:
            share = chosen['batch_size'] / recipe.batch_size
            chosen['learning_rate'] = recipe.learning_rate * share
    return chosen


def _choose_network(
    config: schema.Config,
    manifest: manifests.Manifest,
    replicas: distribution.SingleReplica,
) -> tuple[schema.Config, speed_lib.Speed | None]:
    """Chooses the slowest network that sees every image often enough, and its speed if measured.

    The time of a network is estimated from that of a measured one and the operations of both.
    """
    examples, given = manifest.count_examples(manifests.TRAIN), build.resolve_recipe(config)
    measured = serialization.fill_in(config, _MEASURED.to_settings(given))
    speed = speed_lib.measure(measured, manifest, replicas)
    recipe = build.resolve_recipe(measured)
    seconds = _compute_seconds_left(measured, manifest, speed)
    operations_in_all = (
        seconds / speed.step_secs * recipe.batch_size * _count_operations(recipe, manifest)
    )
    for choice in _CHOICES:
        candidate = serialization.fill_in(config, choice.to_settings(given))
        operations = _count_operations(build.resolve_recipe(candidate), manifest)
        if operations_in_all / operations / examples >= choice.epochs:
            break
    return candidate, speed if choice == _MEASURED else None


def _is_seen_often(
    config: schema.Config, manifest: manifests.Manifest, speed: speed_lib.Speed
) -> bool:
    """Returns whether the time suffices to see every image as often as CutMix needs."""
    steps = _compute_seconds_left(config, manifest, speed) / speed.step_secs
    images = steps * build.resolve_recipe(config).batch_size
    return images >= _CUTMIX_EPOCHS * manifest.count_examples(manifests.TRAIN)


def _count_operations(recipe: recipes.Recipe, manifest: manifests.Manifest) -> int:
    model = alexnet.build(recipe.resize_for_training(), num_classes=len(manifest.classes))
    return flops.count_operations(model, training=True)


def _compute_seconds_left(config, manifest: manifests.Manifest, speed: speed_lib.Speed) -> float:
    """Computes the seconds left for training, less those of what must follow it."""
    seconds = 60 * config.training.minutes - environment.measure_age()
    validated, images = manifest.count_examples(manifests.VALIDATION), 0
    if config.training.linear_head:
        images += 2 * manifest.count_examples(manifests.TRAIN) + validated
        seconds -= _HEAD_SECS
    if config.mode == 'all':
        counts = validated, manifest.count_examples(manifests.TRAIN)
        images += sum(min(count, report_examples.MAX_EXAMPLES) for count in counts)
        images += validated * sum(selection.select_views(config))
        seconds -= _MODEL_SECS
    return seconds - images * _compute_evaluation_secs(build.resolve_recipe(config), speed)


def _compute_evaluation_secs(recipe: recipes.Recipe, speed: speed_lib.Speed) -> float:
    """Estimates the seconds to evaluate one view of an image."""
    pixels = (recipe.crop_size / recipe.resize_for_training().crop_size) ** 2
    return _EVALUATION_COST * pixels * speed.step_secs * speed.gpus / recipe.batch_size


def _describe(recipe: recipes.Recipe) -> str:
    size = recipe.resize_for_training().crop_size
    share = f' with CutMix in {100 * recipe.cutmix:.0f} % of the batches' if recipe.cutmix else ''
    return f'recipe {recipe.name} at width {recipe.width:g} and {size} x {size} pixels{share}'
