"""The network of section 3.5, in the paper's order."""

import keras

from alexnet_tf.models import cifar, recipes
from alexnet_tf.models import columns as columns_lib

_CONV1_SIZE, _CONV1_STRIDE = 11, 4


def build(
    recipe: recipes.Recipe,
    *,
    num_classes: int,
    width: float | None = None,
    devices: tuple[str, ...] = (),
    precision: str = 'float32',
    seed: int = 0,
    compiled: bool = False,
) -> keras.Model:
    """Builds AlexNet, or the small network of a recipe with `layers`, as a functional model.

    At 1000 classes and width 1 AlexNet has 60,965,224 parameters.

    Args:
        recipe: The hyperparameters.
        num_classes: The number of classes, the size of the last layer.
        width: Replaces the recipe's width, if given.
        devices: () for TensorFlow's default, one for both columns, or one for each.
        precision: 'float32', 'bfloat16' or 'float16', of activations; weights are float32.
        seed: The seed of the initial weights and of the dropout masks.
        compiled: Let XLA fuse the normalisations, see `lrn`, and take images in the precision's
            dtype, too. Not for export.

    Returns:
        A model from images, (batch, crop_size, crop_size, 3) float32, RGB minus the mean image,
        about [-130, 150], to logits, (batch, num_classes) float32.

    Raises:
        ValueError: There are more devices than columns, the crop is too small for the pooling
            layers, or the width leaves no filter.

    Example:
    >>> model = build(recipes.PAPER, num_classes=10, width=0.1)
    >>> model.output_shape
    (None, 10)
    """
    columns = columns_lib.ColumnBuilder(
        recipe, width=width, devices=devices, precision=precision, seed=seed, compiled=compiled
    )
    images = columns.create_input()
    features = add_features(columns, images)
    logits = add_classifier(columns, features, num_classes=num_classes)
    return keras.Model(images, logits, name=recipe.name if recipe.layers else 'alexnet')


def add_features(
    columns: columns_lib.ColumnBuilder, images: keras.KerasTensor
) -> columns_lib.ColumnOutputs:
    """Adds the convolutional layers, up to the last pooling layer (or conv6, which follows it).

    Args:
        columns: The builder of the layers, which has the recipe.
        images: (batch, crop_size, crop_size, 3), RGB minus the mean image.

    Returns:
        The last feature maps by column, (batch, 6, 6, 128) for the paper's crop and width.
    """
    recipe = columns.recipe
    if recipe.layers:
        return cifar.add_features(columns, images)
    sd, middle_sd, bias = recipe.initial_sd, recipe.initial_sd_middle, recipe.initial_bias
    *filters, conv5_filters = recipe.filters

    # conv1: 96 kernels of 11x11x3 over the 224x224x3 image with a stride of 4; 48 in each column.
    # Paper: 224 pixels do not make the 55 windows of figure 2; padding does, as in its source.
    x = columns.broadcast(columns.scale_input('input_scale', images))
    before, after = choose_padding(recipe, recipe.crop_size)
    x = columns.zero_padding('conv1_pad', x, before=before, after=after)
    size, stride = _CONV1_SIZE, _CONV1_STRIDE
    x = columns.convolution('conv1', x, filters=filters[0], size=size, stride=stride, sd=sd)
    # The ReLU, response normalisation and overlapping pooling, in the recipe's order.
    x = _add_in_order(columns, recipe.conv1_order, 1, x)

    # conv2: 256 kernels of 5x5x48 over the normalised and pooled output of their own column.
    x = columns.convolution('conv2', x, filters=filters[1], size=5, sd=sd, bias=bias)
    x = _add_in_order(columns, recipe.conv2_order, 2, x)

    # conv3: 384 kernels of 3x3x256, the only convolution that reads both columns.
    x = columns.concatenate_columns('conv3', x)
    if recipe.removed_layer != 'conv3':
        x = columns.convolution('conv3', x, filters=filters[2], size=3, sd=middle_sd)
        x = columns.activation('relu3', x)

    # conv4 and conv5: 384 and 256 kernels of 3x3x192 over their own column, with nothing between.
    if recipe.removed_layer != 'conv4':
        x = columns.convolution('conv4', x, filters=filters[3], size=3, sd=middle_sd, bias=bias)
        x = columns.activation('relu4', x)
    own = conv5_filters // recipe.columns
    if recipe.removed_layer != 'conv5':
        x = columns.convolution('conv5', x, filters=own, size=3, sd=middle_sd, bias=bias)
        x = columns.activation('relu5', x)
    if recipe.global_pooling:
        return columns.global_pooling('pool5', x)
    x = columns.max_pooling('pool5', x)

    if recipe.conv6:  # section 7: a sixth convolution over the last pooling layer
        x = columns.concatenate_columns('conv6', x)
        x = columns.convolution('conv6', x, filters=own, size=3, sd=middle_sd, bias=bias)
        x = columns.activation('relu_conv6', x)  # relu6 follows fc6
    return x


