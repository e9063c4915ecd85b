"""The network of section 3.5, in the paper's order."""

import zlib
from typing import Any

import keras
import tensorflow as tf

from alexnet_tf.models import recipes
from alexnet_tf.models.layers import dropout as dropout_lib
from alexnet_tf.models.layers import lrn, placed

COLUMNS = ('a', 'b')
CHANNELS = 3
FLAT = 'flat'  # layer before the classes of a network without hidden fully-connected layers
CONV1_SIZE, CONV1_STRIDE = 11, 4


def build(
    recipe: recipes.Recipe,
    *,
    num_classes: int,
    width: float = 1.0,
    devices: tuple[str, ...] = (),
    precision: str = 'float32',
    seed: int = 0,
    compiled: bool = False,
) -> keras.Model:
    """The two-column network as a functional model.

    Args:
        recipe: The numbers.
        num_classes: Size of fc8.
        width: Layer sizes as a multiple of the paper's.
        devices: None, one for both columns, or one for each.
        precision: 'float32', 'bfloat16' or 'float16', of activations; weights are float32.
        seed: Of the initial weights and the dropout masks.
        compiled: Let XLA fuse the normalisations, see `lrn`, and take images in the precision's
            dtype, too. Not for export.

    Returns:
        A model from images, (batch, 224, 224, 3) float32, RGB minus the mean image, about
        [-130, 150], to logits, (batch, num_classes) float32. At 1000 classes and width 1 it has
        60,965,224 parameters.

    Raises:
        ValueError: More devices than columns, a crop too small for the pooling layers, or a width
            that leaves no filter.
    """
    if len(devices) > recipe.columns:
        raise ValueError(f'{len(devices)} devices for {recipe.columns} column. Give one device.')
    policy = 'float32' if precision == 'float32' else f'mixed_{precision}'
    part = _Parts(recipe, width, devices, keras.DTypePolicy(policy), seed)
    part.compiled = compiled
    images = keras.Input(
        (recipe.crop_size, recipe.crop_size, CHANNELS),
        name='images',
        dtype=part.dtype.compute_dtype if compiled else 'float32',
    )

    # conv1: 96 kernels of 11x11x3 over the 224x224x3 image, 4 pixels apart; 48 a column.
    x = part.each('conv1', part.far_padding, images)
    x = part.each('conv1', part.convolution, x, 48, CONV1_SIZE, stride=CONV1_STRIDE)
    x = part.first_normalization_and_pooling(x)
    # conv2: 256 kernels of 5x5x48 over the normalised, pooled output of its own column.
    x = part.each('conv2', part.convolution, x, 128, 5, bias=True)
    x = part.each('relu2', part.activation, x)
    x = part.each('norm2', part.normalization, x)
    x = part.each('norm2_same_map', part.same_map_normalization, x)
    x = part.each('pool2', part.pooling, x)
    # conv3: 384 kernels of 3x3x256, the only convolution that reads both columns; conv4 and conv5
    # (384 of 3x3x192, 256 of 3x3x192) read their own, with nothing in between.
    x = part.each('conv3', part.join, x)
    x = part.middle('conv3', x, 192, bias=False)
    x = part.middle('conv4', x, 192)
    x = part.middle('conv5', x, part.share(256))
    x = part.each('pool5', part.pooling, x)
    if recipe.conv6:
        x = part.each('conv6', part.join, x)
        x = part.middle('conv6', x, part.share(256))
    # fc6, fc7: 4096 neurons each, half of them in each column; each half reads both.
    x = part.each('pool5_flat', part.flat, x)
    for name in ('fc6', 'fc7'):
        x = part.each(name, part.join, x)
        x = part.each(name, part.fully_connected, x, part.share(4096))
        x = part.each(f'relu{name[-1]}', part.activation, x)
        x = part.each(f'drop{name[-1]}', part.dropout, x)
    logits = part.classes(x, num_classes)
    return keras.Model(images, logits, name='alexnet')


