"""Figures of pictures: answers, neighbours, activations, gradients. Wants matplotlib."""

from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from alexnet_tf.commands.evaluate import scoring
from alexnet_tf.commands.plot import availability
from alexnet_tf.commands.predict import predictor, streams
from alexnet_tf.commands.report import examination
from alexnet_tf.commands.retrieve import indexing
from alexnet_tf.config import schema
from alexnet_tf.plots import charts, run_plots
from alexnet_tf.retrieval import search
from alexnet_tf.runs import run as runs
from input_pipeline import errors
from input_pipeline.batches import datasets, preprocessing
from input_pipeline.records import checking, manifests

_QUERIES, _NEIGHBOURS, _DRAWN = 5, 6, 8


def predictions(config: schema.Config) -> availability.Drawn:
    """Pictures over the bars of their likeliest classes (figure 4, left)."""
    if config.predict.inputs:
        drawn = list(_named(config))
    else:
        examined = examination.of(config)
        if examined.missing:
            raise errors.DataError(f'{examined.missing} Or name --inputs.')
        drawn = examined.samples
    rows = [
        (row['file'], row.get('label', ''), name, share)
        for row, _ in drawn
        for name, share in zip(row['classes'], row['probabilities'], strict=True)
    ]
    header = ('picture', 'class', 'predicted', 'probability')
    return availability.Drawn(charts.predictions(drawn), header, rows)


def _named(config) -> Iterator[tuple[dict, np.ndarray]]:
    """The first pictures of `--inputs` with their rows."""
    network = runs.load(config, compiled=True)
    views = scoring.views_of(config, default=('1',))[0]
    function = predictor.probabilities([network], [1.0], views)
    for answer in _answered(config, network, function, _DRAWN):
        yield predictor.row(answer.path, answer.values, network.names), answer.square


def _answered(config, network, function: Callable, most: int) -> list[predictor.Answer]:
    """Answers to the first readable pictures of `--inputs`.

    Raises:
        DataError: None of them is readable.
    """
    paths = streams.paths_of(config.predict.inputs)[:most]
    every = list(predictor.Predictor(network, function, batch_size=most)(paths))
    good = [each for each in every if not each.error]
    if not good:
        raise errors.DataError(f'{every[0].path}: {every[0].error}')
    return good


def neighbours(config: schema.Config) -> availability.Drawn:
    """Pictures with the nearest of training by the last hidden layer (figure 4, right)."""
    manifest = manifests.load(config.data.data_dir)
    database = config.retrieve.database
    scoring.check_split(manifest, database, '--database')
    if database == examination.SPLIT and not config.predict.inputs:
        raise schema.UsageError(
            f'--database={database}: held-out pictures would find themselves; --inputs names some.'
        )
    network = scoring.Network(config, manifest).trained()
    found = indexing.made(config, manifest, network, config.retrieve.database, indexing.FEATURES)
    if config.predict.inputs:
        function = predictor.features(network)
        answers = _answered(config, network, function, _QUERIES)
        queries = [(each.path, each.square, each.values) for each in answers]
    else:
        queries = list(_held_out(manifest, network))
    vectors = np.stack([vector for *_, vector in queries])
    distances, places = search.Euclidean(found.vectors).nearest(vectors, _NEIGHBOURS)
    shards, rows, pictures, captions = manifest.shards(config.retrieve.database), [], [], []
    for (name, square, _), near, at in zip(queries, distances, places, strict=True):
        pictures += [square, *datasets.squares(shards, manifest.layout, at)]
        classes = [found.classes[found.labels[each]] for each in at]
        captions += [f'query\n{name}']
        captions += [f'{each}\n{d:.4g}' for each, d in zip(classes, near, strict=True)]
        rows += [
            (name, rank, found.ids[place], each, d)
            for rank, (place, each, d) in enumerate(zip(at, classes, near, strict=True), 1)
        ]
    figure = charts.sheet(pictures, captions, 1 + places.shape[1])
    return availability.Drawn(figure, ('query', 'rank', 'example', 'class', 'distance'), rows)


def _held_out(manifest, network):
    """(name, square, features) of some pictures spread over the held-out split."""
    split = examination.SPLIT
    shards, number = manifest.shards(split), manifest.examples(split)
    places = np.unique(np.linspace(0, number - 1, _QUERIES + 2).astype(int)[1:-1]).tolist()
    squares = datasets.squares(shards, manifest.layout, places)
    ids = checking.ids(shards)
    vectors = predictor.features(network)(tf.constant(np.stack(squares))).numpy()
    return [(ids[at], *pair) for at, *pair in zip(places, squares, vectors, strict=True)]


def activations(config: schema.Config) -> availability.Drawn:
    """What a layer makes of a picture."""
    network, picture, images = _one(config)
    layer = config.draw.layer
    model = network.model
    found = {
        each.name[-1]: each for each in model.layers if each.name in (f'{layer}_a', f'{layer}_b')
    }
    if not found:
        names = dict.fromkeys(e.name[:-2] for e in model.layers if e.name.endswith('_a'))
        raise schema.UsageError(f'--layer={layer}: this network has {", ".join(names)}.')
    outputs = type(model)(model.input, [each.output for each in found.values()])
    made = tf.nest.flatten(outputs(images, training=False))
    maps = {c: tf.cast(each[0], tf.float32).numpy() for c, each in zip(found, made, strict=True)}
    rows = [
        (column, at, float(values[..., at].mean()), float(values[..., at].max()))
        for column, values in maps.items()
        for at in range(values.shape[-1])
    ]
    figure = run_plots.activations(maps, picture, layer)
    return availability.Drawn(figure, ('column', 'map', 'mean', 'largest'), rows)


def gradient(config: schema.Config) -> availability.Drawn:
    """The slope of a logit with each pixel of a picture."""
    network, picture, images = _one(config)
    logits = network.model(images, training=False)[0].numpy()
    label = int(logits.argmax())
    if config.draw.class_name:
        if config.draw.class_name not in network.classes:
            raise schema.UsageError(
                f'--class_name={config.draw.class_name}: the network knows '
                f'{", ".join(network.classes[:20])}{" ..." if network.classes[20:] else ""}.'
            )
        label = network.classes.index(config.draw.class_name)

    @tf.function(autograph=False)
    def slopes_of(images):
        return tf.gradients(network.model(images, training=False)[:, label], images)[0]

    slopes = tf.cast(slopes_of(images)[0], tf.float32).numpy()
    rows = [
        (row, column, *slopes[row, column].tolist())
        for row in range(len(slopes))
        for column in range(slopes.shape[1])
    ]
    figure = run_plots.gradient(picture, slopes, network.names[label])
    return availability.Drawn(figure, ('row', 'column', 'red', 'green', 'blue'), rows)


def _one(config):
    """(network, the central crop uint8, the image) of the first picture of `--inputs`."""
    network = runs.load(config)
    size, mean = network.recipe.crop_size, network.mean_image
    answer = _answered(config, network, lambda squares: tf.zeros([tf.shape(squares)[0], 1]), 1)[0]
    images = preprocessing.views(tf.constant(answer.square[None]), mean, crop_size=size, number=1)
    picture = preprocessing.central_crop(answer.square, size)
    return network, picture, images
