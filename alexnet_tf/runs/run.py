"""A run's directory: what it was asked, on which data, and the network it has learned."""

import dataclasses
import json
import pathlib
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from alexnet_tf.config import schema
from alexnet_tf.models import alexnet, cifar, placement, recipes
from alexnet_tf.training import checkpoint
from input_pipeline import errors
from input_pipeline.batches import augmentation as augmentation_lib

CONFIG, DATA, MEAN, ENVIRONMENT = (
    'config.json',
    'data.json',
    'mean_image.npy',
    'environment.json',
)


@dataclasses.dataclass(frozen=True)
class Run:
    """A trained network and what is needed to use it.

    Attributes:
        directory: The run's directory.
        model: images -> logits, with a checkpoint's weights.
        recipe: Its numbers.
        classes: Names in label order.
        names: The same for people: with words, where classes have some.
        ids: Their ILSVRC ids in label order, where they have some.
        mean_image: (size, size, 3) float32, of the data that it was trained on.
        exif_orientation: Whether that data was turned as EXIF says.
        precision: Of its activations.
        checkpoint: Where its weights are.
        step: Steps it was trained for.
        epoch: Whole epochs it was trained for.
        variables_sha256: The hash of its weights' file.
    """

    directory: pathlib.Path
    model: keras.Model
    recipe: recipes.Recipe
    classes: tuple[str, ...]
    names: tuple[str, ...]
    ids: tuple[int, ...]
    mean_image: np.ndarray
    exif_orientation: bool
    precision: str
    checkpoint: pathlib.Path
    step: int
    epoch: int
    variables_sha256: str


def load(
    config: schema.Config,
    *,
    path: pathlib.Path | None = None,
    compiled: bool = False,
    precision: str = '',
) -> Run:
    """The run in `config.run_dir`, on one device, whatever it was trained on.

    Args:
        config: Of the command.
        path: The checkpoint; the one that the command asks for if None.
        compiled: Faster, but not for export.
        precision: Of activations; that of its training if ''.

    Raises:
        DataError: There is no run, or its checkpoints are broken.
    """
    directory = pathlib.Path(config.run_dir)
    path = path or checkpoint_in(directory, config.evaluation.checkpoint, '--run_dir')
    trained = schema.from_json((directory / CONFIG).read_text())
    if precision:
        network = dataclasses.replace(trained.network, precision=precision)
        trained = dataclasses.replace(trained, network=network)
    data = json.loads((directory / DATA).read_text())
    numbers = resolve_recipe(trained)
    model = build_model(trained, numbers, len(data['classes']), devices=(), compiled=compiled)
    checkpoint.restore(path, weights(model))
    state = checkpoint.read_state(path)
    return Run(
        directory=directory,
        model=model,
        recipe=numbers,
        classes=tuple(data['classes']),
        names=_names(data['classes'], data.get('words', ())),
        ids=tuple(data.get('ids', ())),
        mean_image=np.load(directory / MEAN, allow_pickle=False),
        exif_orientation=data.get('exif_orientation', False),
        precision=trained.network.precision,
        checkpoint=path,
        step=state['step'],
        epoch=state['epoch'],
        variables_sha256=variables_sha256(path),
    )


def export_dir(config: schema.Config) -> pathlib.Path:
    """Where the versions of a run's SavedModel are."""
    return pathlib.Path(config.export.export_dir or pathlib.Path(config.run_dir) / 'export')


def checkpoint_in(directory: pathlib.Path, which: str, flag: str) -> pathlib.Path:
    """The newest or the best checkpoint of a run.

    Raises:
        DataError: There is none, or all are broken; `flag` named the run.
    """
    load = {'newest': checkpoint.load_newest, 'best': checkpoint.load_best}
    path = load[which](directory / 'checkpoints')
    if path is None:
        raise errors.DataError(
            f'{flag}={directory} holds no trained network. Run --mode=train first, or name '
            f'another {flag}.'
        )
    return path


