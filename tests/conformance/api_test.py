"""`AlexNet` with every recipe and every variant of the network behaves as any Keras model."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

import alexnet_tf

CROP, CLASSES = 67, 7
IMAGES = np.random.default_rng(0).normal(0, 60, (3, CROP, CROP, 3)).astype(np.float32)
LABELS = np.arange(3)
VARIANTS = {
    **{name: {} for name in alexnet_tf.recipes()},
    'one column': {'columns': 1},
    'conv6': {'conv6': True},
    'without conv3': {'removed_layer': 'conv3'},
    'without conv4': {'removed_layer': 'conv4'},
    'without conv5': {'removed_layer': 'conv5'},
    'tanh': {'activation': 'tanh'},
    'pooling without overlap': {'pool_size': 2},
    'without normalisation': {'normalization': False},
    'normalisation across columns': {'lrn_across_columns': True},
}


def _parametrize(fast):
    """Tests all variants, those that are not among the fast ones with --slow."""
    marks = {name: [] if name in fast else [pytest.mark.slow] for name in VARIANTS}
    names = [pytest.param(name, marks=marks[name]) for name in VARIANTS]
    return pytest.mark.parametrize('name', names)


every_variant = _parametrize(VARIANTS)
# Those whose layers are joined in different ways, or of kinds that no other one has.
different_variants = _parametrize(
    (
        *('source2012', 'caffe', 'torchvision', 'tf2cv', 'modern', 'cifar11', 'figure1'),
        *('conv6', 'without conv5'),
    )
)
# Between them they hold every kind of layer but LRN, which layers_test saves and differentiates.
some_variants = _parametrize(('modern', 'cifar11'))


def create_recipe(name):
    recipe = alexnet_tf.Recipe.from_name(name if name in alexnet_tf.recipes() else 'source2012')
    if recipe.layers:
        return recipe
    return recipe.replace(crop_size=CROP, initial_sd=0.05, initial_sd_hidden=0.05, **VARIANTS[name])


def build(name, **options):
    return alexnet_tf.AlexNet(recipe=create_recipe(name), classes=CLASSES, width=0.06, **options)


@functools.cache
def build_once(name):
    """Builds a network that no test changes."""
    return build(name)


def get_images(name):
    size = create_recipe(name).crop_size
    return IMAGES[:, :size, :size]


def compute_outputs(model, images):
    """Returns the logits and the outputs of a network."""
    return keras.Model(model.input, [model.get_layer('logits').output, model.output])(images)


@functools.cache
def compute_outputs_once(name):
    return compute_outputs(build_once(name), get_images(name))


@every_variant
def test_outputs_are_probabilities(name):
    model = build_once(name)
    _, outputs = compute_outputs_once(name)
    assert outputs.shape == (3, CLASSES)
    assert outputs.dtype == tf.float32
    np.testing.assert_allclose(np.sum(outputs, axis=1), np.ones(3), rtol=1e-5)
    assert [layer.name for layer in model.layers[-2:]] == ['logits', 'predictions']


@some_variants
def test_a_clone_has_the_same_layers_and_with_the_same_weights_the_same_outputs(name):
    model = build_once(name)
    clone = keras.models.clone_model(model)
    assert [layer.name for layer in clone.layers] == [layer.name for layer in model.layers]
    clone.set_weights(model.get_weights())
    np.testing.assert_array_equal(clone(get_images(name)), model(get_images(name)))


@different_variants
def test_without_its_top_it_ends_at_the_last_feature_maps(name):
    model, features = build_once(name), build(name, include_top=False)
    maps = features(get_images(name))
    assert maps.shape.rank == 4
    flat = model.get_layer('flat_a' if create_recipe(name).layers else 'pool5_flat_a')
    columns = create_recipe(name).columns
    assert maps.shape[1:] == (*flat.input.shape[1:3], columns * flat.input.shape[3])
    parts = keras.Model(model.input, flat.input)(get_images(name))
    np.testing.assert_array_equal(maps[..., : parts.shape[-1]], parts)


@some_variants
def test_the_output_of_any_layer_is_a_model(name):
    model = build_once(name)
    probe = keras.Model(model.input, [layer.output for layer in model.layers])
    outputs = probe(get_images(name))
    np.testing.assert_array_equal(outputs[-1], model(get_images(name)))


@some_variants
def test_fit_evaluate_and_predict_agree(name):
    model = build(name)
    sgd = keras.optimizers.SGD(1e-4, momentum=0.9)
    model.compile(sgd, 'sparse_categorical_crossentropy', metrics=['accuracy'])
    images = get_images(name)
    history = model.fit(images, LABELS, batch_size=3, epochs=3, verbose=0).history
    assert np.isfinite(history['loss']).all()
    loss, accuracy = model.evaluate(images, LABELS, verbose=0)
    probabilities = model.predict(images, verbose=0)
    np.testing.assert_allclose(loss, -np.log(probabilities[LABELS, LABELS]).mean(), rtol=1e-4)
    assert accuracy == pytest.approx((probabilities.argmax(axis=1) == LABELS).mean())


@some_variants
def test_a_graph_need_not_know_the_size_of_images(name):
    model, batch = build(name), (get_images(name), LABELS)
    signature = (tf.TensorSpec((None, None, None, 3)), tf.TensorSpec((None,), tf.int64))
    batches = tf.data.Dataset.from_generator(lambda: [batch], output_signature=signature)
    model.compile(loss='sparse_categorical_crossentropy')
    loss = model.evaluate(batches.apply(tf.data.experimental.assert_cardinality(1)), verbose=0)
    probabilities = model(batch[0]).numpy()[LABELS, LABELS]
    np.testing.assert_allclose(loss, -np.log(probabilities).mean(), rtol=1e-4)


@some_variants
def test_a_keras_file_round_trip_keeps_the_outputs(name, tmp_path):
    model = build(name, include_preprocessing=True)
    model.save(tmp_path / 'model.keras')
    again = keras.models.load_model(tmp_path / 'model.keras')
    np.testing.assert_array_equal(again(get_images(name)), model(get_images(name)))


@some_variants
def test_an_export_keeps_the_outputs(name, tmp_path):
    model = build_once(name)
    model.export(tmp_path / 'export', verbose=False)
    loaded = tf.saved_model.load(str(tmp_path / 'export'))
    images = get_images(name)
    np.testing.assert_allclose(loaded.serve(images), model(images), rtol=1e-4, atol=1e-6)


@different_variants
def test_mixed_precision_keeps_weights_and_logits_exact(name):
    half, exact = build(name, precision='bfloat16'), build_once(name)
    half.set_weights(exact.get_weights())
    assert {variable.dtype for variable in half.trainable_variables} == {'float32'}
    assert half.get_layer('conv2_a').compute_dtype == 'bfloat16'
    (logits, outputs), (expected, _) = (
        compute_outputs(half, get_images(name)),
        compute_outputs_once(name),
    )
    assert logits.dtype == outputs.dtype == tf.float32
    np.testing.assert_allclose(logits, expected, atol=0.05 * np.abs(expected).max())
