"""AlexNet (Krizhevsky, Sutskever and Hinton, NIPS 2012) in Keras 3 on TensorFlow.

The names of `__all__` are the public API; everything else may change. Each is imported when it is
first used, so that `import alexnet_tf` itself imports neither TensorFlow nor Keras.

>>> import alexnet_tf
>>> alexnet_tf.recipes()[:4]
('paper', 'source2012', 'caffe', 'caffenet')
"""

import contextlib
import importlib
import importlib.metadata
import os
from typing import TYPE_CHECKING, Any

from alexnet_tf.api import registration as _registration
from alexnet_tf.config import environment as _environment

if TYPE_CHECKING:
    from alexnet_tf.api import errors as errors
    from alexnet_tf.api import layers as layers
    from alexnet_tf.api.callbacks import PlateauSchedule as PlateauSchedule
    from alexnet_tf.api.classifier import Classifier as Classifier
    from alexnet_tf.api.classifier import load_run as load_run
    from alexnet_tf.api.commands import load_weights as load_weights
    from alexnet_tf.api.commands import prepare as prepare
    from alexnet_tf.api.commands import train as train
    from alexnet_tf.api.datasets import dataset_from_records as dataset_from_records
    from alexnet_tf.api.datasets import (
        image_dataset_from_directory as image_dataset_from_directory,
    )
    from alexnet_tf.api.inference import Prediction as Prediction
    from alexnet_tf.api.network import AlexNet as AlexNet
    from alexnet_tf.api.network import recipes as recipes
    from alexnet_tf.api.preprocessing import decode_predictions as decode_predictions
    from alexnet_tf.api.preprocessing import preprocess_input as preprocess_input
    from alexnet_tf.config.fields import UsageError as UsageError
    from alexnet_tf.models.recipes import Recipe as Recipe
    from alexnet_tf.training.lars import LARS as LARS
    from alexnet_tf.training.optimizer import PaperSGD as PaperSGD
    from input_pipeline.errors import DataError as DataError

# Public name -> the module that it is in.
_HOMES = {
    'AlexNet': 'alexnet_tf.api.network',
    'Classifier': 'alexnet_tf.api.classifier',
    'DataError': 'input_pipeline.errors',
    'LARS': 'alexnet_tf.training.lars',
    'PaperSGD': 'alexnet_tf.training.optimizer',
    'PlateauSchedule': 'alexnet_tf.api.callbacks',
    'Prediction': 'alexnet_tf.api.inference',
    'Recipe': 'alexnet_tf.models.recipes',
    'UsageError': 'alexnet_tf.config.fields',
    'dataset_from_records': 'alexnet_tf.api.datasets',
    'decode_predictions': 'alexnet_tf.api.preprocessing',
    'errors': 'alexnet_tf.api.errors',
    'image_dataset_from_directory': 'alexnet_tf.api.datasets',
    'layers': 'alexnet_tf.api.layers',
    'load_run': 'alexnet_tf.api.classifier',
    'load_weights': 'alexnet_tf.api.commands',
    'prepare': 'alexnet_tf.api.commands',
    'preprocess_input': 'alexnet_tf.api.preprocessing',
    'recipes': 'alexnet_tf.api.network',
    'train': 'alexnet_tf.api.commands',
}
__all__ = sorted(_HOMES)  # pyright: ignore[reportUnsupportedDunderAll]

# TensorFlow reads this when it is imported. By default it uses oneDNN's convolutions only on
# processors with AVX-512 VNNI; with AVX2 alone they train these networks 1.3 to 2 times as fast.
os.environ.setdefault('TF_ENABLE_ONEDNN_OPTS', '1')
_registration.register_with_keras()


if not TYPE_CHECKING:  # a checker would take any name

    def __getattr__(name: str) -> Any:
        if name == '__version__':
            with contextlib.suppress(importlib.metadata.PackageNotFoundError):  # not installed
                return importlib.metadata.version('alexnet_tf')
        if name not in _HOMES:
            raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
        _environment.check_backend()
        module = importlib.import_module(_HOMES[name])
        is_module = module.__name__.endswith(f'.{name}')
        globals()[name] = module if is_module else getattr(module, name)
        return globals()[name]


def __dir__() -> list[str]:
    return list(__all__)
