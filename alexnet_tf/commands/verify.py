"""The fidelity report: the paper, its 2012 source, and what the built networks are found to do."""

import dataclasses
import pathlib
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from alexnet_tf.config import schema
from alexnet_tf.fidelity import device_traffic, probes, reference
from alexnet_tf.models import alexnet, placement, recipes
from alexnet_tf.reports import tables
from alexnet_tf.runs import run as runs
from alexnet_tf.training import optimizer, steps
from input_pipeline import files
from input_pipeline.batches import augmentation, preprocessing
from input_pipeline.images import decoding

PRESETS = ('paper', 'source2012')
_DEVICES = ('/CPU:0', '/CPU:1')
_CLASSES, _BATCH, _FEW = 1000, 128, 2
_DRAWS = 60_000
_ONE_NUMBER = 4  # bytes: sums of squares, which say whether gradients are numbers
# Whose outputs cross, and in whose joining their gradients arise.
_CROSSING = {'pool2': 'pool2', 'pool5_flat': 'pool5', 'drop6': 'fc6', 'drop7': 'fc7'}
_RETURNING = {'conv3_join': 'pool2', 'fc6_join': 'pool5', 'fc7_join': 'fc6', 'fc8_join': 'fc7'}


class Unfaithful(Exception):
    """A checked number is off."""

    exit_code = 1


def run(config: schema.Config) -> None:
    """Prints the report, writes it to `--fidelity_file`, and fails when a number is off.

    Flags that change numbers change both presets, to see what the report then says; the page is
    written of the presets alone.
    """
    _refuse_other_networks(config.network)
    placement.provide(_DEVICES)
    presets = [_resolved(config, name) for name in PRESETS]
    measured = [_measured(each) for each in presets]
    rows = [_row(each, measured) for each in reference.FIGURES]
    header = ('', 'paper', '2012 source', *(f'--recipe={name}' for name in PRESETS), '')
    for part in dict.fromkeys(each.part for each in reference.FIGURES):
        own = [row for row, each in zip(rows, reference.FIGURES, strict=True) if each.part == part]
        print(f'{part}\n\n{tables.text(header, own)}\n')
    off = [row[0] for row in rows if row[-1] == _OFF]
    if off:
        raise Unfaithful(f'verify: {len(off)} of {len(rows)} numbers are off: {", ".join(off)}.')
    print(f'verify: all {len(rows)} numbers are as they should be')
    if presets == [recipes.PRESETS[name] for name in PRESETS]:
        path = pathlib.Path(config.verify.fidelity_file)
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write_atomically(path, _page(rows).encode())
        print(f'verify: written to {path}')


_OFF = 'OFF'


def _refuse_other_networks(network: schema.Network) -> None:
    """Of networks with other layers there is nothing to compare; of others, one would not ask."""
    fixed = ('columns', 'conv6', 'removed_layer', 'width', 'devices', 'precision', 'lrn_beta')
    plain = schema.Network()
    for name in fixed:
        if getattr(network, name) != getattr(plain, name):
            raise schema.UsageError(
                f'--{name}: --mode=verify checks the presets paper and source2012, whole.'
            )


def _resolved(config: schema.Config, name: str) -> recipes.Recipe:
    network = dataclasses.replace(config.network, recipe=name)
    return runs.resolve_recipe(dataclasses.replace(config, network=network))


def _row(figure: reference.Figure, measured) -> tuple[str, ...]:
    values = [each.get(figure.name, 'not measured') for each in measured]
    agrees = all(figure.agrees(at, value) for at, value in enumerate(values))
    shown = [_shown(value) for value in values]
    return (figure.name, figure.paper, figure.source, *shown, 'ok' if agrees else _OFF)


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return value
    return f'{value:,}' if isinstance(value, int) else f'{value:.4g}'


def _page(rows) -> str:
    lines = [
        '# Fidelity',
        '',
        'What the paper says, what its 2012 source did, and what the built presets are found',
        'to do when they are tried: measured, but for the part that is headed as settings.',
        'Made by `python -m alexnet_tf.main --mode=verify`, which fails when a number is off.',
    ]
    part = None
    for row, figure in zip(rows, reference.FIGURES, strict=True):
        if figure.part != part:
            part = figure.part
            names = ' | '.join(f'`{name}` as built' for name in PRESETS)
            lines += ['', f'## {part}', '', f'| | paper | 2012 source | {names} | | why |']
            lines += ['|---|---|---|---|---|---|---|']
        lines.append('| ' + ' | '.join([*row, figure.why]) + ' |')
    return '\n'.join(lines) + '\n'


def _measured(numbers: recipes.Recipe) -> dict[str, Any]:
    """Every figure's measurement for one preset."""
    try:
        model = alexnet.build(numbers, num_classes=_CLASSES, devices=_DEVICES)
    except ValueError as error:
        raise schema.UsageError(str(error)) from error
    return {
        **probes.of_network(model),
        **_update(numbers),
        **_settings(numbers),
        **_pictures(numbers),
        'views': _views(numbers.crop_size),
        'averaged over views': _averaged(),
        **_traffic(numbers, model),
    }