def _add_in_order(
    columns: columns_lib.ColumnBuilder, order: str, number: int, x: columns_lib.ColumnOutputs
) -> columns_lib.ColumnOutputs:
    """Adds what follows a convolution: 'relu_norm_pool' adds relu1, norm1 and pool1."""
    add = {'relu': columns.activation, 'norm': columns.normalization, 'pool': columns.max_pooling}
    for kind in order.split('_'):
        x = add[kind](f'{kind}{number}', x)
        if (kind, number) == ('norm', 2):  # the 2012 source's further normalisation
            x = columns.same_map_normalization('norm2_same_map', x)
    return x


def add_classifier(
    columns: columns_lib.ColumnBuilder, features: columns_lib.ColumnOutputs, *, num_classes: int
) -> keras.KerasTensor:
    """Adds the fully-connected layers.

    Args:
        columns: The builder of the layers, which has the recipe.
        features: The last feature maps by column, from `add_features`.
        num_classes: The number of classes, the size of fc8.

    Returns:
        Logits, (batch, num_classes) float32.
    """
    recipe = columns.recipe
    if recipe.layers:
        return cifar.add_classifier(columns, features, num_classes=num_classes)
    hidden_sd, bias = recipe.initial_sd_hidden, recipe.initial_bias

    # fc6 and fc7: 4096 neurons each, half of them in each column; both halves read both columns.
    # Half of their outputs are dropped (section 4.2); in torchvision's network, of their inputs.
    units = recipe.hidden_units // recipe.columns
    x = columns.flatten('pool5_flat', features)
    for fc, relu, drop in (('fc6', 'relu6', 'drop6'), ('fc7', 'relu7', 'drop7')):
        if recipe.dropout_on_inputs:
            x = columns.dropout(drop, x)
        x = columns.concatenate_columns(fc, x)
        x = columns.fully_connected(fc, x, units=units, sd=hidden_sd, bias=bias)
        x = columns.activation(relu, x)
        if not recipe.dropout_on_inputs:
            x = columns.dropout(drop, x)

    sd, bias = recipe.initial_sd, recipe.initial_bias_last
    return columns.logits('fc8', x, num_classes=num_classes, sd=sd, bias=bias)


def choose_padding(recipe: recipes.Recipe, crop_size: int) -> tuple[int, int]:
    """Chooses the pixels of zeros around an image: above and left, below and right."""
    if recipe.conv1_padding < 0:
        return 0, compute_padding(crop_size)
    return recipe.conv1_padding, recipe.conv1_padding


def compute_smallest_crop(recipe: recipes.Recipe) -> int:
    """Computes the side of the smallest image that leaves a pixel after pool1 and pool2.

    >>> compute_smallest_crop(recipes.MODERN)
    32
    """
    rows = 1
    for _ in range(2):
        rows = (rows - 1) * columns_lib.POOL_STRIDE + recipe.pool_size
    if recipe.conv1_padding < 0:  # one pixel for the last window is enough
        return (rows - 2) * _CONV1_STRIDE + _CONV1_SIZE + 1
    return (rows - 1) * _CONV1_STRIDE + _CONV1_SIZE - 2 * recipe.conv1_padding


def compute_padding(crop_size: int) -> int:
    """Computes the pixels of padding after which conv1's last window begins inside the image.

    Windows over 224 pixels begin at 0, 4, ..., 216, which is 55 as in figure 2; the last reads 3
    pixels past the edge. They are zeros: after mean subtraction, the mean colour.

    Args:
        crop_size: The side of the image in pixels.

    Example:
    >>> compute_padding(224)
    3
    """
    windows = 1 + -(-(crop_size - _CONV1_SIZE) // _CONV1_STRIDE)
    return (windows - 1) * _CONV1_STRIDE + _CONV1_SIZE - crop_size
