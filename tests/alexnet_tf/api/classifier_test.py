"""A trained network as one object: the command line's results, for whatever holds images."""

import dataclasses
import json
import pathlib
import shutil

import keras
import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from alexnet_tf import main
from alexnet_tf.api import classifier, errors
from alexnet_tf.commands import export
from alexnet_tf.config import schema
from alexnet_tf.models import recipes
from alexnet_tf.runs import image_index, loading
from input_pipeline.batches import preprocessing

some_views = pytest.mark.parametrize('views', [pytest.param(1, marks=pytest.mark.slow), 10])


@pytest.fixture(scope='module')
def inputs(shared_folder, tmp_path_factory):
    """A folder of two images; one has an EXIF orientation."""
    folder = tmp_path_factory.mktemp('inputs')
    with PIL.Image.open(shared_folder / 'cat' / '00.jpg') as image:
        exif = PIL.Image.Exif()
        exif[0x0112] = 6
        image.save(folder / 'a.jpg', exif=exif, quality=95)
    with PIL.Image.open(shared_folder / 'dog' / '00.jpg') as image:
        image.save(folder / 'b.png')
    return folder


def read_pixels(path, rotated=False):
    """Reads an image by PIL, (height, width, 3) uint8."""
    with PIL.Image.open(path) as image:
        return np.asarray(image.transpose(PIL.Image.Transpose.ROTATE_270) if rotated else image)


def stack(predictions):
    return np.stack([prediction.probabilities for prediction in predictions])


@some_views
def test_predictions_are_those_of_the_command_line(trained, run_dir, inputs, views, capsys):
    flags = ('--mode=predict', f'--run_dir={run_dir}', f'--inputs={inputs}', f'--views={views}')
    assert main.main(['alexnet_tf', *flags, '--output=json']) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    predictions = trained.predict(inputs, views=views)
    assert [prediction.file for prediction in predictions] == [row['file'] for row in rows]
    for prediction, row in zip(predictions, rows, strict=True):
        names, probabilities = zip(*prediction.top, strict=True)
        assert list(names) == row['classes']
        # Here the network computes, which may be trained on; there its copy for inference.
        assert list(probabilities) == pytest.approx(row['probabilities'], abs=1e-6)
        assert (prediction.class_name, prediction.probability) == prediction.top[0]
        assert prediction.probabilities.shape == (2,)
        assert prediction.probabilities.sum() == pytest.approx(1)


def test_a_home_directory_is_expanded(trained, inputs, records, tmp_path, monkeypatch):
    for name, path in (('photos', inputs), ('records', records)):
        (tmp_path / name).symlink_to(path)
    monkeypatch.setenv('HOME', str(tmp_path))
    assert len(trained.predict('~/photos')) == 2
    assert trained.evaluate('~/records')['top1_error'] <= 1
    trained.save('~/model.keras')
    assert (tmp_path / 'model.keras').exists()


def test_exif_orientation_counts_as_in_training(trained, inputs):
    (of_file,) = trained.predict(inputs / 'a.jpg')
    (upright,) = trained.predict(read_pixels(inputs / 'a.jpg', rotated=True))
    assert of_file.probabilities.tolist() == upright.probabilities.tolist()
    assert of_file.file == str(inputs / 'a.jpg')
    assert upright.file is None
    with PIL.Image.open(inputs / 'a.jpg') as image:
        (of_pil,) = trained.predict(image)
    assert of_pil.probabilities.tolist() == of_file.probabilities.tolist()


def test_images_may_be_anything_that_holds_pixels(trained, inputs):
    paths = [inputs / 'a.jpg', str(inputs / 'b.png')]
    pixels = np.stack([read_pixels(paths[1])] * 3)
    (expected,) = stack(trained.predict(paths[1:]))
    assert len(trained.predict(paths)) == 2
    dataset = tf.data.Dataset.from_tensor_slices((pixels, [0, 1, 1]))
    for images in (
        pixels,
        list(pixels),
        tf.constant(pixels),
        dataset,
        dataset.batch(2),
        dataset.batch(2).map(lambda images, _: images),
        dataset.batch(2).map(lambda images, labels: (images, {'label': labels})),
    ):
        probabilities = stack(trained.predict(images))
        assert probabilities.shape == (3, 2)
        np.testing.assert_allclose(probabilities, [expected] * 3, rtol=1e-5)


