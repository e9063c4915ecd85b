"""What `import alexnet_tf` hands out: this list, lazily, and nothing else."""

import ast
import configparser
import inspect
import pathlib
import subprocess
import sys

import keras
import pytest

import alexnet_tf

NAMES = [
    'AlexNet',
    'Classifier',
    'DataError',
    'LARS',
    'PaperSGD',
    'PlateauSchedule',
    'Prediction',
    'Recipe',
    'UsageError',
    'dataset_from_records',
    'decode_predictions',
    'errors',
    'image_dataset_from_directory',
    'layers',
    'load_run',
    'load_weights',
    'prepare',
    'preprocess_input',
    'recipes',
    'train',
]
LAYERS = [
    'Dropout',
    'LocalResponseNormalization',
    'LocallyConnected2D',
    'MeanSubtraction',
    'SameMapNormalization',
]


def run_program(program):
    return subprocess.run(
        [sys.executable, '-c', program], capture_output=True, text=True, check=True
    ).stdout.split()


def test_these_names_are_public():
    assert alexnet_tf.__all__ == NAMES
    assert set(NAMES) <= set(dir(alexnet_tf))


def test_the_version_is_that_of_setup_cfg_and_of_the_citation():
    root, setup = pathlib.Path(__file__).parents[2], configparser.ConfigParser()
    setup.read(root / 'setup.cfg')
    version = setup['metadata']['version']
    assert alexnet_tf.__version__ == version, 'install it again: pip install -e .'
    assert f'\nversion: {version}\n' in (root / 'CITATION.cff').read_text()


@pytest.mark.parametrize('name', NAMES)
def test_every_name_resolves_and_is_documented(name):
    value = getattr(alexnet_tf, name)
    assert len(value.__doc__.split()) > 4
    is_exception = isinstance(value, type) and issubclass(value, Exception)
    assert '>>>' in value.__doc__ or is_exception or inspect.ismodule(value)
    assert value is getattr(alexnet_tf, name)


def test_the_layers_are_these():
    assert sorted(alexnet_tf.layers.__all__) == LAYERS
    layers = [getattr(alexnet_tf.layers, name) for name in LAYERS]
    assert all(issubclass(layer, keras.layers.Layer) and '>>>' in layer.__doc__ for layer in layers)


def test_another_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'alexnet_tf' has no attribute 'AlexNett'"):
        alexnet_tf.AlexNett  # noqa: B018


def test_type_checkers_know_the_same_names_in_the_same_modules():
    tree = ast.parse(pathlib.Path(alexnet_tf.__file__).read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    imports = {
        alias.asname: f'{node.module}.{alias.name}' for node in block.body for alias in node.names
    }
    homes = {
        name: home if home.endswith(f'.{name}') else f'{home}.{name}'
        for name, home in alexnet_tf._HOMES.items()
    }
    assert imports == homes


def test_the_import_itself_imports_no_tensorflow_no_keras_and_no_numpy():
    program = 'import alexnet_tf, sys; print(*sorted({name.split(".")[0] for name in sys.modules}))'
    imported = set(run_program(program))
    assert 'alexnet_tf' in imported
    assert imported.isdisjoint({'tensorflow', 'keras', 'numpy', 'absl', 'PIL', 'matplotlib'})


def test_names_and_errors_come_without_tensorflow():
    program = (
        'import alexnet_tf, sys; alexnet_tf.DataError, alexnet_tf.UsageError, alexnet_tf.Recipe; '
        'print(alexnet_tf.Recipe.from_name("paper").replace(lrn_n=3).lrn_n, '
        '"AlexNet" in dir(alexnet_tf), "tensorflow" in sys.modules)'
    )
    assert run_program(program) == ['3', 'True', 'False']


def test_the_package_says_that_it_is_typed():
    assert (pathlib.Path(alexnet_tf.__file__).parent / 'py.typed').exists()
