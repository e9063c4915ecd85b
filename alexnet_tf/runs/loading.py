"""Loads a trained network from its run directory."""

import dataclasses
import pathlib
from collections.abc import Sequence

import keras
import numpy as np

from alexnet_tf.config import schema, serialization
from alexnet_tf.models import alexnet, recipes
from alexnet_tf.models import columns as columns_lib
from alexnet_tf.models.layers import mean_subtraction
from alexnet_tf.runs import build, run_directory
from alexnet_tf.training import checkpoint
from input_pipeline.batches import preprocessing
from input_pipeline.images import rendering as rendering_lib


@dataclasses.dataclass(frozen=True)
class TrainedRun:
    """A trained network and what is needed to use it.

    Attributes:
        directory: The run directory.
        model: Images (batch, crop, crop, 3) -> logits (batch, classes), with trained weights.
        recipe: Its hyperparameters.
        classes: Class labels, in label order.
        words: What the labels mean, in label order; () if they say it.
        names: Class names for people: labels, followed by their words if they have any.
        ids: ILSVRC ids of the classes, in label order; () if they have none.
        mean_image: (size, size, 3) float32 RGB in [0, 255], of the training images.
        rendering: How the files of the training images became pixels.
        precision: Dtype of the activations, as 'float32'.
        checkpoint: The checkpoint that the weights are from.
        step: Training steps done.
        epoch: Whole epochs done.
        variables_sha256: SHA-256 of the checkpoint's variables.
    """

    directory: pathlib.Path
    model: keras.Model
    recipe: recipes.Recipe
    classes: tuple[str, ...]
    words: tuple[str, ...]
    names: tuple[str, ...]
    ids: tuple[int, ...]
    mean_image: np.ndarray
    rendering: rendering_lib.Rendering
    precision: str
    checkpoint: pathlib.Path
    step: int
    epoch: int
    variables_sha256: str

    @property
    def preprocess(self) -> preprocessing.Preprocessing:
        """The preprocessing from squares to network input."""
        return build.build_preprocessing(self.mean_image, self.recipe)


def load_run(
    config: schema.Config,
    *,
    path: pathlib.Path | None = None,
    compiled: bool = False,
) -> TrainedRun:
    """Loads the run in `config.run_dir` on one device, whatever devices it was trained on.

    Args:
        config: Settings of the command.
        path: The checkpoint; by default the one that `--checkpoint` asks for.
        compiled: Whether XLA compiles parts of the network: faster, but not for export.

    Raises:
        DataError: There is no run, or all of its checkpoints are corrupt.
    """
    directory = pathlib.Path(config.run_dir)
    path = path or run_directory.find_checkpoint(
        directory, config.evaluation.checkpoint, '--run_dir'
    )
    trained, data = run_directory.read_config(directory), run_directory.read_data(directory)
    with checkpoint.explain_removal(path):
        state = checkpoint.read_state(path)
        variables_sha256 = checkpoint.read_variables_sha256(path)
    recipe = build.resolve_recipe(trained)
    model = build.build_model(trained, recipe, len(data['classes']), devices=(), compiled=compiled)
    checkpoint.restore(path, checkpoint.list_weights(model))
    return TrainedRun(
        directory=directory,
        model=model,
        recipe=recipe,
        classes=tuple(data['classes']),
        words=tuple(data.get('words', ())),
        names=name_classes(data['classes'], data.get('words', ())),
        ids=tuple(data.get('ids', ())),
        mean_image=run_directory.read_mean_image(directory),
        rendering=rendering_lib.Rendering.from_settings(data),
        precision=trained.network.precision,
        checkpoint=path,
        step=state['step'],
        epoch=state['epoch'],
        variables_sha256=variables_sha256,
    )


def rebuild(trained: TrainedRun, precision: str = '') -> TrainedRun:
    """Builds a run's network again, not compiled, with the weights that it has now.

    Args:
        trained: The run. Its checkpoint need not exist any more.
        precision: Dtype of the activations; by default that of training.
    """
    config = run_directory.read_config(trained.directory)
    config = serialization.replace(config, {'precision': precision or config.network.precision})
    model = build.build_model(
        config, trained.recipe, len(trained.classes), devices=(), compiled=False
    )
    model.set_weights(trained.model.get_weights())
    return dataclasses.replace(trained, model=model, precision=config.network.precision)


def is_as_in_checkpoint(trained: TrainedRun) -> bool | None:
    """Returns whether the weights are still those of the checkpoint; None if it is gone."""
    try:
        arrays = np.load(trained.checkpoint / checkpoint.VARIABLES_FILE, allow_pickle=False)
    except FileNotFoundError:
        return None
    with arrays:
        return all(
            np.array_equal(arrays[variable.path], variable.numpy())
            for variable in checkpoint.list_weights(trained.model)
        )


def build_with_preprocessing(trained: TrainedRun) -> keras.Model:
    """Builds a run's network, with its present weights, between mean subtraction and softmax.

    Returns:
        A model from images, (batch, crop_size, crop_size, 3) RGB in [0, 255], to probabilities,
        (batch, classes) float32.
    """
    recipe, seed = trained.recipe, run_directory.read_config(trained.directory).seed
    columns = columns_lib.ColumnBuilder(recipe, precision=trained.precision, seed=seed)
    images = columns.create_input()
    subtract = mean_subtraction.MeanImageSubtraction(dtype='float32', name=build.MEAN_IMAGE)
    features = alexnet.add_features(columns, subtract(images))
    logits = alexnet.add_classifier(columns, features, num_classes=len(trained.classes))
    model = keras.Model(images, build.add_predictions(logits), name=recipe.name)
    for layer in model.layers:
        if layer.name == build.MEAN_IMAGE:
            layer.set_weights([trained.preprocess.mean_view])
        elif layer.weights:
            layer.set_weights(trained.model.get_layer(layer.name).get_weights())
    return model


def name_classes(classes: Sequence[str], words: Sequence[str]) -> tuple[str, ...]:
    """Names classes for people: their labels, followed by their words if they have any."""
    if not words:
        return tuple(classes)
    return tuple(f'{label} {word}'.rstrip() for label, word in zip(classes, words, strict=True))