def test_the_model_is_a_keras_model_of_centred_images(trained, inputs):
    square = tf.image.resize(read_pixels(inputs / 'b.png')[10:290], [256, 256], 'area')
    crop = preprocessing.central_crop(np.round(square.numpy()), 67)
    centred = crop - preprocessing.central_crop(trained.mean_image, 67)
    probabilities = trained.model.predict(centred[None], verbose=0)
    np.testing.assert_allclose(probabilities, stack(trained.predict(inputs / 'b.png')), rtol=1e-3)
    assert trained.model.get_layer('conv1_a').kernel.shape == (11, 11, 3, 5)


def test_the_mean_image_is_what_the_network_subtracts(trained, monkeypatch):
    recipe = trained.recipe.replace(input_mean=(1.0, 2.0, 3.0))
    monkeypatch.setattr(trained, '_run', dataclasses.replace(trained._run, recipe=recipe))
    assert trained.mean_image[7, 9].tolist() == [1, 2, 3]


def test_properties_describe_the_run(trained, run_dir):
    assert trained.class_names == ('cat', 'dog')
    assert trained.recipe == recipes.PAPER.replace(
        width=0.1, crop_size=67, batch_size=8, schedule='list', epochs=2, learning_rate=0.001
    )
    assert trained.mean_image.shape == (256, 256, 3)
    assert repr(trained) == f"<Classifier '{run_dir}': recipe paper, 2 classes, step 4>"


def test_methods_predict_with_the_present_weights_of_the_model(run_dir, inputs):
    loaded = classifier.load_run(run_dir)
    before = stack(loaded.predict(inputs))
    (fc8,) = (layer for layer in loaded.model.layers if layer.name == 'fc8')
    fc8.set_weights([weights + 0.1 * np.arange(2) for weights in fc8.get_weights()])
    assert np.abs(stack(loaded.predict(inputs)) - before).max() > 1e-3


@pytest.mark.parametrize(
    ('layer', 'shape'),
    [
        ('fc7', (410,)),
        ('fc8', (2,)),
        ('pool5', (1, 1, 26)),
        ('conv5', (3, 3, 26)),
        ('conv5_b', (3, 3, 13)),
        ('norm1', (15, 15, 10)),
    ],
)
def test_features_of_a_layer_hold_both_columns(trained, inputs, layer, shape):
    features = trained.features(inputs, layer)
    assert features.shape == (2, *shape)
    assert features.dtype == np.float32


def test_features_come_after_the_activation_unless_they_shall_be_linear(trained, inputs):
    after, linear = (trained.features(inputs, 'conv3', linear=linear) for linear in (False, True))
    np.testing.assert_array_equal(after, np.maximum(linear, 0))
    assert linear.min() < 0
    np.testing.assert_array_equal(after, trained.features(inputs, 'relu3'))
    names = ('relu3_a', 'relu3_b')
    together = trained.features(inputs, ['conv3:linear', *names])
    np.testing.assert_array_equal(together['conv3:linear'], linear)
    columns = [together[name] for name in names]
    np.testing.assert_array_equal(after, np.concatenate(columns, -1))
    pixels = tf.data.Dataset.from_tensors(read_pixels(inputs / 'b.png'))  # of unknown number
    assert trained.features(pixels, ['relu3_a'])['relu3_a'].shape == (1, 3, 3, 19)


@some_views
def test_metrics_are_those_of_the_command_line(trained, run_dir, records, views, capsys):
    """The command appends its row to results.csv, the method writes nothing."""
    results = run_dir / 'results.csv'
    before = results.read_text() if results.exists() else ''
    metrics = trained.evaluate(records, views=views)
    assert (results.read_text() if results.exists() else '') == before
    flags = ('--mode=evaluate', f'--run_dir={run_dir}', f'--data_dir={records}')
    assert main.main(['alexnet_tf', *flags, f'--views={views}']) == 0
    header, *_, row = (line.split(',') for line in results.read_text().splitlines())
    values = dict(zip(header, row, strict=True))
    assert metrics == {name: float(values[name]) for name in ('loss', 'top1_error', 'top5_error')}


