"""Which AlexNet a file is, by its names, shapes and list of layers."""

import pathlib

import numpy as np
import pytest

from alexnet_tf.models.weights import readers, recognition, weight_file
from input_pipeline import errors

PAPER, ONE_COLUMN = (96, 256, 384, 384, 256), (64, 192, 384, 256, 256)
CAFFE = ['conv1', 'conv2', 'conv3', 'conv4', 'conv5']
TORCHVISION = [f'features.{i}' for i in (0, 3, 6, 8, 10)]
TF2CV = ['stage1/unit1', 'stage2/unit1', *(f'stage3/unit{i}' for i in (1, 2, 3))]


def make_arrays(names, filters, *, groups=1, axes='OIHW', suffixes=('/0', '/1')):
    """Makes arrays of five convolutions without a byte of memory each."""
    inputs = (3, *filters)
    arrays = {}
    for index, (name, size) in enumerate(zip(names, filters, strict=True)):
        inside = inputs[index] // (groups if index in (1, 3, 4) else 1)
        sizes = {'O': size, 'I': inside, 'H': 3, 'W': 3}
        shape = tuple(sizes[axis] for axis in axes)
        arrays[name + suffixes[0]] = np.broadcast_to(np.float32(0), shape)
        arrays[name + suffixes[1]] = np.zeros(size, np.float32)
    return arrays


def recognise(form, arrays, kinds=()):
    layers = [weight_file.Layer(kind, kind) for kind in kinds]
    file = weight_file.WeightFile(pathlib.Path('file'), form, arrays, layers)
    return recognition.recognize(file)