def _update(numbers: recipes.Recipe) -> dict[str, float]:
    """One weight and one bias, moved by known gradients at a rate of 1."""

    def moved(gradients, decay):
        layer = keras.layers.Dense(1, kernel_initializer='ones', bias_initializer='ones')
        layer.build((None, 1))
        sgd = optimizer.PaperSGD(layer.variables, momentum=numbers.momentum, decay=decay)
        sgd.set_rate(1.0, bias_multiplier=numbers.bias_rate_multiplier)
        places = []
        for gradient in gradients:
            sgd.apply([tf.fill(each.shape, gradient) for each in layer.variables])
            places.append([each.numpy().item() for each in layer.variables])
        return places

    ((weight, bias),) = moved([0.0], numbers.weight_decay)
    (first, first_bias), (second, _) = moved([1.0, 0.0], 0.0)
    return {
        'weight decay of weights': 1 - weight,
        'weight decay of biases': 1 - bias,
        'momentum': (second - first) / (first - 1),
        "biases' rate, as a multiple": (first_bias - 1) / (first - 1),
    }


def _settings(numbers: recipes.Recipe) -> dict[str, Any]:
    listed = numbers.schedule == 'list'
    return {
        'learning rate at the start': numbers.learning_rate,
        'rate divided by 10 after epochs': (
            ', '.join(map(str, numbers.drop_epochs)) if listed else 'on a plateau'
        ),
        'epochs': numbers.epochs,
        'batch size': numbers.batch_size,
        'order of examples': 'another each epoch' if numbers.reshuffle else 'as stored',
        'conv1, late': ', '.join(numbers.layer_rates) or 'as all layers',
        'epochs with the shift': numbers.colour_shift_epochs,
    }


def _pictures(numbers: recipes.Recipe) -> dict[str, Any]:
    """Distinct crops and mirrors among many draws; the sd of a grey picture's shift."""
    sd = 50.0
    augment = augmentation.Augmentation(
        np.zeros((256, 256, 3), np.float32),
        np.array([sd**2, 0.0, 0.0]),
        np.eye(3),
        crop_size=numbers.crop_size,
        shift_sd=numbers.colour_shift_sd,
        divisor=numbers.colour_shift_divisor,
        shift_epochs=numbers.colour_shift_epochs,
        crop_chunk=numbers.crop_chunk,
    )
    indices = tf.range(_DRAWS * numbers.crop_chunk, dtype=tf.int64)
    drawn = augment.draw(indices, indices, seed=0, epochs=tf.zeros_like(indices))
    side = decoding.SQUARE_SIZE
    places = ((drawn.rows * side + drawn.columns) * 2 + tf.cast(drawn.mirrored, tf.int32)).numpy()
    changes = np.flatnonzero(places[1:] != places[:-1]) + 1
    shifts = (drawn.shifts[:, 0] * drawn.scales).numpy()
    return {
        'crops and mirrors of a picture': len(np.unique(places)),
        'pictures that share a crop': int(np.gcd.reduce(changes)),
        'sd of the colour shift, in sds of a component': float(shifts.std()) / sd,
    }


def _views(crop_size: int) -> str:
    offsets = preprocessing.view_offsets(crop_size, 10)
    plain = [(row, column) for row, column, mirrored in offsets if not mirrored]
    both = sorted(plain) == sorted((r, c) for r, c, mirrored in offsets if mirrored)
    return ' '.join(map(str, plain)) + (', each plain and mirrored' if both else '')


def _averaged() -> str:
    logits = np.array([[4.0, 0.0, 1.0], [-1.0, 2.0, 0.0]], np.float32)
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    found = alexnet.averaged_probabilities(tf.constant(logits), 2)
    return 'probabilities' if np.allclose(found, shares.mean(0), atol=1e-6) else 'something else'


def _traffic(numbers: recipes.Recipe, model: keras.Model) -> dict[str, Any]:
    """Of a step of a few pictures, in proportion: every tensor has its row for each picture."""
    sgd = optimizer.PaperSGD(model.trainable_variables)
    learn = steps.training_step(model, sgd)
    images = tf.zeros((_FEW, numbers.crop_size, numbers.crop_size, 3))
    batch = images, tf.range(_FEW, dtype=tf.int64), tf.ones(_FEW)
    crossings = device_traffic.crossings(device_traffic.partitions(learn, *batch), learn, *batch)
    found: dict[str, Any] = {}
    others = []
    for each in crossings:
        path = each.tensor.removeprefix('gradients/').split('/')
        maker = path[1].rsplit('_', 2)[0] if len(path) > 1 else path[0]
        forward = not each.tensor.startswith('gradients/')
        layer = (_CROSSING if forward else _RETURNING).get(maker)
        if layer:
            name = f'{layer} {"outputs" if forward else "gradients"}'
            found[name] = found.get(name, 0) + each.number_of_bytes * _BATCH // _FEW
        elif each.tensor != 'images' and each.number_of_bytes > _ONE_NUMBER:
            others.append(each.tensor)
    return found | {'anything else': ', '.join(others) or 'none'}
