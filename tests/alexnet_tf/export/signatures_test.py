"""What the served graph answers, against what evaluation sees and says."""

import io

import keras
import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from alexnet_tf.export import signatures
from input_pipeline.batches import datasets, preprocessing
from input_pipeline.prepare import conversion
from input_pipeline.records import manifests
from input_pipeline.sources import folder as folders

CROP, SIDE = 16, 256


@pytest.fixture(scope='module')
def photographs(tmp_path_factory):
    """As cameras leave them: of several shapes, some lying on their side."""
    root = tmp_path_factory.mktemp('photographs')
    for label, name in enumerate(('cat', 'dog')):
        (root / name).mkdir()
        for at in range(6):
            random = np.random.default_rng(10 * label + at)
            small = random.integers(0, 256, (9, 12, 3), np.uint8)
            exif = PIL.Image.Exif()
            exif[0x0112] = 1 + at
            size = (300 + 40 * at, 700 - 90 * at)
            picture = PIL.Image.fromarray(small).resize(size, PIL.Image.BICUBIC)
            picture.save(root / name / f'{at}.jpg', exif=exif.tobytes(), quality=88)
    return root


def prepared(photographs, directory, encoding):
    return conversion.prepare(
        folders.find(str(photographs), validation_fraction=0.4),
        str(directory),
        settings={
            'record_encoding': encoding,
            'shard_examples': 8,
            'seed': 0,
            'exif_orientation': True,
        },
        max_bad_fraction=0,
        report=lambda *_: None,
    )


def seen(mean_image, turned=True):
    """A network of which the logits are the pixels that it sees, as they are served."""
    flat = keras.Sequential([keras.Input((CROP, CROP, 3)), keras.layers.Flatten()])
    return signatures.Served(
        logits=flat,
        hidden=flat,
        classes=[str(at) for at in range(CROP * CROP * 3)],
        mean_image=mean_image,
        crop_size=CROP,
        turned=turned,
    )


def ask(served, name, images):
    return signatures.build(served)[name](tf.constant(images))


def evaluated(manifest, mean_image):
    """Each held-out picture by name, as evaluation shows it to the network."""
    from input_pipeline.records import checking

    shards = manifest.shards('validation')
    views = [
        preprocessing.views(squares, mean_image, crop_size=CROP, number=1)[0]
        for squares, _, _ in datasets.evaluation(shards, layout=manifest.layout, batch_size=1)
    ]
    return dict(zip(checking.ids(shards), views, strict=True))


def test_the_network_sees_what_evaluation_shows_it_to_the_bit(photographs, tmp_path):
    manifest = prepared(photographs, tmp_path, 'raw')
    mean_image = manifests.statistics(manifest)['mean_image']
    expected = evaluated(manifest, mean_image)
    originals = [(photographs / each).read_bytes() for each in expected]
    features = ask(seen(mean_image), 'features', originals)['features']
    assert len(expected) == 4
    for found, view in zip(features, expected.values(), strict=True):
        np.testing.assert_array_equal(found, tf.reshape(view, [-1]))


@pytest.mark.slow
def test_records_of_jpeg_differ_by_its_rounding_only(photographs, tmp_path):
    """docs/serving.md has the size of it on photographs."""
    manifest = prepared(photographs, tmp_path, 'jpeg')
    mean_image = manifests.statistics(manifest)['mean_image']
    expected = evaluated(manifest, mean_image)
    originals = [(photographs / each).read_bytes() for each in expected]
    features = ask(seen(mean_image), 'features', originals)['features'].numpy()
    views = np.stack([np.reshape(each, -1) for each in expected.values()])
    assert 0 < np.abs(features - views).mean() < 1.5


@pytest.mark.slow
def test_orientations_count_where_they_did_in_training(photographs):
    mean_image = np.zeros((SIDE, SIDE, 3), np.float32)
    encoded = (photographs / 'cat' / '2.jpg').read_bytes()  # upside down
    upright, lying = (
        ask(seen(mean_image, turned), 'features', [encoded])['features'].numpy()
        for turned in (True, False)
    )
    square = upright.reshape(CROP, CROP, 3)
    np.testing.assert_array_equal(square[::-1, ::-1], lying.reshape(CROP, CROP, 3))


def test_names_and_probabilities_are_the_best_scores(served, loaded, encode):
    _, network = served
    answer = loaded['serving_default'](images=tf.constant([encode('JPEG'), encode('PNG', seed=1)]))
    scores = answer['scores'].numpy()
    assert {name: each.dtype for name, each in answer.items()} == {
        'classes': tf.string,
        'probabilities': tf.float32,
        'scores': tf.float32,
    }
    np.testing.assert_allclose(scores.sum(1), 1, rtol=1e-5)
    np.testing.assert_array_equal(answer['probabilities'], -np.sort(-scores, axis=1))
    names = np.array(network.classes)[np.argsort(-scores, axis=1)]
    assert [[each.decode() for each in row] for row in answer['classes'].numpy()] == names.tolist()


@pytest.mark.slow
def test_five_of_many_classes_are_named(encode):
    served = seen(np.zeros((SIDE, SIDE, 3), np.float32))
    assert ask(served, 'serving_default', [encode('PNG')])['classes'].shape == (1, 5)


def test_ten_views_are_the_mean_of_ten_crops(served, loaded, encode):
    _, network = served
    pixels = np.asarray(PIL.Image.open(io.BytesIO(encode('PNG', size=(80, 80)))))
    crops = []
    for top, left in ((0, 0), (0, 13), (13, 0), (13, 13), (6, 6)):
        crop = pixels[top : top + 67, left : left + 67].astype(np.float32) - 120
        crops += [crop, crop[:, ::-1]]
    expected = tf.nn.softmax(network.logits(tf.constant(np.stack(crops)))).numpy().mean(0)
    answer = loaded['ten_views'](images=tf.constant([encode('PNG', size=(80, 80))]))
    np.testing.assert_allclose(answer['scores'][0], expected, atol=1e-6)


def test_pixels_are_answered_as_their_png_is(loaded, encode):
    encoded = [encode('PNG', seed=each) for each in range(2)]
    pixels = np.stack([np.asarray(PIL.Image.open(io.BytesIO(each))) for each in encoded])
    from_pixels = loaded['pixels'](images=tf.constant(pixels))
    from_bytes = loaded['serving_default'](images=tf.constant(encoded))
    np.testing.assert_allclose(from_pixels['scores'], from_bytes['scores'], atol=1e-6)


def test_features_are_the_last_hidden_layer(served, loaded, encode):
    model, _ = served
    pixels = np.asarray(PIL.Image.open(io.BytesIO(encode('PNG', size=(80, 80)))), np.float32)
    view = pixels[None, 6:73, 6:73] - 120
    inner = keras.Model(model.input, [model.get_layer(f'relu7_{each}').output for each in 'ab'])
    answer = loaded['features'](images=tf.constant([encode('PNG', size=(80, 80))]))
    np.testing.assert_allclose(answer['features'], np.concatenate(inner(view), 1), atol=1e-5)


@pytest.mark.parametrize('name', ['serving_default', 'tolerant', 'ten_views'])
def test_no_pictures_get_no_answers(loaded, name):
    assert loaded[name](images=tf.constant([], tf.string))['scores'].shape == (0, 3)