def test_a_data_set_of_images_and_labels_is_evaluated(trained, shared_folder):
    paths = sorted(shared_folder.rglob('*.jpg'))
    labels = [path.parent.name == 'dog' for path in paths]
    images = np.stack([read_pixels(path) for path in paths])
    dataset = tf.data.Dataset.from_tensor_slices((images, np.array(labels, np.int64))).batch(7)
    probabilities = stack(trained.predict(images))
    expected = np.mean(probabilities.argmax(1) != labels)
    metrics = trained.evaluate(dataset)
    assert metrics['top1_error'] == pytest.approx(expected)
    own = probabilities[np.arange(24), np.array(labels, int)]
    assert metrics['loss'] == pytest.approx(-np.log(own).mean(), rel=1e-5)


def test_a_plot_is_a_figure_that_a_notebook_shows(trained, inputs):
    figure = trained.plot(inputs)
    assert figure.axes[0].get_title() == 'a.jpg'
    assert figure._repr_png_().startswith(b'\x89PNG')


def test_kernels_are_plotted_as_one_image_that_a_notebook_shows(trained):
    figure = trained.plot_kernels()
    (image,) = figure.axes[0].get_images()
    kernels = trained.model.get_layer('conv1_a').kernel
    rows = 2 * -(-kernels.shape[-1] // 16)  # of each column, 16 kernels in a row
    assert image.get_array().shape[0] == 4 * (rows * (kernels.shape[0] + 1) + 2)
    assert figure._repr_png_().startswith(b'\x89PNG')


@pytest.mark.slow
def test_an_export_predicts_with_the_present_weights(run_dir, inputs, tmp_path):
    loaded = classifier.load_run(run_dir)
    loaded.model.get_layer('fc8').set_weights([np.ones((410, 2)), np.array([0.0, 1.0])])
    version = loaded.export(tmp_path / 'export')
    assert version == tmp_path / 'export' / '1'
    served = tf.saved_model.load(version).signatures['serving_default']
    scores = served(images=tf.constant([(inputs / 'a.jpg').read_bytes()]))['scores'].numpy()
    np.testing.assert_allclose(scores, stack(loaded.predict(inputs / 'a.jpg')), atol=1e-6)
    assert scores[0, 1] == pytest.approx(1 / (1 + np.exp(-1)), rel=1e-5)


def test_an_export_is_that_of_the_command_with_the_present_weights(
    run_dir, records, tmp_path, monkeypatch
):
    loaded = classifier.load_run(run_dir)
    weights = [np.ones((410, 2), np.float32), np.array([0, 1], np.float32)]
    loaded.model.get_layer('fc8').set_weights(weights)
    calls = []
    monkeypatch.setattr(export, 'export', lambda config, load: calls.append((config, load())))
    loaded.export(tmp_path, export_version=7)
    ((config, copy),) = calls
    assert (config.export.export_dir, config.export.export_version) == (str(tmp_path), 7)
    assert (config.run_dir, config.data.data_dir) == (str(run_dir), records)
    for copied, expected in zip(copy.model.get_layer('fc8').get_weights(), weights, strict=True):
        np.testing.assert_array_equal(copied, expected)
    assert not copy.model.get_layer('norm1_a').compiled  # servers refuse XLA
    assert not loading.is_as_in_checkpoint(copy)


def test_a_run_needs_neither_its_working_directory_nor_its_checkpoint(
    run_dir, tmp_path, monkeypatch
):
    shutil.copytree(run_dir, tmp_path / 'run')
    monkeypatch.chdir(tmp_path)
    loaded = classifier.load_run('run')
    assert repr(loaded).startswith("<Classifier 'run': ")
    (tmp_path / 'elsewhere').mkdir()
    monkeypatch.chdir(tmp_path / 'elsewhere')
    shutil.rmtree(tmp_path / 'run' / 'checkpoints')  # as a run in progress removes old ones
    calls = []
    monkeypatch.setattr(export, 'export', lambda config, load: calls.append(load()))
    loaded.export('served')
    for copied, own in zip(calls[0].model.get_weights(), loaded.model.get_weights(), strict=True):
        np.testing.assert_array_equal(copied, own)


def test_the_model_of_a_float16_run_scales_the_loss(run_dir):
    loaded = classifier.load_run(run_dir)
    loaded._run = dataclasses.replace(loaded._run, precision='float16')
    loaded.model.compile('sgd', 'categorical_crossentropy')
    assert isinstance(loaded.model.optimizer, keras.optimizers.LossScaleOptimizer)


def test_layers_of_a_frozen_network_have_names(run_dir):
    loaded = classifier.load_run(run_dir)
    loaded.model.trainable = False
    with pytest.raises(errors.UsageError, match='layer=fc1: the network has no such layer'):
        loaded.features(np.zeros((67, 67, 3), np.uint8), 'fc1')


def test_a_pil_image_with_a_broken_colour_profile_is_read(trained):
    image = PIL.Image.new('RGB', (80, 80), 'red')
    image.info['icc_profile'] = None  # as of Pillow, where parts are missing
    assert len(trained.predict(image)) == 1


def test_a_saved_network_subtracts_the_mean_image(trained, tmp_path):
    path = tmp_path / 'new' / 'network.keras'
    trained.save(path)
    assert [file.name for file in path.parent.iterdir()] == ['network.keras']
    square = np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8)
    images = preprocessing.central_crop(square, 67)[None]
    probabilities = keras.models.load_model(path).predict(images, verbose=0)
    np.testing.assert_allclose(probabilities, stack(trained.predict(square)), rtol=1e-5)


