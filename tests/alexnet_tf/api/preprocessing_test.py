"""Images before the network, and predictions after it, as `keras.applications` has them."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import alexnet_tf
from alexnet_tf.api import inference

MEAN = np.array([123, 117, 104], np.float32)
IMAGES = np.random.default_rng(0).integers(0, 256, (2, 5, 4, 3), np.uint8)


@pytest.mark.parametrize('convert', [np.asarray, tf.constant, keras.ops.convert_to_tensor])
def test_the_mean_colour_is_subtracted(convert):
    prepared = alexnet_tf.preprocess_input(convert(IMAGES))
    np.testing.assert_array_equal(prepared, IMAGES.astype(np.float32) - MEAN)
    one = alexnet_tf.preprocess_input(convert(IMAGES[0]))
    np.testing.assert_array_equal(one, prepared[0])


def test_the_images_themselves_do_not_change():
    images = IMAGES.astype(np.float32)
    alexnet_tf.preprocess_input(images)
    np.testing.assert_array_equal(images, IMAGES)


def test_it_is_a_part_of_functional_models_and_of_datasets():
    images = keras.Input((5, 4, 3), dtype='uint8')
    model = keras.Model(images, alexnet_tf.preprocess_input(images))
    np.testing.assert_array_equal(model(IMAGES), IMAGES - MEAN)
    dataset = tf.data.Dataset.from_tensors(IMAGES).map(alexnet_tf.preprocess_input)
    np.testing.assert_array_equal(next(iter(dataset)), IMAGES - MEAN)


@pytest.mark.parametrize('shape', [(5, 4), (2, 3, 5, 4), (2, 5, 4, 1), (1, 2, 5, 4, 3)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match='channels last'):
        alexnet_tf.preprocess_input(np.zeros(shape, np.float32))


def test_imagenets_classes_are_in_the_order_of_keras():
    scores = np.zeros([1, 1000], np.float32)
    scores[0, [0, 1, 207, 999]] = 0.1, 0.2, 0.3, 0.05
    (best,) = alexnet_tf.decode_predictions(scores, top=4)
    assert [wnid for wnid, _, _ in best] == ['n02099601', 'n01443537', 'n01440764', 'n15075141']
    assert [words.split(',')[0] for _, words, _ in best] == [
        *('golden retriever', 'goldfish', 'tench', 'toilet tissue')
    ]
    np.testing.assert_allclose([score for *_, score in best], [0.3, 0.2, 0.1, 0.05], rtol=1e-6)


def test_classes_of_ones_own_have_their_label():
    scores = tf.constant([[0.2, 0.7, 0.1], [0.5, 0.0, 0.5]])
    decoded = alexnet_tf.decode_predictions(scores, top=2, class_names=('cat', 'dog', 'eel'))
    assert [[(label, name) for label, name, _ in image] for image in decoded] == [
        [(1, 'dog'), (0, 'cat')],
        [(0, 'cat'), (2, 'eel')],
    ]
    assert all(type(score) is float for image in decoded for *_, score in image)


def test_more_than_there_are_is_all():
    assert len(alexnet_tf.decode_predictions(np.eye(3), class_names='abc')[0]) == 3
    with pytest.raises(ValueError, match='top=-1: expected an integer from 1'):
        alexnet_tf.decode_predictions(np.eye(3), top=-1, class_names='abc')


@pytest.mark.parametrize('shape', [(1000,), (2, 999), (1, 2, 1000)])
def test_predictions_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r'expected \(batch, 1000\)\. Give the class_names'):
        alexnet_tf.decode_predictions(np.zeros(shape))


def test_predictions_of_a_classifier_are_decoded_already():
    prediction = inference.Prediction('a.png', 'cat', 0.9, (('cat', 0.9),), np.float32([0.9]))
    with pytest.raises(ValueError, match=r'a list of objects; .* see its `top`'):
        alexnet_tf.decode_predictions([prediction])
