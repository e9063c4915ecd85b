"""The paper's small networks for CIFAR-10 (footnote 3, figure 1): a recipe's `layers`, in order.

`alexnet.build` builds them: 'cifar13' with 1,116,490 parameters at 10 classes and width 1,
'cifar11' with 2,112,970 and 'figure1' with 89,578.
"""

import keras

from alexnet_tf.models import columns as columns_lib
from alexnet_tf.models import recipes

_CONV_SIZE, _LOCAL_SIZE = 5, 3
# The fields of a recipe that only the paper's eight layers read.
_UNUSED = frozenset(
    (
        *('columns', 'conv6', 'removed_layer', 'dropout', 'dropout_inverted'),
        *('filters', 'conv1_padding', 'conv1_order', 'conv2_order', 'pool_rounding'),
        *('lrn_across_columns', 'same_map_alpha', 'dropout_on_inputs', 'initial_bias_last'),
        *('initial_sd_middle', 'initial_sd_hidden', 'hidden_units'),
        *('global_pooling', 'input_scale', 'input_sd', 'training_crop_size'),
    )
)
_OF_SHARED_KERNELS = frozenset(('he_initialization', 'batch_norm'))  # and fc layers
_NORMALIZATION = frozenset(('normalization', 'lrn_k', 'lrn_n', 'lrn_alpha', 'lrn_beta'))


def list_unused_fields(recipe: recipes.Recipe) -> frozenset[str]:
    """Lists the fields of a recipe that its small network does not read; none for AlexNet."""
    if not recipe.layers:
        return frozenset()
    normalizes = any('normalization' in layer.after for layer in recipe.layers)
    return _UNUSED if normalizes else _UNUSED | _NORMALIZATION


def list_impossible_fields(recipe: recipes.Recipe) -> frozenset[str]:
    """Lists the fields that a recipe cannot set because it has locally connected layers."""
    has_local = any(layer.name.startswith('local') for layer in recipe.layers)
    return _OF_SHARED_KERNELS if has_local else frozenset()


def add_features(
    columns: columns_lib.ColumnBuilder, images: keras.KerasTensor
) -> columns_lib.ColumnOutputs:
    """Adds all layers but the last; see `alexnet.add_features`."""
    recipe = columns.recipe
    x = columns.broadcast(images)
    for layer in recipe.layers[:-1]:
        add, size = columns.locally_connected, _LOCAL_SIZE
        if layer.name.startswith('conv'):
            add, size = columns.convolution, _CONV_SIZE
        sd, bias = layer.sd * recipe.initial_sd, recipe.initial_bias
        x = add(layer.name, x, filters=layer.filters, size=size, sd=sd, bias=bias)
        for operation in layer.after:
            x = _apply(columns, operation, layer.name[-1], x)
    return x


def add_classifier(
    columns: columns_lib.ColumnBuilder, features: columns_lib.ColumnOutputs, *, num_classes: int
) -> keras.KerasTensor:
    """Adds the last layer; see `alexnet.add_classifier`."""
    recipe = columns.recipe
    last = recipe.layers[-1]
    x = columns.flatten('flat', features)
    sd, bias = last.sd * recipe.initial_sd, recipe.initial_bias
    return columns.logits(last.name, x, num_classes=num_classes, sd=sd, bias=bias)


def _apply(columns: columns_lib.ColumnBuilder, operation: str, index: str, x):
    match operation:
        case 'activation':
            return columns.activation(f'relu{index}', x)
        case 'normalization':
            return columns.normalization(f'norm{index}', x)
        case 'max_pool':
            return columns.max_pooling(f'pool{index}', x, padding='same')
        case 'average_pool':
            return columns.average_pooling(f'pool{index}', x)
