"""What --minutes chooses for weights that are loaded."""

import json

import pytest

from alexnet_tf.commands.train import fine_tuning
from alexnet_tf.config import schema, serialization
from alexnet_tf.runs import build
from input_pipeline import errors


def choose(**settings):
    config = serialization.from_settings({'mode': 'train', 'minutes': 5} | settings)
    return serialization.to_settings(fine_tuning.choose_settings(config))


@pytest.fixture
def source(tmp_path):
    """The directory of a run; only its settings are read."""
    settings = {'recipe': 'modern', 'width': 0.25, 'crop_size': 96, 'training_crop_size': 64}
    directory = tmp_path / 'source'
    directory.mkdir()
    (directory / 'config.json').write_text(json.dumps(settings | {'removed_layer': 'conv4'}))
    return str(directory)


def test_the_network_is_that_of_the_run_and_the_budget_chooses_the_rest(source):
    chosen = choose(init_weights=source)
    names = ('recipe', 'width', 'crop_size', 'training_crop_size', 'removed_layer')
    network = {name: chosen[name] for name in chosen if name in names}
    assert network == {
        'recipe': 'modern',
        'width': 0.25,
        'crop_size': 96,
        'training_crop_size': 64,
        'removed_layer': 'conv4',
    }
    assert chosen['linear_head']
    assert (chosen['checkpoint'], chosen['stop_after_worse_epochs']) == ('best', 10)
    assert chosen['learning_rate'] is chosen['batch_size'] is chosen['max_steps'] is None


def test_each_layer_has_a_smaller_learning_rate_than_the_next_one(source):
    rates = dict(text.split('=') for text in choose(init_weights=source)['layer_rates'])
    assert list(rates) == ['fc8', 'fc7', 'fc6', 'conv5', 'conv3', 'conv2', 'conv1']
    values = [float(rate) for rate in rates.values()]
    values[0] *= 10  # from scratch, too, fc8 has a tenth
    assert values[0] == 0.4
    for lower, higher in zip(values[1:], values[:-1], strict=True):
        assert lower == pytest.approx(0.7 * higher, rel=0.06)  # two digits


def test_a_file_of_weights_is_trained_as_modern_with_the_network_of_its_recipe(tmp_path):
    (tmp_path / 'weights.npy').touch()
    chosen = choose(init_weights=str(tmp_path / 'weights.npy'), recipe='caffe')
    assert (chosen['recipe'], chosen['width'], chosen['crop_size']) == ('caffe', 1.0, 227)
    assert (chosen['schedule'], chosen['batch_size']) == ('cosine', 64)
    assert chosen['learning_rate'] is None
    assert chosen['init_missing'] == 'fresh'


def test_settings_that_are_given_stay(source):
    settings = {'layer_rates': ('conv1=0',), 'learning_rate': 0.003, 'stop_after_worse_epochs': 3}
    chosen = choose(init_weights=source, **settings)
    assert {name: chosen[name] for name in settings} == settings


def test_a_run_that_exists_keeps_its_settings_even_without_the_weights(source, tmp_path):
    first = choose(init_weights=source, layer_rates=('conv1=0',))
    run_dir = tmp_path / 'run'
    run_dir.mkdir()
    (run_dir / 'config.json').write_text(json.dumps(first))
    (run_dir / 'data.json').write_text('{"manifest_sha256": "", "classes": []}')
    chosen = choose(init_weights=str(tmp_path / 'gone'), run_dir=str(run_dir))
    names = ('width', 'crop_size', 'layer_rates', 'linear_head', 'checkpoint')
    assert {name: chosen[name] for name in names} == {name: first[name] for name in names}


def test_weights_that_do_not_exist_are_refused_before_minutes_are_spent(tmp_path):
    with pytest.raises(errors.DataError, match=r'--init_weights=.*gone: no such file or run'):
        choose(init_weights=str(tmp_path / 'gone'))


@pytest.mark.parametrize('settings', [{'minutes': 5.0}, {'init_weights': 'weights.npy'}])
def test_nothing_is_chosen_without_both_weights_and_minutes(settings):
    config = serialization.from_settings({'mode': 'train'} | settings)
    assert fine_tuning.choose_settings(config) is config
    assert config != schema.Config()


@pytest.mark.parametrize('recipe', ['cifar13', 'cifar11', 'figure1'])
def test_a_small_network_is_fine_tuned_as_it_is(tmp_path, recipe):
    (tmp_path / 'config.json').write_text(json.dumps({'recipe': recipe, 'crop_size': 28}))
    settings = {'mode': 'train', 'minutes': 5, 'init_weights': str(tmp_path)}
    chosen = fine_tuning.choose_settings(serialization.from_settings(settings))
    assert build.resolve_recipe(chosen).crop_size == 28


def test_the_part_of_an_image_that_the_network_sees_stays(tmp_path):
    settings = {'recipe': 'batch_norm', 'crop_size': 67, 'view_size': 224}
    (tmp_path / 'config.json').write_text(json.dumps(settings | {'input_mean': [1.0, 2.0, 3.0]}))
    chosen = choose(init_weights=str(tmp_path))
    assert (chosen['view_size'], chosen['input_mean']) == (224, (1.0, 2.0, 3.0))