LRN_FIRST = ('convolution', 'relu', 'normalization', 'max_pool', 'convolution')
POOL_FIRST = ('convolution', 'relu', 'max_pool', 'normalization', 'convolution')
TORCH, KERAS = ('.weight', '.bias'), ('/conv/kernel:0', '/conv/bias:0')
KNOWN = {
    'bvlc_alexnet.npy': (
        ('NumPy', make_arrays(CAFFE, PAPER, groups=2, axes='HWIO')),
        ('caffe', 'caffenet'),
    ),
    'bvlc_alexnet.caffemodel': (
        ('Caffe', make_arrays(CAFFE, PAPER, groups=2), LRN_FIRST),
        ('caffe',),
    ),
    'bvlc_reference_caffenet.caffemodel': (
        ('Caffe', make_arrays(CAFFE, PAPER, groups=2), POOL_FIRST),
        ('caffenet',),
    ),
    'imagenet-caffe-alex.mat': (
        ('MatConvNet', make_arrays(CAFFE, PAPER, groups=2, axes='HWIO'), LRN_FIRST),
        ('caffe',),
    ),
    'bvlcalexnet-12.onnx': (
        ('ONNX', make_arrays(CAFFE, PAPER, groups=2, suffixes=('_w_0', '_b_0')), LRN_FIRST),
        ('caffe',),
    ),
    'alexnet-owt-7be5be79.pth': (
        ('PyTorch (zip)', make_arrays(TORCHVISION, ONE_COLUMN, suffixes=TORCH)),
        ('torchvision',),
    ),
    'alexnet_places365.pth.tar': (
        (
            'PyTorch (before 1.6)',
            make_arrays([f'module.{name}' for name in TORCHVISION], ONE_COLUMN, suffixes=TORCH),
        ),
        ('torchvision',),
    ),
    'model.safetensors': (
        ('safetensors', make_arrays(TORCHVISION, ONE_COLUMN, suffixes=TORCH)),
        ('torchvision',),
    ),
    'tf2cv alexnet': (
        ('Keras', make_arrays(TF2CV, PAPER, axes='HWIO', suffixes=KERAS)),
        ('tf2cv',),
    ),
    'tf2cv alexnetb': (
        ('Keras', make_arrays(TF2CV, ONE_COLUMN, axes='HWIO', suffixes=KERAS)),
        ('torchvision',),
    ),
    'torchvision, a quarter as wide': (
        ('safetensors', make_arrays(TORCHVISION, [n // 4 for n in ONE_COLUMN], suffixes=TORCH)),
        ('torchvision',),
    ),
    'the paper without columns': (('NumPy', make_arrays(CAFFE, PAPER)), ()),
    'other filters': (
        ('safetensors', make_arrays(TORCHVISION, (64, 128, 256, 256, 256), suffixes=TORCH)),
        (),
    ),
}


@pytest.mark.parametrize('name', KNOWN)
def test_known_files_are_recognised(name):
    arguments, recipes = KNOWN[name]
    recognised = recognise(*arguments)
    assert recognised.recipes == recipes
    assert sorted(recognised.arrays) == CAFFE
    assert recognised.reasons


def test_the_list_of_layers_of_a_caffemodel_tells_the_order(tmp_path, encode):
    random = np.random.default_rng(0)
    shapes = {name: (size // 16, 3, 3, 3) for name, size in zip(CAFFE, PAPER, strict=True)}
    weights = {
        name: (random.normal(size=s), random.normal(size=s[0])) for name, s in shapes.items()
    }
    start = [('data', 'Data'), ('conv1', 'Convolution'), ('relu1', 'ReLU')]
    norm, pool = ('norm1', 'LRN'), ('pool1', 'Pooling')
    rest = [(name, 'Convolution') for name in CAFFE[1:]]
    for middle, recipe in (([norm, pool], 'caffe'), ([pool, norm], 'caffenet')):
        path = tmp_path / f'{recipe}.caffemodel'
        path.write_bytes(encode.caffemodel(weights, [*start, *middle, *rest]))
        file = readers.read(path)
        assert [layer.name for layer in file.layers][3:5] == [name for name, _ in middle]
        assert recognition.recognize(file).recipes == (recipe,)


def test_names_of_this_package_are_its_own_layout():
    arrays = {'conv1_a/kernel': np.zeros((11, 11, 3, 48)), 'conv1_a/bias': np.zeros(48)}
    arrays |= {'layers/conv1_batch_norm_a/gamma': np.zeros(48), 'conv1_a_kernel_velocity': 0}
    recognised = recognise('NumPy', arrays)
    assert recognised.layout is None
    assert recognised.arrays == {
        'conv1_a': {'kernel': 'conv1_a/kernel', 'bias': 'conv1_a/bias'},
        'conv1_batch_norm_a': {'gamma': 'layers/conv1_batch_norm_a/gamma'},
    }


def test_doubled_layers_are_refused():
    arrays = make_arrays(TORCHVISION, ONE_COLUMN, suffixes=TORCH)
    doubled = arrays | {f'module.{name}': array for name, array in arrays.items()}
    message = 'file: features.0.weight and module.features.0.weight are both the kernel of conv1'
    with pytest.raises(errors.DataError, match=message):
        recognise('safetensors', doubled)


def test_a_file_without_known_layers_names_what_it_has():
    with pytest.raises(errors.DataError, match=r'first arrays are layer1\.weight, layer1\.bias'):
        recognise('safetensors', {'layer1.weight': np.ones(3), 'layer1.bias': np.ones(3)})


@pytest.mark.parametrize(
    ('layer', 'kernel', 'message'),
    [
        ('conv1', np.array([['a']]), 'expected numbers'),
        ('conv1', np.ones((3, 6)), 'expected 4 dimensions'),
        ('conv2', np.float32(1), 'no layer of AlexNet has'),
        ('fc6', np.float32(1), 'no layer of AlexNet has'),
        ('fc7', np.ones((2, 3, 4)), 'no layer of AlexNet has'),
        ('conv3', np.ones((7, 3, 3, 5)), 'do not fit each other'),
    ],
)
def test_arrays_that_are_no_kernels_are_refused_by_name(layer, kernel, message):
    arrays = {'fc8/kernel': np.ones((5, 6)), 'fc8/bias': np.ones(6)}
    arrays |= {f'{layer}/kernel': np.asarray(kernel), f'{layer}/bias': np.ones(6)}
    with pytest.raises(errors.DataError, match=f'{layer}.*{message}'):
        recognise('NumPy', arrays)


def test_layers_of_several_programs_that_fit_none_are_named():
    arrays = {
        'conv1_w': np.zeros((5, 3, 11, 11), np.float32),
        'conv1_b': np.zeros(6, np.float32),
        'features.3.weight': np.zeros((5, 3, 5, 5), np.float32),
        'features.3.bias': np.zeros(6, np.float32),
    }
    with pytest.raises(errors.DataError, match='do not fit'):
        recognise('NumPy', arrays)