@pytest.mark.parametrize(
    ('images', 'error', 'message'),
    [
        ('nowhere/cat.jpg', errors.DataError, 'nowhere/cat.jpg: no such file or folder'),
        ('', errors.DataError, 'no such file or folder'),
        ('iVBORw0KGgo' * 30, errors.DataError, 'no such file or folder'),
        (np.zeros((3, 4)), errors.UsageError, r'an array of shape \(3, 4\)'),
        (np.zeros((8, 8, 3)), errors.UsageError, 'dtype float64; expected uint8'),
        (np.zeros((0, 8, 8, 3), np.uint8), errors.UsageError, 'there are none'),
        ([], errors.UsageError, 'there are none'),
        (7, errors.UsageError, r'an array of shape \(\)'),
        (None, errors.UsageError, 'images: a NoneType; expected a path'),
        (tf.data.Dataset.range(3), errors.UsageError, 'a data set of int64 elements of rank 0'),
        (
            tf.data.Dataset.from_tensors(np.zeros((8, 8, 3))),
            errors.UsageError,
            'a data set of float64 elements of rank 3',
        ),
    ],
)
def test_other_images_are_refused_in_one_sentence(trained, images, error, message):
    with pytest.raises(error, match=message):
        trained.predict(images)


def test_an_unreadable_file_is_named(trained, inputs, tmp_path):
    (tmp_path / 'text.jpg').write_text('a text')
    message = 'text.jpg: not an image: neither JPEG, PNG, GIF, BMP nor WebP'
    with pytest.raises(errors.DataError, match=message):
        trained.predict([inputs / 'a.jpg', tmp_path / 'text.jpg'])


@pytest.mark.parametrize(
    ('call', 'message'),
    [
        (lambda run: run.predict('.', views=3), 'views=3: expected one of 1, 2, 9, 10'),
        (lambda run: run.predict('.', views=10.0), r'views=10\.0: expected an integer'),
        (lambda run: run.predict('.', batch_size=0), 'batch_size=0: expected an integer from 1'),
        (lambda run: run.predict('.', top=0), 'top=0: expected an integer from 1'),
        (lambda run: run.features('.', 'conv55'), 'layer=conv55: .* Did you mean conv5'),
        (lambda run: run.features('.', None), 'layer=None: the network has no such layer'),
        (lambda run: run.save('network.h5'), 'expected a local NAME.keras'),
        (lambda run: run.save('gs://bucket/network.keras'), 'expected a local NAME.keras'),
        (lambda run: run.export('x', checkpoint='best'), 'checkpoint: give it to load_run'),
        (lambda run: run.export('x', export_versoin=1), 'Did you mean export_version'),
    ],
)
def test_arguments_that_cannot_be_used_are_named(trained, call, message):
    with pytest.raises(errors.UsageError, match=message):
        call(trained)


