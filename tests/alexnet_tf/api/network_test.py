"""`AlexNet` as a Keras user meets it; its recipes and variants are in conformance/api_test.py."""

import dataclasses
import pathlib
import tarfile
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

import alexnet_tf
from alexnet_tf.api import network
from alexnet_tf.models import alexnet, recipes
from alexnet_tf.models.weights import recognition
from input_pipeline import errors

RUN = pathlib.Path(__file__).parents[2] / 'data' / 'run_a61adb2' / 'run_and_records.tar.xz'
RECIPE = recipes.SOURCE2012.replace(crop_size=67, initial_sd=0.05, initial_sd_hidden=0.05)
IMAGES = np.random.default_rng(0).integers(0, 256, (3, 67, 67, 3), np.uint8)


def build(**options):
    return alexnet_tf.AlexNet(**{'recipe': RECIPE, 'classes': 7, 'width': 0.05} | options)


@pytest.fixture(scope='module')
def model():
    return build()


@pytest.fixture(scope='module')
def run(tmp_path_factory):
    """The directory of a trained run of three classes, which tests must not change."""
    directory = tmp_path_factory.mktemp('run')
    with tarfile.open(RUN) as archive:
        archive.extractall(directory, filter='data')
    return directory / 'run'


@pytest.fixture(scope='module')
def like_run():
    """Arguments that describe the network of the run."""
    return {'recipe': recipes.SOURCE2012.replace(crop_size=67), 'width': 0.021, 'classes': 3}


def test_its_defaults_are_the_papers_input_and_classes():
    model = alexnet_tf.AlexNet(width=0.02)
    assert model.input_shape == (None, 224, 224, 3)
    assert model.output_shape == (None, 1000)
    assert alexnet_tf.AlexNet(width=0.5, include_top=False).output_shape == (None, 6, 6, 128)


def test_it_computes_the_softmax_of_the_network_that_the_command_line_trains(model):
    trained = alexnet.build(RECIPE, num_classes=7, width=0.05)
    logits = trained(IMAGES.astype(np.float32)).numpy().astype(np.float64)
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model(IMAGES.astype(np.float32)), expected, rtol=1e-5)
    assert [layer.name for layer in model.layers[-3:]] == ['fc8', 'logits', 'predictions']


def test_without_an_activation_it_ends_at_the_logits(model):
    logits = build(classifier_activation=None)
    assert logits.layers[-1].name == 'logits'
    expected = keras.Model(model.input, model.get_layer('logits').output)(IMAGES)
    np.testing.assert_array_equal(logits(IMAGES), expected)


def test_without_its_top_it_ends_at_the_feature_maps_of_both_columns(model):
    features = build(include_top=False)
    assert {layer.name[:2] for layer in features.layers}.isdisjoint({'fc', 'lo', 'pr'})
    pools = [model.get_layer(name).output for name in ('pool5_a', 'pool5_b')]
    expected = np.concatenate(keras.Model(model.input, pools)(IMAGES), axis=-1)
    np.testing.assert_array_equal(features(IMAGES), expected)
    assert features.layers[-1].name == 'features'


def test_the_seed_and_the_name_are_the_users(model):
    other = build(seed=1, name='mine')
    assert (model.name, other.name) == ('alexnet', 'mine')
    for value, same in zip(model.get_weights(), build().get_weights(), strict=True):
        np.testing.assert_array_equal(value, same)
    kernels = [net.get_layer('conv2_a').kernel.numpy() for net in (model, other)]
    assert np.abs(kernels[0] - kernels[1]).max() > 0.01


@pytest.mark.parametrize('images', [IMAGES, IMAGES.astype(np.float32)], ids=['uint8', 'float32'])
def test_with_preprocessing_it_takes_pixels(model, images):
    whole = build(include_preprocessing=True)
    assert whole.layers[1].name == 'mean_subtraction'
    prepared = images.astype(np.float32) - np.array([123, 117, 104], np.float32)
    np.testing.assert_allclose(whole(images), model(prepared), rtol=1e-5)
    np.testing.assert_allclose(whole.predict(images, verbose=0), model(prepared), rtol=1e-4)
    assert whole.get_layer('conv1_a').kernel.shape == model.get_layer('conv1_a').kernel.shape


def test_preprocessing_stays_exact_in_half_precision():
    half = build(include_preprocessing=True, precision='bfloat16')
    difference = keras.Model(half.input, half.get_layer('mean_subtraction').output)
    fractions = np.float32([[[[100.25, 200.5, 3.125]]]]) * np.ones([1, 67, 67, 1], np.float32)
    expected = np.float32([-22.75, 83.5, -100.875])
    np.testing.assert_array_equal(difference(fractions)[0, 0, 0], expected)


