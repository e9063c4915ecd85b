"""Preprocessing of images and decoding of outputs: `preprocess_input`, `decode_predictions`."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from alexnet_tf.api import settings
from alexnet_tf.models.layers import mean_subtraction
from alexnet_tf.runs import class_names as class_names_lib


def preprocess_input(x: Any) -> Any:
    """Subtracts ImageNet's mean colour from RGB images, as the network expects.

    The mean is (123, 117, 104), the one of ILSVRC-2012's training images that Caffe's networks
    subtract. Values are not scaled, and channels stay RGB. Do not use it with a model that was
    built with `include_preprocessing=True`, nor with the weights of your own runs: those were
    trained with the mean of their own training images, which `load_run` subtracts.

    Args:
        x: Images, (height, width, 3) or (batch, height, width, 3), RGB from 0 to 255, any dtype: an
            array, a tensor, or a symbolic tensor of Keras.

    Returns:
        The images minus the mean, float32, in a new array or tensor.

    Raises:
        ValueError: The images have none of these shapes.

    Example:
    >>> preprocess_input(np.full((1, 1, 3), 255, np.uint8))
    array([[[132., 138., 151.]]], dtype=float32)
    """
    is_tensor = keras.ops.is_tensor(x) or isinstance(x, keras.KerasTensor)
    x = keras.ops.cast(x, 'float32') if is_tensor else np.asarray(x, np.float32)
    if len(x.shape) not in (3, 4) or x.shape[-1] != 3:
        raise ValueError(
            f'images of shape {tuple(x.shape)}: expected (height, width, 3) or (batch, height, '
            'width, 3), channels last.'
        )
    return x - np.asarray(mean_subtraction.IMAGENET_MEAN, np.float32)


def decode_predictions(
    preds: Any, top: int = 5, class_names: Sequence[str] | None = None
) -> list[list[tuple[str | int, str, float]]]:
    """Finds the classes with the highest scores in the outputs of a network.

    Args:
        preds: Scores, such as probabilities, (batch, classes): an array or a tensor.
        top: The number of classes for each image.
        class_names: The names of the classes in label order. None for the 1000 of ILSVRC-2012, in
            the order of their WordNet ids (WNIDs), the labels of `keras.applications`, torchvision
            and Caffe.

    Returns:
        For each image a list of `top` tuples, the highest score first: (WNID, words, score) of
        ImageNet's classes, or (label, name, score) with `class_names`.

    Raises:
        ValueError: The scores have another shape than (batch, number of class names), or `top` is
            no integer from 1.

    Example:
    >>> decode_predictions(np.array([[0.1, 0.7, 0.2]]), top=2, class_names=['cat', 'dog', 'eel'])
    [[(1, 'dog', 0.7), (2, 'eel', 0.2)]]
    >>> decode_predictions(np.eye(1000)[:1], top=1)
    [[('n01440764', 'tench, Tinca tinca', 1.0)]]
    """
    top = settings.check_count('top', top)
    if class_names is None:
        classes = tuple(zip(*class_names_lib.load_imagenet(), strict=True))
    else:
        classes = tuple(enumerate(class_names))
    scores = np.asarray(preds)
    if scores.dtype == object:
        raise ValueError(
            f'preds: a {type(preds).__name__} of objects; expected an array (batch, classes). What '
            'Classifier.predict returns is decoded already: see its `top`.'
        )
    if scores.ndim != 2 or scores.shape[1] != len(classes):
        advice = ' Give the class_names of the network.' if class_names is None else ''
        raise ValueError(
            f'predictions of shape {scores.shape}: expected (batch, {len(classes)}).{advice}'
        )
    best = np.argsort(-scores.astype(np.float64), axis=1, kind='stable')[:, :top]
    return [
        [(*classes[label], row[label].item()) for label in labels]
        for labels, row in zip(best, scores, strict=True)
    ]