def test_top_is_as_long_as_asked_for(trained, inputs):
    ((name, probability),) = trained.predict(inputs / 'b.png', top=1)[0].top
    whole = trained.predict(inputs / 'b.png')[0]
    assert (name, probability) == whole.top[0]
    assert len(whole.top) == 2


def test_a_folder_of_images_is_no_records(trained, shared_folder):
    with pytest.raises(
        errors.DataError, match=r'holds no records.* image_dataset_from_directory\('
    ):
        trained.evaluate(shared_folder)


def test_evaluation_names_a_missing_split_and_labels(trained, records):
    with pytest.raises(errors.UsageError, match='split=test: the records in'):
        trained.evaluate(records, 'test')
    pixels = np.zeros((2, 8, 8, 3), np.uint8)
    for labels in ([0.5, 0.5], [0, 2]):
        dataset = tf.data.Dataset.from_tensor_slices((pixels, labels))
        with pytest.raises(errors.UsageError, match='an integer label from 0 to 1'):
            trained.evaluate(dataset)
    dataset.class_names = [*'abcdef']
    with pytest.raises(errors.DataError, match='the classes a, b, c, d, e and 1 more; the network'):
        trained.evaluate(dataset)


def test_a_data_set_may_name_classes_by_their_labels_alone(trained, monkeypatch):
    run = dataclasses.replace(trained._run, names=('cat house cat', 'dog toy dog'))
    monkeypatch.setattr(trained._inference, '_run', run)
    for names in (['cat', 'dog'], list(run.names)):
        dataset = tf.data.Dataset.from_tensors((tf.zeros([2, 80, 80, 3], tf.uint8), [0, 1]))
        dataset.class_names = names
        assert 0 <= trained.evaluate(dataset)['top1_error'] <= 1


def test_in_a_folder_only_images_are_classified(trained, inputs, tmp_path):
    folder = shutil.copytree(inputs, tmp_path / 'folder')
    (folder / 'README.md').write_text('no image')
    (folder / 'labels.csv').write_text('a.jpg,cat')
    assert len(trained.predict(folder)) == len(trained.predict(inputs)) == 2


def test_a_directory_without_a_run_is_named(tmp_path, run_dir):
    with pytest.raises(errors.UsageError, match='run_dir=nowhere: no such directory'):
        classifier.load_run('nowhere')
    with pytest.raises(errors.DataError, match='holds no trained network'):
        classifier.load_run(tmp_path)
    with pytest.raises(errors.UsageError, match='checkpoint=oldest: expected one of newest, best'):
        classifier.load_run(pathlib.Path(run_dir), 'oldest')


@pytest.mark.parametrize('mode', ['F', 'I', 'I;16'])
def test_images_of_pil_with_more_than_8_bits_are_refused(trained, mode):
    image = PIL.Image.new(mode, (80, 80))
    with pytest.raises(errors.UsageError, match=f'a PIL image of mode {mode}; expected 8 bits'):
        trained.predict(image)


def test_a_data_set_of_other_classes_is_refused(trained):
    images = tf.zeros([2, 80, 80, 3], tf.uint8)
    dataset = tf.data.Dataset.from_tensors((images, [0, 1]))
    dataset.class_names = ['dog', 'cat']
    with pytest.raises(errors.DataError, match='the classes dog, cat; the network knows cat, dog'):
        trained.evaluate(dataset)


def test_arrays_are_evaluated_as_a_data_set(trained):
    pixels = np.zeros((2, 8, 8, 3), np.uint8)
    with pytest.raises(errors.UsageError, match=r'data: expected a directory .* not ndarray'):
        trained.evaluate(pixels)


def test_an_export_does_not_read_images_that_have_no_index(tmp_path, monkeypatch):
    """They lie elsewhere, as a run that was trained in another directory says."""
    images = tmp_path / 'IMAGES' / 'cat'
    images.mkdir(parents=True)
    config = schema.Config(mode='export', data=schema.Data(data_dir=str(images.parent)))
    monkeypatch.setattr(image_index, 'load_manifest', None)
    encoded, kind = export._load_images(config, (8, 8, 3))
    assert (len(encoded), kind) == (16, 'images of noise')
