"""Lets Keras load saved models of this package before their classes are imported.

Keras looks up a saved class in a dictionary, to which each class is added when its module is
imported. `import alexnet_tf` imports no such module; instead it adds stand-ins as soon as Keras is
imported.
"""

import importlib
import sys

from alexnet_tf.config import environment

PACKAGE = 'alexnet_tf'  # as the classes are registered
# Module -> its classes that saved models may hold.
CLASSES = {
    'alexnet_tf.models.layers.batch_normalization': ('BatchNormalization',),
    'alexnet_tf.models.layers.dropout': ('Dropout',),
    'alexnet_tf.models.layers.locally_connected': ('LocallyConnected2D',),
    'alexnet_tf.models.layers.lrn': ('LocalResponseNormalization', 'SameMapNormalization'),
    'alexnet_tf.models.layers.mean_subtraction': ('MeanImageSubtraction', 'MeanSubtraction'),
    'alexnet_tf.models.layers.on_device': (
        *('Activation', 'AveragePooling2D', 'ChannelSlice', 'Concatenate', 'Conv2D', 'Dense'),
        *('Flatten', 'GlobalAveragePooling2D', 'MaxPooling2D', 'ReLU', 'Rescaling'),
        'ZeroPadding2D',
    ),
    'alexnet_tf.training.lars': ('LARS',),
    'alexnet_tf.training.optimizer': ('PaperSGD',),
}


def register_with_keras() -> None:
    """Registers the stand-ins: now if Keras is imported, else after its import."""
    if 'keras' in sys.modules:
        _register()
    elif not any(isinstance(finder, _KerasFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _KerasFinder())


def _register() -> None:
    registered = sys.modules['keras'].saving.get_custom_objects()
    for module, names in CLASSES.items():
        for name in names:
            registered.setdefault(f'{PACKAGE}>{name}', _StandIn(module, name))


class _StandIn:
    """Stands for a class in Keras' dictionary until a saved model needs it."""

    def __init__(self, module: str, name: str):
        self._module, self._name = module, name

    def from_config(self, config):
        environment.check_backend()
        return getattr(importlib.import_module(self._module), self._name).from_config(config)


class _KerasFinder:
    """Finds Keras as all other finders do, and calls `_register` after its import."""

    def find_spec(self, name, path=None, target=None):
        if name != 'keras':
            return None
        finders = [finder for finder in sys.meta_path if finder is not self]
        specs = (finder.find_spec(name, path, target) for finder in finders)
        spec = next((spec for spec in specs if spec), None)
        if spec and spec.loader:
            _call_after_import(spec.loader, _register)
        return spec


def _call_after_import(loader, function) -> None:
    execute = loader.exec_module

    def execute_and_call(module):
        execute(module)
        function()

    loader.exec_module = execute_and_call
