"""The served graph predicts what evaluation predicts, from the same pixels."""

import io

import keras
import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from alexnet_tf.export import signatures
from input_pipeline.batches import datasets, preprocessing
from input_pipeline.images import rendering
from input_pipeline.prepare import conversion
from input_pipeline.records import checking, manifests
from input_pipeline.sources import folder as folders

CROP, SIDE = 16, 256


@pytest.fixture(scope='module')
def images(tmp_path_factory):
    """A folder of images as cameras write them: of several shapes, some rotated by EXIF."""
    root = tmp_path_factory.mktemp('images')
    for label, name in enumerate(('cat', 'dog')):
        (root / name).mkdir()
        for index in range(6):
            random = np.random.default_rng(10 * label + index)
            small = random.integers(0, 256, (9, 12, 3), np.uint8)
            exif = PIL.Image.Exif()
            exif[0x0112] = 1 + index
            size = (300 + 40 * index, 700 - 90 * index)
            image = PIL.Image.fromarray(small).resize(size, PIL.Image.BICUBIC)
            image.save(root / name / f'{index}.jpg', exif=exif.tobytes(), quality=88)
    return root


def prepare(images, directory, encoding):
    return conversion.prepare(
        folders.find_images(str(images), validation_fraction=0.4),
        str(directory),
        settings={
            'record_encoding': encoding,
            'shard_examples': 8,
            'seed': 0,
        },
        max_bad_fraction=0,
        report=lambda *_: None,
    )


def create_identity(mean_image, shown=rendering.OWN_IMAGES):
    """Creates a served network whose logits and features are its input pixels."""
    flat = keras.Sequential([keras.Input((CROP, CROP, 3)), keras.layers.Flatten()])
    return signatures.ServedModel(
        compute_logits=flat,
        compute_features=flat,
        class_names=[str(label) for label in range(CROP * CROP * 3)],
        preprocess=preprocessing.Preprocessing(mean_image, CROP),
        rendering=shown,
    )


def compute_inputs(served, encoded):
    """Returns what the network sees of encoded images: (n, CROP * CROP * 3) float32."""
    return signatures.build(served)['features'](tf.constant(encoded))['features'].numpy()


def read_evaluation_views(manifest, mean_image):
    """Returns what the network sees of each held-out image in evaluation, by the image's name."""
    shards = manifest.list_shards('validation')
    views = [
        preprocessing.Preprocessing(mean_image, CROP).make_views(squares, 1)[0]
        for squares, _, _ in datasets.evaluation_dataset(
            shards, layout=manifest.layout, batch_size=1
        )
    ]
    return dict(zip(checking.read_names(shards), views, strict=True))


def test_served_images_are_preprocessed_as_in_evaluation_to_the_bit(images, tmp_path):
    manifest = prepare(images, tmp_path, 'raw')
    mean_image = manifests.load_statistics(manifest).mean_image
    expected = read_evaluation_views(manifest, mean_image)
    originals = [(images / name).read_bytes() for name in expected]
    inputs = compute_inputs(create_identity(mean_image), originals)
    assert len(expected) == 4
    for pixels, view in zip(inputs, expected.values(), strict=True):
        np.testing.assert_array_equal(pixels, tf.reshape(view, [-1]))


@pytest.mark.slow
def test_jpeg_records_differ_from_served_images_by_rounding_only(images, tmp_path):
    manifest = prepare(images, tmp_path, 'jpeg')
    mean_image = manifests.load_statistics(manifest).mean_image
    expected = read_evaluation_views(manifest, mean_image)
    originals = [(images / name).read_bytes() for name in expected]
    inputs = compute_inputs(create_identity(mean_image), originals)
    views = np.stack([np.reshape(view, -1) for view in expected.values()])
    assert 0 < np.abs(inputs - views).mean() < 1.5


@pytest.mark.slow
def test_exif_orientations_are_applied_as_in_training(images):
    mean_image = np.zeros((SIDE, SIDE, 3), np.float32)
    encoded = (images / 'cat' / '2.jpg').read_bytes()  # upside down
    upright, upside_down = (
        compute_inputs(create_identity(mean_image, shown), [encoded])
        for shown in (rendering.OWN_IMAGES, rendering.PLAIN)
    )
    square = upright.reshape(CROP, CROP, 3)
    np.testing.assert_array_equal(square[::-1, ::-1], upside_down.reshape(CROP, CROP, 3))


def test_classes_and_probabilities_are_the_top_scores(served, loaded, encode):
    predictions = loaded['serving_default'](
        images=tf.constant([encode('JPEG'), encode('PNG', seed=1)])
    )
    scores = predictions['scores'].numpy()
    assert {name: output.dtype for name, output in predictions.items()} == {
        'classes': tf.string,
        'probabilities': tf.float32,
        'scores': tf.float32,
    }
    np.testing.assert_allclose(scores.sum(1), 1, rtol=1e-5)
    np.testing.assert_array_equal(predictions['probabilities'], -np.sort(-scores, axis=1))
    names = np.array(served.class_names)[np.argsort(-scores, axis=1)]
    assert np.char.decode(predictions['classes'].numpy().astype('S')).tolist() == names.tolist()


@pytest.mark.slow
def test_the_top_five_of_many_classes_are_named(encode):
    functions = signatures.build(create_identity(np.zeros((SIDE, SIDE, 3), np.float32)))
    assert functions['serving_default'](tf.constant([encode('PNG')]))['classes'].shape == (1, 5)


def test_ten_views_average_the_probabilities_of_ten_crops(served, loaded, encode):
    pixels = np.asarray(PIL.Image.open(io.BytesIO(encode('PNG', size=(80, 80)))))
    crops = []
    for top, left in ((0, 0), (0, 13), (13, 0), (13, 13), (6, 6)):
        crop = pixels[top : top + 67, left : left + 67].astype(np.float32) - 120
        crops += [crop, crop[:, ::-1]]
    expected = tf.nn.softmax(served.compute_logits(tf.constant(np.stack(crops)))).numpy().mean(0)
    predictions = loaded['ten_views'](images=tf.constant([encode('PNG', size=(80, 80))]))
    np.testing.assert_allclose(predictions['scores'][0], expected, atol=1e-6)


def test_pixels_get_the_scores_of_their_png(loaded, encode):
    encoded = [encode('PNG', seed=seed) for seed in range(2)]
    pixels = np.stack([np.asarray(PIL.Image.open(io.BytesIO(png))) for png in encoded])
    from_pixels = loaded['pixels'](images=tf.constant(pixels))
    from_bytes = loaded['serving_default'](images=tf.constant(encoded))
    np.testing.assert_allclose(from_pixels['scores'], from_bytes['scores'], atol=1e-6)


def test_features_are_the_last_hidden_layer(model, loaded, encode):
    pixels = np.asarray(PIL.Image.open(io.BytesIO(encode('PNG', size=(80, 80)))), np.float32)
    view = pixels[None, 6:73, 6:73] - 120
    relu7 = [model.get_layer(f'relu7_{column}').output for column in 'ab']
    expected = np.concatenate(keras.Model(model.input, relu7)(view), 1)
    features = loaded['features'](images=tf.constant([encode('PNG', size=(80, 80))]))['features']
    np.testing.assert_allclose(features, expected, atol=1e-5)


@pytest.mark.parametrize('name', ['serving_default', 'tolerant', 'ten_views'])
def test_a_request_without_images_gets_no_scores(loaded, name):
    assert loaded[name](images=tf.constant([], tf.string))['scores'].shape == (0, 3)
