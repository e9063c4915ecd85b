"""Metrics against an explicit computation, one example and one view at a time."""

import io
import shutil

import keras
import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from alexnet_tf.models import alexnet, recipes
from alexnet_tf.training import evaluator
from input_pipeline import errors
from input_pipeline.batches import preprocessing
from input_pipeline.prepare import conversion
from input_pipeline.records import manifests
from input_pipeline.sources import folder as folders

CROP = 67


@pytest.fixture(scope='module')
def manifest(shared_folder, tmp_path_factory):
    source = folders.find_images(str(shared_folder), validation_fraction=0.45)
    settings = {'record_encoding': 'jpeg', 'shard_examples': 5, 'seed': 0}
    directory = str(tmp_path_factory.mktemp('records'))
    return conversion.prepare(
        source, directory, settings=settings, max_bad_fraction=0, report=lambda *_: None
    )


@pytest.fixture(scope='module')
def model():
    keras.utils.set_random_seed(0)
    recipe = recipes.PAPER.replace(crop_size=CROP, initial_sd=0.1, initial_sd_hidden=0.1)
    return alexnet.build(recipe, num_classes=7, width=0.1)


def read_records(manifest):
    """Yields (image (256, 256, 3) float, label) of each validation record, decoded by Pillow."""
    for path, _ in manifest.list_shards('validation'):
        for record in tf.data.TFRecordDataset(path):
            features = tf.train.Example.FromString(record.numpy()).features.feature
            encoded = features['image/encoded'].bytes_list.value[0]
            image = np.asarray(PIL.Image.open(io.BytesIO(encoded)), np.float32)
            yield image, features['image/class/label'].int64_list.value[0]


def crop_views(image, mean, views):
    end = 256 - CROP
    middle = end // 2
    crops = [image[middle : middle + CROP, middle : middle + CROP]]
    if views == 9:
        offsets = [(row, column) for row in (0, middle, end) for column in (0, middle, end)]
        crops = [image[row : row + CROP, column : column + CROP] for row, column in offsets]
    if views == 10:
        corners = [image[:CROP, :CROP], image[:CROP, end:]]
        corners += [image[end:, :CROP], image[end:, end:]]
        crops = corners + crops
        crops += [crop[:, ::-1] for crop in crops]
    return np.stack(crops) - mean[middle : middle + CROP, middle : middle + CROP]


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


@pytest.mark.parametrize('views', [1, pytest.param(9, marks=pytest.mark.slow), 10])
def test_each_example_is_evaluated_once(manifest, model, views):
    mean = manifests.load_statistics(manifest).mean_image
    losses, top1, top5 = [], [], []
    for image, label in read_records(manifest):
        logits = model(crop_views(image, mean, views), training=False).numpy()
        probabilities = softmax(logits).mean(axis=0)
        ranked = np.argsort(-probabilities)
        losses.append(-np.log(probabilities[label]))
        top1.append(label != ranked[0])
        top5.append(label not in ranked[:5])
    preprocess = preprocessing.Preprocessing(mean, CROP)
    evaluation = evaluator.Evaluator(model, preprocess, views=views, batch_size=4 * views)
    assert len(losses) == manifest.count_examples('validation')
    assert len(losses) % 4  # so the last batch is padded
    metrics = evaluation.evaluate(manifest, 'validation').metrics
    assert metrics['top1_error'] == pytest.approx(np.mean(top1))
    assert metrics['top5_error'] == pytest.approx(np.mean(top5))
    assert metrics['loss'] == pytest.approx(np.mean(losses), rel=1e-4)


def damage_an_image(manifest, directory):
    """Copies records, and replaces the first validation image by a text."""
    shutil.copytree(manifest.directory, directory)
    copy = manifests.load(str(directory))
    path, _ = copy.list_shards('validation')[0]
    records = [record.numpy() for record in tf.data.TFRecordDataset(path)]
    example = tf.train.Example.FromString(records[0])
    example.features.feature['image/encoded'].bytes_list.value[0] = b'no image'
    with tf.io.TFRecordWriter(path) as writer:
        for record in (example.SerializeToString(), *records[1:]):
            writer.write(record)
    return copy


def test_images_that_cannot_be_read_are_left_out_up_to_a_share(manifest, model, tmp_path):
    damaged, total = (
        damage_an_image(manifest, tmp_path / 'copy'),
        manifest.count_examples('validation'),
    )
    mean, right = manifests.load_statistics(manifest).mean_image, []
    for image, label in read_records(manifest):
        logits = model(crop_views(image, mean, 1), training=False).numpy()
        right.append(logits.argmax() == label)

    def evaluate(max_bad_fraction):
        preprocess, options = preprocessing.Preprocessing(mean, CROP), {'views': 1, 'batch_size': 4}
        evaluation = evaluator.Evaluator(
            model, preprocess, max_bad_fraction=max_bad_fraction, **options
        )
        return evaluation.evaluate(damaged, 'validation').metrics

    assert evaluate(1.5 / total)['top1_error'] == pytest.approx(1 - np.mean(right[1:]))
    with pytest.raises(errors.DataError, match=f'evaluated {total - 1} validation examples'):
        evaluate(0.5 / total)
    with pytest.raises(errors.DataError, match='is damaged'):
        evaluate(None)