def hidden(model: keras.Model) -> keras.Model:
    """images -> the last hidden layer after its ReLU, (batch, 4096 at width 1) float32, a then b.

    It is what section 6.1 compares pictures by. Of a small network (`cifar`) it is what its only
    fully-connected layer reads.
    """
    names = ('relu7_a', 'relu7_b', 'tanh7_a', 'tanh7_b', f'{FLAT}_a')
    columns = [layer.output for layer in model.layers if layer.name in names]
    joined = (
        keras.layers.Concatenate(dtype='float32', name='hidden')(columns)
        if columns[1:]
        else (keras.layers.Activation('linear', dtype='float32', name='hidden')(columns[0]))
    )
    return keras.Model(model.input, joined, name='hidden')


def averaged_probabilities(logits: tf.Tensor, number_of_views: int) -> tf.Tensor:
    """(batch * views, classes) logits -> (batch, classes) float32 probabilities."""
    probabilities = tf.nn.softmax(tf.cast(logits, tf.float32))
    by_view = tf.reshape(probabilities, [-1, number_of_views, logits.shape[-1]])
    return tf.reduce_mean(by_view, axis=1)


def far_padding(crop_size: int) -> int:
    """Zeros past the far edges that let conv1's last window begin inside the picture.

    224 pixels make 55 windows, of which the last reads 3 columns that are not there.
    """
    windows = 1 + -(-(crop_size - CONV1_SIZE) // CONV1_STRIDE)
    return (windows - 1) * CONV1_STRIDE + CONV1_SIZE - crop_size


def normalization_numbers(recipe: recipes.Recipe, compiled: bool) -> dict[str, Any]:
    """What `lrn.LocalResponseNormalization` takes, of a recipe."""
    numbers = {each: getattr(recipe, f'lrn_{each}') for each in ('k', 'n', 'alpha', 'beta')}
    return numbers | {'compiled': compiled}


def layer_seed(seed: int, name: str) -> int:
    """The seed of one layer's draws, of the network's seed and the layer's name."""
    return zlib.crc32(f'{seed}/{name}'.encode()) & 0x7FFFFFFF


class _Parts:
    """Makes the layers of both columns, with the recipe's numbers and each on its device."""

    def __init__(self, recipe, width, devices, dtype, seed):
        self.recipe, self.width, self.dtype, self.seed = recipe, width, dtype, seed
        self.columns, self.compiled = COLUMNS[: recipe.columns], False
        self.devices = dict(zip(COLUMNS, (*devices, *devices, None, None), strict=False))

    def share(self, number: int) -> int:
        """One column's share of what the columns have together."""
        return number // len(self.columns)

    def each(self, name, make, inputs, *args, **kwargs):
        """The layer `make` gives, in both columns: outputs by column."""
        inputs = inputs if isinstance(inputs, dict) else dict.fromkeys(self.columns, inputs)
        return {at: make(name, at, inputs, *args, **kwargs) for at in self.columns}

    def middle(self, name, x, filters, *, bias=True):
        """A 3x3 convolution and its non-linearity, unless the recipe leaves it out."""
        if name == self.recipe.removed_layer:
            return x
        sd = 'initial_sd_middle'
        x = self.each(name, self.convolution, x, filters, 3, sd=sd, bias=bias)
        after = 'relu_conv6' if name == 'conv6' else f'relu{name[-1]}'  # relu6 follows fc6
        return self.each(after, self.activation, x)

    def first_normalization_and_pooling(self, x):
        """After conv1: the paper's order, or that of its source (fact: signs are kept, and
        max and ReLU commute, so only the normaliser's sum differs)."""
        order = [('relu1', self.activation), ('norm1', self.normalization), ('pool1', self.pooling)]
        if self.recipe.lrn1_before_pool:
            order = [*order[1:], order[0]]
        for name, make in order:
            x = self.each(name, make, x)
        return x

    def far_padding(self, name, at, inputs):
        past = far_padding(self.recipe.crop_size)
        edges = ((0, past), (0, past))
        return placed.FarPadding(edges, **self._common(f'{name}_pad', at))(inputs[at])

    def convolution(
        self, name, at, inputs, filters, size, *, stride=1, sd='initial_sd', bias=False
    ):
        layer = placed.Convolution(
            self._scaled(filters),
            size,
            strides=stride,
            padding='valid' if stride > 1 else 'same',
            **self._initial(name, at, sd, bias),
            **self._common(name, at),
        )
        return layer(inputs[at])

    def activation(self, name, at, inputs):
        kind = self.recipe.activation
        layer = {'relu': placed.Relu, 'tanh': placed.Tanh}[kind]
        return layer(**self._common(name.replace('relu', kind), at))(inputs[at])

    def normalization(self, name, at, inputs):
        if not self.recipe.normalization:
            return inputs[at]
        numbers = normalization_numbers(self.recipe, self.compiled)
        layer = lrn.LocalResponseNormalization(**numbers, **self._common(name, at))
        if self.recipe.lrn_across_columns and len(self.columns) > 1:
            return self._across_the_seam(name, at, inputs, layer)
        return layer(inputs[at])

    def _across_the_seam(self, name, at, inputs, layer):
        """`layer` on a column's maps and, of the other column's, those that they reach."""
        reach, maps = self.recipe.lrn_n // 2, inputs[at].shape[-1]
        first = at == self.columns[0]
        other = self.columns[1 if first else 0]
        seam = (0, min(reach, maps)) if first else (max(maps - reach, 0), maps)
        # Cut on the other column's device: no more than the seam crosses.
        beside = placed.Maps(*seam, **self._common(f'{name}_seam', other))(inputs[other])
        both = [inputs[at], beside] if first else [beside, inputs[at]]
        joined = layer(placed.Join(**self._common(f'{name}_join', at))(both))
        start = 0 if first else joined.shape[-1] - maps
        return placed.Maps(start, start + maps, **self._common(f'{name}_own', at))(joined)

    def same_map_normalization(self, name, at, inputs):
        if not (self.recipe.normalization and self.recipe.same_map_alpha):
            return inputs[at]
        common = self._common(name, at)
        return lrn.SameMapNormalization(alpha=self.recipe.same_map_alpha, **common)(inputs[at])

    def pooling(self, name, at, inputs):
        size = self.recipe.pool_size
        if min(inputs[at].shape[1:3]) < size:
            raise ValueError(
                f'crop_size={self.recipe.crop_size} leaves {name} a {inputs[at].shape[1]}-pixel '
                f'map; its windows are {size} pixels wide. Give a larger crop.'
            )
        return placed.Pooling(size, strides=2, **self._common(name, at))(inputs[at])

    def join(self, name, at, inputs):
        if len(self.columns) == 1:
            return inputs[at]
        layer = placed.Join(**self._common(f'{name}_join', at))
        return layer([inputs[each] for each in self.columns])

    def flat(self, name, at, inputs):
        return placed.Flat(**self._common(name, at))(inputs[at])

    def fully_connected(self, name, at, inputs, units):
        layer = placed.FullyConnected(
            self._scaled(units),
            **self._initial(name, at, 'initial_sd_hidden', True),
            **self._common(name, at),
        )
        return layer(inputs[at])

    def dropout(self, name, at, inputs):
        layer = dropout_lib.Dropout(
            self.recipe.dropout,
            inverted=self.recipe.dropout_inverted,
            seed=self._seed(name, at),
            **self._common(name, at),
        )
        return layer(inputs[at])

    def classes(self, inputs, num_classes):
        """fc8 with float32 logits, on column a's device, as in the source."""
        at = COLUMNS[0]
        layer = placed.FullyConnected(
            num_classes,
            name='fc8',
            device=self.devices[at],
            dtype=self.dtype,
            **self._initial('fc8', at, 'initial_sd', False),
        )
        logits = layer(self.join('fc8', at, inputs))
        return keras.layers.Activation('linear', dtype='float32', name='logits')(logits)

    def _scaled(self, number: int) -> int:
        scaled = round(number * self.width)
        if scaled < 1:
            raise ValueError(f'width={self.width} leaves no filter of {number}. Give a larger one.')
        return scaled

    def _common(self, name, at):
        return {'name': f'{name}_{at}', 'device': self.devices[at], 'dtype': self.dtype}

    def _initial(self, name, at, sd, bias):
        normal = keras.initializers.RandomNormal(
            stddev=getattr(self.recipe, sd), seed=self._seed(name, at)
        )
        constant = keras.initializers.Constant(self.recipe.initial_bias if bias else 0.0)
        return {'kernel_initializer': normal, 'bias_initializer': constant}

    def _seed(self, name, at) -> int:
        return layer_seed(self.seed, f'{name}_{at}')