def test_precision_follows_keras_policy():
    before = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy('mixed_bfloat16')
        assert build().get_layer('conv1_a').compute_dtype == 'bfloat16'
        assert build(precision='float32').get_layer('conv1_a').compute_dtype == 'float32'
        policy = keras.config.dtype_policy()
        half = build(precision=policy, classes=np.int64(7), devices=None)
        assert half.get_layer('conv1_a').compute_dtype == 'bfloat16'
        keras.config.set_dtype_policy('float64')
        with pytest.raises(ValueError, match='precision=float64: expected one of float32'):
            build()
    finally:
        keras.config.set_dtype_policy(before)
    assert build().get_layer('conv1_a').compute_dtype == 'float32'


@pytest.mark.parametrize(('precision', 'is_scaled'), [('float16', True), ('bfloat16', False)])
def test_compile_scales_the_loss_of_float16_only(precision, is_scaled):
    half = build(precision=precision)
    loss = 'sparse_categorical_crossentropy'
    half.compile(alexnet_tf.PaperSGD(1e-5), loss, run_eagerly=True)
    assert isinstance(half.optimizer, keras.optimizers.LossScaleOptimizer) == is_scaled
    before = half.get_layer('conv1_b').kernel.numpy()
    assert np.isfinite(half.fit(IMAGES, np.arange(3), verbose=0).history['loss']).all()
    assert (half.get_layer('conv1_b').kernel.numpy() != before).any()


def test_compile_does_not_use_xla_on_a_cpu(model):
    if tf.config.list_physical_devices('GPU'):
        pytest.skip('on a GPU, Keras uses XLA')
    clone = keras.models.clone_model(model)
    clone.compile('sgd', 'sparse_categorical_crossentropy')
    assert clone.jit_compile is False


def test_a_network_on_two_devices_computes_the_same_without_xla(model):
    placed = build(devices=('/CPU:0', '/CPU:1'))
    np.testing.assert_array_equal(placed(IMAGES), model(IMAGES))
    assert 'CPU:1' in placed.get_layer('conv1_b').kernel.value.device
    with pytest.warns(UserWarning, match="doesn't support `jit_compile=True`"):
        placed.compile('sgd', jit_compile=True)


def test_it_loads_the_weights_of_a_run(run, like_run):
    model = alexnet_tf.AlexNet(weights=run, **like_run)
    arrays = np.load(next((run / 'checkpoints').glob('step-*/variables.npz')))
    for layer in ('conv1_a', 'conv3_b', 'fc6_a', 'fc8'):
        np.testing.assert_array_equal(model.get_layer(layer).kernel, arrays[f'{layer}/kernel'])
    features = alexnet_tf.AlexNet(weights=str(run), include_top=False, **like_run | {'classes': 9})
    np.testing.assert_array_equal(features.get_layer('conv5_b').kernel, arrays['conv5_b/kernel'])


def test_the_recipe_is_that_of_the_weights(run, tmp_path):
    (file,) = (run / 'checkpoints').glob('*/variables.npz')
    for weights in (run, file):
        model = alexnet_tf.AlexNet(weights=weights, classes=3)
        assert model.input_shape == (None, 67, 67, 3)
        np.testing.assert_array_equal(model.get_layer('fc8').kernel, np.load(file)['fc8/kernel'])


def test_the_recipe_is_that_which_the_names_in_a_file_tell(tmp_path):
    shapes = {
        'features.0': (4, 3, 11, 11), 'features.3': (12, 4, 5, 5), 'features.6': (24, 12, 3, 3),
        'features.8': (16, 24, 3, 3), 'features.10': (16, 16, 3, 3),
        'classifier.1': (256, 576), 'classifier.4': (256, 256), 'classifier.6': (5, 256),
    }  # fmt: skip
    arrays = {f'{name}.weight': np.ones(shape, np.float32) for name, shape in shapes.items()}
    arrays |= {f'{name}.bias': np.ones(shape[0], np.float32) for name, shape in shapes.items()}
    safetensors = pytest.importorskip('safetensors.numpy')
    safetensors.save_file(arrays, tmp_path / 'alexnet.safetensors')
    model = alexnet_tf.AlexNet(weights=tmp_path / 'alexnet.safetensors', width=1 / 16, classes=5)
    assert 'norm1' not in {layer.name for layer in model.layers}  # torchvision's has none
    assert model.get_layer('fc8').kernel.shape == (256, 5)


def test_a_home_directory_is_expanded(run, monkeypatch):
    monkeypatch.setenv('HOME', str(run.parent))
    assert alexnet_tf.AlexNet(weights='~/run', classes=3)