def variables_sha256(path: pathlib.Path) -> str:
    """The hash of a checkpoint's weights."""
    return json.loads((path / 'sha256.json').read_text())[checkpoint.VARIABLES]


def classes_of(directory: pathlib.Path) -> tuple[str, ...]:
    """The classes that a run was trained on."""
    return tuple(json.loads((directory / DATA).read_text())['classes'])


def data_of(directory: pathlib.Path) -> dict[str, Any]:
    """What a run keeps of the records that it was trained on: `manifest_sha256`, `classes`, ...

    Raises:
        DataError: There is no run.
    """
    path = directory / DATA
    if not path.is_file():
        raise errors.DataError(f'{directory} is no run: it has no {path.name}.')
    return json.loads(path.read_text())


def check_same_data(directories: Sequence[str]) -> None:
    """Refuses runs that were trained on different records.

    Raises:
        DataError: As said, or there is no such run.
    """
    if len(directories) < 2:
        return
    known = {each: data_of(pathlib.Path(each))['manifest_sha256'] for each in directories}
    first = directories[0]
    for each, sha256 in known.items():
        if sha256 != known[first]:
            raise errors.DataError(
                f'--ensemble: {each} was trained on other records than {first}. Networks that are '
                'averaged must know the same classes, from the same records.'
            )


def _names(classes, words) -> tuple[str, ...]:
    if not words:
        return tuple(classes)
    return tuple(' '.join(each).rstrip() for each in zip(classes, words, strict=True))


def weights(model: keras.Model) -> list[keras.Variable]:
    """The variables that a trained network is."""
    return [each for each in model.variables if 'seed_generator' not in each.path]


def resolve_recipe(config: schema.Config) -> recipes.Recipe:
    """The preset with every number that a flag gives.

    Raises:
        UsageError: A number that its network has no use for.
    """
    names = {field.name for field in dataclasses.fields(recipes.Recipe)}
    given = schema.to_settings(config)
    given = {name: given[name] for name in names & set(given) if given[name] is not None}
    numbers = recipes.resolve(config.network.recipe, **given)
    if useless := sorted(cifar.unused(numbers) & set(given)) if numbers.layers else ():
        raise schema.UsageError(
            f'--{useless[0]}: the network of --recipe={numbers.name} has no such thing.'
        )
    return numbers


def augmentation(
    statistics: dict[str, np.ndarray], numbers: recipes.Recipe
) -> augmentation_lib.Augmentation:
    """The training transformation that a recipe asks for, on pictures with these statistics."""
    return augmentation_lib.Augmentation(
        statistics['mean_image'],
        statistics['eigenvalues'],
        statistics['eigenvectors'],
        crop_size=numbers.crop_size,
        shift_sd=numbers.colour_shift_sd,
        divisor=numbers.colour_shift_divisor,
        shift_epochs=numbers.colour_shift_epochs,
        crop_chunk=numbers.crop_chunk,
        random_crops=numbers.random_crops,
    )


def build_model(
    config: schema.Config,
    numbers: recipes.Recipe,
    num_classes: int,
    *,
    devices: tuple[str, ...],
    compiled: bool,
) -> keras.Model:
    """The network that a config asks for.

    Raises:
        UsageError: Numbers that make no network, or a device that is not there.
    """
    check_devices(devices)
    build = cifar.build if numbers.layers else alexnet.build
    try:
        return build(
            numbers,
            num_classes=num_classes,
            width=config.network.width,
            devices=devices,
            precision=config.network.precision,
            seed=config.seed,
            compiled=compiled,
        )
    except ValueError as error:
        raise schema.UsageError(str(error)) from error


def check_devices(devices: Sequence[str]) -> None:
    """Refuses devices that are not there.

    Raises:
        UsageError: As said.
    """
    try:
        placement.check(devices)
    except ValueError as error:
        raise schema.UsageError(str(error)) from error
