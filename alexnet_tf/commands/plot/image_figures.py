"""Figures of images: predictions, neighbours, activations, gradients."""

import pathlib

import numpy as np
import tensorflow as tf

from alexnet_tf.commands.predict import streams
from alexnet_tf.commands.report import validation
from alexnet_tf.commands.retrieve import indexing
from alexnet_tf.config import fields, schema
from alexnet_tf.models import topology
from alexnet_tf.plots import charts, run_plots
from alexnet_tf.retrieval import search
from alexnet_tf.runs import image_index, loading, predictor, run_directory, selection
from input_pipeline import errors
from input_pipeline.batches import datasets
from input_pipeline.records import checking, manifests

_PREDICTIONS, _QUERIES, _NEIGHBOURS = 8, 5, 6
_LISTED_CLASSES = 20  # in a message

_Query = tuple[str, np.ndarray, np.ndarray]  # name, square, features


def plot_predictions(config: schema.Config) -> charts.FigureWithData:
    """Plots images above the probabilities of their top classes (figure 4, left)."""
    if config.predict.inputs:
        predictions = _predict_inputs(config)
    else:
        analysis = validation.analyse(config, top_k=config.predict.top_k)
        if analysis.skipped:
            raise errors.DataError(f'{analysis.skipped} Or name images with --inputs.')
        predictions = analysis.samples
    rows = [
        (row['file'], row.get('label', ''), name, probability)
        for row, _ in predictions
        for name, probability in zip(row['classes'], row['probabilities'], strict=True)
    ]
    header = ('image', 'class', 'predicted', 'probability')
    return charts.FigureWithData(charts.plot_predictions(predictions), header, rows)


def _predict_inputs(config: schema.Config) -> list[tuple[dict, np.ndarray]]:
    trained = loading.load_run(config, compiled=True)
    views = selection.select_views(config, default=('1',))[0]
    function = predictor.build_probability_function([trained], [1.0], views)
    return [
        (predictor.build_row(prediction, trained.names, config.predict.top_k), prediction.square)
        for prediction in _read_inputs(config, trained, function=function, limit=_PREDICTIONS)
    ]


def _read_inputs(
    config: schema.Config, trained: loading.TrainedRun, *, function: predictor.Function, limit: int
) -> list[predictor.ImageOutput]:
    """Applies a function to the first `limit` files of `--inputs`; skips unreadable ones.

    Raises:
        DataError: None of them is readable.
    """
    paths = streams.list_inputs(config.predict.inputs)[:limit]
    predictions = list(predictor.Predictor(trained, function, batch_size=limit)(paths))
    readable = [prediction for prediction in predictions if not prediction.error]
    if not readable:
        raise errors.DataError(f'{predictions[0].path}: {predictions[0].error}')
    return readable


def plot_neighbours(config: schema.Config) -> charts.FigureWithData:
    """Plots images and their nearest training images by the last hidden layer (figure 4, right)."""
    run_directory.read_data(pathlib.Path(config.run_dir))  # a wrong name, before its records
    manifest, database = image_index.load_manifest(config), config.retrieve.database
    selection.check_split(manifest, database, '--database')
    if database == validation.SPLIT and not config.predict.inputs:
        raise fields.UsageError(
            f'--database={database}: the validation images would find themselves. '
            'Name other images with --inputs.'
        )
    trained = loading.load_run(config, compiled=True)  # the records may be of other classes
    run_directory.check_same_size(trained.directory, manifest)
    index = indexing.build_index(
        config, trained, manifest=manifest, split=database, kind=indexing.FEATURES
    )
    if config.predict.inputs:
        queries = _choose_inputs(config, trained)
    else:
        queries = _choose_validation_images(trained, manifest)
    vectors = np.stack([features for *_, features in queries])
    distances, indices = search.EuclideanSearch(index.vectors).search(vectors, _NEIGHBOURS)
    images, captions, rows = [], [], []
    neighbours, shards = zip(distances, indices, strict=True), manifest.list_shards(database)
    for (name, square, _), (own_distances, own_indices) in zip(queries, neighbours, strict=True):
        images += [square, *datasets.read_squares(shards, manifest.layout, own_indices)]
        captions.append(f'query\n{name}')
        for rank, (at, distance) in enumerate(zip(own_indices, own_distances, strict=True), 1):
            class_name = index.classes[index.labels[at]]
            captions.append(f'{class_name}\n{distance:.4g}')
            rows.append((name, rank, index.ids[at], class_name, distance))
    figure = charts.plot_image_grid(images, captions, 1 + indices.shape[1])
    return charts.FigureWithData(figure, ('query', 'rank', 'example', 'class', 'distance'), rows)