def test_devices_are_not_named_within_a_strategy():
    strategy = tf.distribute.MirroredStrategy(['/CPU:0'])
    with strategy.scope(), pytest.raises(ValueError, match='Leave devices out'):
        build(devices=('/CPU:0', '/CPU:0'))


def test_with_the_weights_of_a_run_preprocessing_subtracts_the_mean_of_its_images(run, like_run):
    (file,) = (run / 'checkpoints').glob('*/variables.npz')
    mean_image = np.load(run / 'mean_image.npy')
    start = (mean_image.shape[0] - 67) // 2
    expected = mean_image[start:, start:][:67, :67].reshape(-1, 3).astype(np.float64).mean(axis=0)
    for weights in (run, file):
        model = alexnet_tf.AlexNet(weights=weights, include_preprocessing=True, **like_run)
        np.testing.assert_allclose(model.get_layer('mean_subtraction').mean, expected, rtol=1e-9)


def test_the_mean_of_a_run_is_that_of_the_part_of_the_image_that_a_view_shows(tmp_path):
    """`modern` sees the central 224 rows, at 160."""
    squares = ((np.arange(256) - 127.5) ** 2 / 64).astype(np.float32)
    mean_image = np.broadcast_to(squares[:, None, None], (256, 256, 3))
    np.save(tmp_path / 'mean_image.npy', mean_image)
    mean = network._find_mean(network._Source(tmp_path, tmp_path, None), recipes.MODERN)
    np.testing.assert_allclose(mean, squares[16:-16].mean(), rtol=0.01)
    described = types.SimpleNamespace(mean_image=mean_image)
    contents = types.SimpleNamespace(file=None, description=described)
    source = network._Source(tmp_path / '1.safetensors', None, contents)
    np.testing.assert_array_equal(network._find_mean(source, recipes.MODERN), mean)


def test_a_file_that_fits_several_networks_needs_the_recipe(tmp_path, monkeypatch):
    file = tmp_path / 'a.npz'
    np.savez(file, **{variable.path: variable for variable in build().trainable_variables})
    recognize = recognition.recognize
    monkeypatch.setattr(
        recognition,
        'recognize',
        lambda weights: dataclasses.replace(recognize(weights), recipes=('caffe', 'caffenet')),
    )
    with pytest.raises(errors.DataError, match='Give recipe=caffe or recipe=caffenet, whichever'):
        alexnet_tf.AlexNet(weights=file, width=0.05)


def test_a_file_cannot_ask_for_a_network_much_larger_than_itself(tmp_path):
    np.savez(tmp_path / 'a.npz', **{'fc8/kernel': np.ones((4, 5)), 'fc8/bias': np.ones(5)})
    with pytest.raises(errors.DataError, match='it has 25 numbers, far fewer than a layer'):
        alexnet_tf.AlexNet(weights=tmp_path / 'a.npz', classes=5)


def test_a_recipe_that_trains_at_another_size_takes_images_of_both():
    model = alexnet_tf.AlexNet(recipe='modern', width=0.1, classes=2)
    for size in (recipes.MODERN.crop_size, recipes.MODERN.training_crop_size):
        assert model(np.zeros((1, size, size, 3), np.float32)).shape == (1, 2)


def test_a_run_with_other_classes_is_refused(run, like_run):
    with pytest.raises(errors.DataError, match=r'fitting weights of fc8\. Give the same classes'):
        alexnet_tf.AlexNet(weights=run, **like_run | {'classes': 5})


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'activation': 'tanh'}, r'\(activation: relu then, tanh now\)\. Leave recipe and width'),
        ({'lrn_alpha': 0.5}, r'lrn_alpha: 2e-05 then, 0\.5 now'),
        # The outputs of fc6 and fc7 are multiplied by 1 - dropout.
        ({'dropout': 0.2}, r'dropout: 0\.5 then, 0\.2 now'),
    ],
)
def test_a_run_of_another_network_is_refused(run, like_run, changes, message):
    other = like_run['recipe'].replace(**changes)
    with pytest.raises(ValueError, match=message):
        alexnet_tf.AlexNet(weights=run, **like_run | {'recipe': other})


def test_a_run_of_another_width_is_refused(run, like_run):
    with pytest.raises(ValueError, match=r'width: 0\.021 then, 0\.05 now'):
        alexnet_tf.AlexNet(weights=run, **like_run | {'width': 0.05})


def test_hyperparameters_of_training_may_differ_from_those_of_a_run(run, like_run):
    other = like_run['recipe'].replace(momentum=0.5, initial_sd=0.3, epochs=1, crop_chunk=1)
    assert alexnet_tf.AlexNet(weights=run, **like_run | {'recipe': other})


