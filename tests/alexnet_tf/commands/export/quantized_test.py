"""An int8 model: close to the network, in a quarter of the bytes; what is measured of it."""

import types

import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.commands.export import quantized
from alexnet_tf.export import formats, litert
from alexnet_tf.models import alexnet, recipes
from input_pipeline.batches import datasets, preprocessing

RANDOM = np.random.default_rng(0)
SCORES = {  # of models by their file's name, for five images
    'a': np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.4, 0.4, 0.2], [0, 0, 1], [0, 0, 1]]),
    'b': np.array([[0.1, 0.2, 0.7], [0.1, 0.8, 0.1], [0.6, 0.3, 0.1], [0, 0, 1], [0, 0, 1]]),
}


def test_the_int8_model_is_smaller_and_predicts_nearly_as_the_network_does(tmp_path):
    pytest.importorskip('ai_edge_litert')
    model = alexnet.build(recipes.FIGURE1.replace(initial_sd=0.05), num_classes=3)
    mean_image = np.full((32, 32, 3), 120, np.float32)
    squares = RANDOM.integers(0, 256, (8, 4, 4, 3), np.uint8).repeat(8, 1).repeat(8, 2)
    path = tmp_path / '1.int8.tflite'
    formats.write_int8(path, model, preprocessing.Preprocessing(mean_image, 32), squares)
    assert path.stat().st_size < 0.5 * 4 * model.count_params()
    loaded = litert.LiteRTModel(path)
    scores = loaded(squares)
    exact = tf.nn.softmax(model(squares - mean_image)).numpy()
    assert scores.shape == (8, 3)
    assert np.ptp(exact, 0).max() > 0.1
    assert 0 < np.abs(scores - exact).max() < 0.05
    assert np.abs(loaded(squares[:1]) - scores[:1]).max() < 0.01
    assert loaded.measure_latency(squares[:1], runs=3) > 0


def test_models_are_compared_on_the_same_examples(monkeypatch, tmp_path):
    """The last batch is filled up with an example that does not count; ties share a place."""

    class FakeModel:
        def __init__(self, path, threads=1):
            self.scores = SCORES[path.name]

        def __call__(self, images):
            return self.scores[images[:, 0]]

        def measure_latency(self, images):
            return 7.0 + len(images)

    squares, labels, mask = np.arange(6)[:, None], np.array([0, 1, 1, 2, 0, 0]), np.ones(6)
    squares[5], mask[5] = 0, 0

    def iterate(shards, **_):
        for rows in (slice(0, 3), slice(3, 6)):
            yield tuple(tf.constant(part[rows]) for part in (squares, labels, mask))

    monkeypatch.setattr(litert, 'LiteRTModel', FakeModel)
    monkeypatch.setattr(datasets, 'iterate_examples', iterate)
    for name, size in (('a', 10), ('b', 30)):
        (tmp_path / name).write_bytes(bytes(size))
    manifest = types.SimpleNamespace(
        count_examples=lambda split: 5, list_shards=lambda split: [], layout=None, directory=''
    )
    models = {'int8': tmp_path / 'a', 'float32': tmp_path / 'b'}
    comparison = quantized.compare(models, manifest, 'validation')
    # Of a: right, right, a tie of two for one place, right, wrong. Of b: wrong, right, wrong, ...
    assert comparison['int8'] == {
        'bytes': 10,
        'top1_error': pytest.approx(1.5 / 5),
        'top5_error': 0.0,
        'latency_ms': 8.0,
    }
    assert comparison['float32']['top1_error'] == pytest.approx(3 / 5)
    assert (comparison['split'], comparison['images']) == ('validation', 5)
    text = quantized.describe(comparison)
    assert 'accuracy 70.0 % (float32: 40.0 %) on 5 validation images' in text


def test_calibration_images_come_from_all_over_the_split(monkeypatch):
    def read(shards, layout, indices):
        ((first, _),) = shards
        return [np.full((1, 1, 3), first + index, np.uint8) for index in indices]

    monkeypatch.setattr(datasets, 'read_squares', read)
    shards = [(10 * number, 4 if number == 11 else 20) for number in range(12)]
    manifest = types.SimpleNamespace(list_shards=lambda split: shards, layout=None)
    squares = quantized.read_representative(manifest)
    assert squares.shape == (7 * 16 + 4, 1, 1, 3)
    assert {value // 10 for value in squares[:, 0, 0, 0].tolist()} >= {0, 11}
