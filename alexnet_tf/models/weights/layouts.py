"""How programs lay out AlexNet's weights: data without code.

Axes are H (rows), W (columns), I (inputs) and O (outputs). A layer's key is a regular expression
for the file's name of the layer.
"""

import dataclasses
from collections.abc import Mapping

from alexnet_tf.models.weights import (
    caffemodel,
    keras_files,
    matconvnet,
    numpy_files,
    onnx_files,
    pytorch,
    safetensors_files,
)

_NUMPY = numpy_files.FORMAT
_TORCH = (pytorch.ZIP_FORMAT, pytorch.LEGACY_FORMAT, safetensors_files.FORMAT)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layout:
    """How a program lays out the weights of the eight layers, both columns in one array.

    Attributes:
        name: Its name in messages.
        keys: The file's names of the layers, by the paper's.
        formats: The formats that it occurs in.
        convolution: The axes of a convolution's kernel, 'HWIO' or 'OIHW'.
        dense: The axes of a fully-connected layer's kernel, 'IO' or 'OI'.
        flatten: The order in which fc6 reads the last feature maps: 'HWC', position by position, or
            'CHW', map by map.
        colours: The channels that conv1 reads, 'RGB' or 'BGR'.
        warps: Whether its programs resize whole images to squares, whatever their shape, instead of
            cropping them.
    """

    name: str
    keys: Mapping[str, str]
    formats: tuple[str, ...]
    convolution: str
    dense: str
    flatten: str
    colours: str
    warps: bool = False


_PAPER_KEYS = {
    **{name: name for name in ('conv1', 'conv2', 'conv3', 'conv4', 'conv5', 'conv6', 'fc6', 'fc7')},
    'fc8': r'fc8|fc8_\w+|fc-rcnn',  # of other data sets: fc8_flickr; R-CNN's
}
TORCHVISION_KEYS = {
    **{'conv1': 'features.0', 'conv2': 'features.3', 'conv3': 'features.6'},
    **{'conv4': 'features.8', 'conv5': 'features.10'},
    **{'fc6': 'classifier.1', 'fc7': 'classifier.4', 'fc8': 'classifier.6'},
}
_TF2CV = {
    **{'conv1': 'stage1/unit1', 'conv2': 'stage2/unit1', 'conv3': 'stage3/unit1'},
    **{'conv4': 'stage3/unit2', 'conv5': 'stage3/unit3'},
    **{'fc6': 'output1/fc1', 'fc7': 'output1/fc2', 'fc8': 'output1/fc3'},
}

CAFFE = Layout(
    name='Caffe',
    keys=_PAPER_KEYS,
    formats=(caffemodel.FORMAT, onnx_files.FORMAT, _NUMPY),
    convolution='OIHW',
    dense='OI',
    flatten='CHW',
    colours='BGR',
    warps=True,
)
CAFFE_CONVERTED = dataclasses.replace(
    CAFFE,
    name="Caffe's converters",
    formats=(_NUMPY,),
    convolution='HWIO',
    dense='IO',
    flatten='HWC',
)
MATCONVNET = dataclasses.replace(
    CAFFE_CONVERTED, name='MatConvNet', formats=(matconvnet.FORMAT,), colours='RGB'
)
TORCHVISION = Layout(
    name='torchvision',
    # DataParallel puts 'module.' before what it wraps: the network, or its features.
    keys={
        layer: r'(module\.|model\.)*' + key.replace('.', r'\.(module\.)?')
        for layer, key in TORCHVISION_KEYS.items()
    },
    formats=(*_TORCH, onnx_files.FORMAT, _NUMPY),
    convolution='OIHW',
    dense='OI',
    flatten='CHW',
    colours='RGB',
)
TF2CV = Layout(
    name='tf2cv',
    keys={layer: f'(.*/)?{key}(/.*)?' for layer, key in _TF2CV.items()},
    formats=(keras_files.FORMAT,),
    convolution='HWIO',
    dense='IO',
    flatten='CHW',  # tf2cv transposes before it flattens
    colours='RGB',
)
LAYOUTS = (CAFFE, CAFFE_CONVERTED, MATCONVNET, TORCHVISION, TF2CV)

_CAFFES = (CAFFE, CAFFE_CONVERTED, MATCONVNET)
# The layouts of the public weights of each recipe's network.
OF_RECIPES = {
    'caffe': _CAFFES,
    'caffenet': _CAFFES,
    'torchvision': (TORCHVISION, TF2CV),  # tf2cv calls it alexnetb
    'tf2cv': (TF2CV,),
}