def test_the_file_of_a_run_is_loaded_into_another_network(run, like_run):
    other = like_run['recipe'].replace(activation='tanh')
    (file,) = (run / 'checkpoints').glob('step-*/variables.npz')
    model = alexnet_tf.AlexNet(weights=file, **like_run | {'recipe': other})
    np.testing.assert_array_equal(model.get_layer('fc8').kernel, np.load(file)['fc8/kernel'])


def test_it_loads_the_files_that_the_command_line_reads(tmp_path):
    other = build(seed=3)
    arrays = {variable.path: variable.numpy() for variable in other.trainable_variables}
    np.savez(tmp_path / 'weights.npz', **arrays)
    model = build(weights=tmp_path / 'weights.npz')
    np.testing.assert_array_equal(model(IMAGES), other(IMAGES))
    with pytest.raises(errors.DataError, match=r'fitting weights of fc8\. Give the same classes'):
        build(weights=tmp_path / 'weights.npz', classes=6)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'recipe': 'vgg'}, "recipe='vgg': expected one of paper, source2012"),
        ({'precision': 'float64'}, 'precision=float64: expected one of'),
        ({'devices': ('/GPU:9',)}, '/GPU:9: no such device'),
        ({'width': 0.001}, 'leaves none of'),
        ({'width': -1, 'recipe': 'modern'}, 'width=-1: expected a number above 0'),
        ({'classes': None}, 'classes=None: expected an integer from 1'),
        ({'precision': tf.float64}, 'precision=.*float64.*: expected one of'),
        ({'weights': __file__}, r'weights=.*_test\.py: expected a run directory or a file that'),
    ],
)
def test_arguments_without_meaning_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        build(**options)


def test_a_missing_file_and_a_folder_without_a_run_are_named(tmp_path):
    with pytest.raises(errors.DataError, match=r'gone\.npz: no such file'):
        build(weights=tmp_path / 'gone.npz')
    with pytest.raises(errors.DataError, match=r'=imagenet: no such .* No weights come with'):
        build(weights='imagenet')
    with pytest.raises(errors.DataError, match='holds no trained network'):
        build(weights=tmp_path)


def test_every_recipe_has_a_name():
    assert alexnet_tf.recipes() == tuple(recipes.RECIPES)
    assert {'paper', 'source2012', 'caffe'} <= set(alexnet_tf.recipes())


def test_weights_of_another_program_need_the_recipe_of_their_network(tmp_path, monkeypatch):
    build().save_weights(tmp_path / 'a.weights.h5')
    file = (tmp_path / 'a.weights.h5').rename(tmp_path / 'a.h5')
    recognize = recognition.recognize
    monkeypatch.setattr(
        recognition,
        'recognize',
        lambda weights: dataclasses.replace(recognize(weights), recipes=('caffe', 'caffenet')),
    )
    with pytest.raises(ValueError, match='has the weights of recipe caffe or caffenet'):
        build(weights=file)


def test_a_saved_model_keeps_its_mean(run, like_run, tmp_path):
    model = alexnet_tf.AlexNet(weights=run, include_preprocessing=True, **like_run)
    model.save(tmp_path / 'model.keras')
    again = alexnet_tf.AlexNet(
        weights=tmp_path / 'model.keras', include_preprocessing=True, **like_run
    )
    expected = model.get_layer('mean_subtraction').mean
    np.testing.assert_allclose(again.get_layer('mean_subtraction').mean, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'conv6': True, 'global_pooling': True}, 'conv6 reads the maps of pool5'),
        ({'hidden_units': 4097}, 'hidden_units: 4097 units cannot be divided'),
        ({'training_crop_size': 128}, 'training_crop_size=128: only a network with'),
        ({'dropout': 1.0}, r'rate=1\.0'),
    ],
)
def test_hyperparameters_that_do_not_go_together_are_refused(changes, message):
    recipe = recipes.PAPER.replace(**changes)
    with pytest.raises(ValueError, match=message):
        alexnet_tf.AlexNet(recipe=recipe, classes=3, width=0.05)


def test_devices_are_a_list():
    with pytest.raises(ValueError, match="devices='/GPU:0': expected a list"):
        alexnet_tf.AlexNet(devices='/GPU:0')


def test_a_saved_model_is_not_loaded_into_a_network_of_another_order(tmp_path):
    names = {'recipe': 'caffe', 'classes': 3, 'width': 0.021}
    alexnet_tf.AlexNet(**names).save(tmp_path / 'model.keras')
    with pytest.raises(errors.DataError, match='after conv1 its network has'):
        alexnet_tf.AlexNet(weights=tmp_path / 'model.keras', **names | {'recipe': 'caffenet'})
    alexnet_tf.AlexNet(weights=tmp_path / 'model.keras', **names)