def _choose_inputs(config: schema.Config, trained: loading.TrainedRun) -> list[_Query]:
    function = predictor.build_feature_function(trained)
    return [
        (prediction.path, prediction.square, prediction.values)
        for prediction in _read_inputs(config, trained, function=function, limit=_QUERIES)
    ]


def _choose_validation_images(
    trained: loading.TrainedRun, manifest: manifests.Manifest
) -> list[_Query]:
    shards = manifest.list_shards(validation.SPLIT)
    names = checking.read_names(shards)
    spread = np.linspace(0, len(names) - 1, _QUERIES + 2).astype(int)[1:-1]
    indices = np.unique(spread).tolist()
    squares = datasets.read_squares(shards, manifest.layout, indices)
    features = predictor.build_feature_function(trained)(tf.constant(np.stack(squares))).numpy()
    return list(zip([names[at] for at in indices], squares, features, strict=True))


def plot_activations(config: schema.Config) -> charts.FigureWithData:
    """Plots the activations of `--layer` for one image."""
    trained, crop, images = _read_crop(config)
    name, model = config.plot.layer, trained.model
    outputs = topology.get_layer_outputs(model, name)
    if not set(outputs) & {'a', 'b'}:
        names = ', '.join(topology.list_column_layers(model))
        raise fields.UsageError(
            f'--layer={name} is no layer of this network. Choose one of {names}.'
        )
    computed = type(model)(model.input, list(outputs.values()))(images, training=False)
    activations = {
        column: tf.cast(values[0], tf.float32).numpy()
        for column, values in zip(outputs, tf.nest.flatten(computed), strict=True)
    }
    rows = [
        (column, channel, float(values[..., channel].mean()), float(values[..., channel].max()))
        for column, values in activations.items()
        for channel in range(values.shape[-1])
    ]
    figure = run_plots.plot_activations(activations, crop, name)
    return charts.FigureWithData(figure, ('column', 'channel', 'mean', 'largest'), rows)


def plot_gradient(config: schema.Config) -> charts.FigureWithData:
    """Plots the gradient of a class's logit by each pixel of one image."""
    trained, crop, images = _read_crop(config)
    label = _choose_label(config, trained, images)

    @tf.function(autograph=False)
    def compute_gradient(images):
        return tf.gradients(trained.model(images, training=False)[:, label], images)[0]

    gradient = tf.cast(compute_gradient(images)[0], tf.float32).numpy()
    rows = [
        (row, column, *gradient[row, column].tolist())
        for row, column in np.ndindex(gradient.shape[:2])
    ]
    figure = run_plots.plot_gradient(crop, gradient, trained.names[label])
    return charts.FigureWithData(figure, ('row', 'column', 'red', 'green', 'blue'), rows)


def _choose_label(config: schema.Config, trained: loading.TrainedRun, images: tf.Tensor) -> int:
    """Returns the class label that `--class_name` names, by default the predicted one."""
    name, names = config.plot.class_name, trained.names
    if not name:
        return int(trained.model(images, training=False)[0].numpy().argmax())
    for known in (trained.classes, names, trained.words):
        if name in known:
            return known.index(name)
    more = ' ...' if names[_LISTED_CLASSES:] else ''
    raise fields.UsageError(
        f'--class_name={name} is no class of this network. '
        f'Choose one of {", ".join(names[:_LISTED_CLASSES])}{more}.'
    )


def _read_crop(config: schema.Config) -> tuple[loading.TrainedRun, np.ndarray, tf.Tensor]:
    """Returns the run, and the central crop of the first input, as uint8 and as network input."""
    trained = loading.load_run(config)

    def skip(squares):
        return tf.zeros([tf.shape(squares)[0], 1])

    square = _read_inputs(config, trained, function=skip, limit=1)[0].square
    preprocess = trained.preprocess
    return trained, preprocess.cut_view(square), preprocess.make_views(square[None], 1)


FIGURES = {
    'predictions': plot_predictions,
    'neighbours': plot_neighbours,
    'activations': plot_activations,
    'gradient': plot_gradient,
}
