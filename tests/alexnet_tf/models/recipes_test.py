"""The recipes against the paper, its 2012 source and Caffe."""

import pytest

from alexnet_tf.models import recipes

# By the paper (sections 3.3 to 5), the source's network #145, the models of Caffe, layer-params of
# cuda-convnet2's network of 2014, torchvision's reference scripts and the LARS paper.
VALUES = {
    'paper': {'lrn_k': 2, 'lrn_n': 5, 'lrn_alpha': 1e-4, 'lrn_beta': 0.75, 'momentum': 0.9},
    'source2012': {'lrn_alpha': 2e-5, 'same_map_alpha': 4e-5, 'epochs': 93, 'crop_chunk': 32},
    'caffe': {'lrn_k': 1, 'initial_bias': 0.1, 'crop_size': 227, 'batch_size': 256},
    'caffenet': {'lrn_k': 1, 'initial_bias': 1, 'initial_sd_hidden': 0.005, 'crop_size': 227},
    'one_weird_trick': {
        **{'learning_rate': 0.01, 'bias_rate_multiplier': 2, 'batch_size': 128, 'epochs': 90},
        **{'momentum': 0.9, 'weight_decay': 0.0005, 'colour_shift_sd': 0.1, 'crop_size': 224},
    },
    'torchvision': {
        **{'learning_rate': 0.01, 'weight_decay': 0.0001, 'epochs': 90, 'crop_size': 224},
        **{'batch_size': 256, 'momentum': 0.9, 'min_crop_area': 0.08},
    },
    # Of cuda-convnet's layer definitions and its notes on the schedules.
    'cifar13': {
        **{'learning_rate': 0.001, 'bias_rate_multiplier': 2, 'momentum': 0.9, 'epochs': 160},
        **{'weight_decay': 0.004, 'batch_size': 128, 'crop_size': 24},
    },
    'cifar11': {'learning_rate': 0.001, 'lrn_n': 9, 'lrn_alpha': 0.001 / 9, 'lrn_beta': 0.75},
    'batch_norm': {'learning_rate': 0.02, 'batch_size': 512, 'epochs': 100, 'momentum': 0.9},
}


@pytest.mark.parametrize('name', VALUES)
def test_recipes_have_the_published_hyperparameters(name):
    recipe = recipes.RECIPES[name]
    actual = {field: getattr(recipe, field) for field in VALUES[name]}
    assert actual == pytest.approx(VALUES[name])
    assert recipe.name == name


def test_replace_changes_some_fields_of_a_copy():
    recipe = recipes.SOURCE2012.replace(epochs=3)
    assert (recipe.epochs, recipe.batch_size, recipe.crop_chunk) == (3, 128, 32)
    assert recipes.SOURCE2012.epochs == 93


def test_unknown_recipes_fields_and_orders_are_refused():
    with pytest.raises(ValueError, match="recipe='2012': expected one of paper, source2012"):
        recipes.Recipe.from_name('2012')
    with pytest.raises(TypeError, match=r'alpha: .* Did you mean lrn_alpha'):
        recipes.PAPER.replace(alpha=1)
    with pytest.raises(ValueError, match='conv2_order=pool: expected relu, norm and pool, as relu'):
        recipes.PAPER.replace(conv2_order='pool')
    for name, value in (('columns', 3), ('removed_layer', 'conv2'), ('pool_rounding', 'round')):
        with pytest.raises(ValueError, match=f'{name}={value!r}: expected one of '):
            recipes.PAPER.replace(**{name: value})


def test_weight_decay_multiples_are_the_small_networks_layers():
    assert recipes.PAPER.layer_decays() == {}
    decays = {'conv1': 0, 'conv2': 0, 'local3': 1, 'local4': 1, 'fc5': 2.5}
    assert recipes.CIFAR11.layer_decays() == decays
