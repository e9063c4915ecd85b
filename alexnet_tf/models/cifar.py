"""The paper's small networks for CIFAR-10 (footnote 3, figure 1): a recipe's `layers`, in order."""

import keras

from alexnet_tf.models import alexnet, recipes
from alexnet_tf.models.layers import locally_connected, lrn, placed

_CONV_SIZE, _LOCAL_SIZE, _POOL_STRIDE = 5, 3, 2
_AT = 'a'  # the one column
# Fields of a recipe that these networks have no use for.
_UNUSED = frozenset(
    (
        *('columns', 'conv6', 'removed_layer', 'dropout', 'dropout_inverted'),
        *('lrn_across_columns', 'lrn1_before_pool', 'same_map_alpha'),
        *('initial_sd_middle', 'initial_sd_hidden'),
    )
)
_OF_NORMALIZATION = frozenset(('normalization', 'lrn_k', 'lrn_n', 'lrn_alpha', 'lrn_beta'))


def unused(recipe: recipes.Recipe) -> frozenset[str]:
    """Fields that change nothing of the recipe's network."""
    normalizes = any('normalization' in layer.after for layer in recipe.layers)
    return _UNUSED if normalizes else _UNUSED | _OF_NORMALIZATION


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
    """A small network as a functional model; arguments as of `alexnet.build`.

    Of the recipe it reads what `unused` does not name.

    Returns:
        A model from images, (batch, crop_size, crop_size, 3) float32, RGB minus the mean image, to
        logits, (batch, num_classes) float32. Of 'cifar13' and 'cifar11' at 10 classes it has
        1,116,490 and 2,112,970 parameters, of 'figure1' 89,578.

    Raises:
        ValueError: More than one device.
    """
    if len(devices) > 1:
        raise ValueError(f'{len(devices)} devices for 1 column. Give one device.')
    policy = keras.DTypePolicy('float32' if precision == 'float32' else f'mixed_{precision}')
    part = _Parts(recipe, policy, devices, seed, compiled)
    images = keras.Input(
        (recipe.crop_size, recipe.crop_size, alexnet.CHANNELS),
        name='images',
        dtype=policy.compute_dtype if compiled else 'float32',
    )
    x = images
    for layer in recipe.layers:
        maps = max(1, round(layer.maps * width)) if layer.maps else num_classes
        x = part.weighted(layer, maps, x)
        for kind in layer.after:
            x = part.following(kind, layer.name[-1], x)
    logits = keras.layers.Activation('linear', dtype='float32', name='logits')(x)
    return keras.Model(images, logits, name=recipe.name)


class _Parts:
    """Makes layers with the recipe's numbers, on the device."""

    def __init__(self, recipe, policy, devices, seed, compiled):
        self.recipe, self.policy, self.seed, self.compiled = recipe, policy, seed, compiled
        self.device = devices[0] if devices else None

    def weighted(self, layer: recipes.Layer, maps: int, inputs):
        """A convolution, a locally connected layer or a fully connected one."""
        initial = {
            'kernel_initializer': keras.initializers.RandomNormal(
                stddev=layer.sd * self.recipe.initial_sd,
                seed=alexnet.layer_seed(self.seed, f'{layer.name}_{_AT}'),
            ),
            'bias_initializer': keras.initializers.Constant(self.recipe.initial_bias),
        }
        numbers = initial | self._common(layer.name)
        if layer.name.startswith('conv'):
            return placed.Convolution(maps, _CONV_SIZE, padding='same', **numbers)(inputs)
        if layer.name.startswith('local'):
            return locally_connected.LocallyConnected(maps, _LOCAL_SIZE, **numbers)(inputs)
        flat = placed.Flat(**self._common(alexnet.FLAT))(inputs)
        return placed.FullyConnected(maps, **(numbers | {'name': layer.name}))(flat)

    def following(self, kind: str, place: str, inputs):
        """What stands between layers with weights."""
        recipe = self.recipe
        if kind == 'activation':
            layer = {'relu': placed.Relu, 'tanh': placed.Tanh}[recipe.activation]
            return layer(**self._common(f'{recipe.activation}{place}'))(inputs)
        if kind == 'normalization':
            if not recipe.normalization:
                return inputs
            numbers = alexnet.normalization_numbers(recipe, self.compiled)
            common = self._common(f'norm{place}')
            return lrn.LocalResponseNormalization(**numbers, **common)(inputs)
        pool = {'max_pool': placed.Pooling, 'average_pool': placed.AveragePooling}[kind]
        windows = {'strides': _POOL_STRIDE, 'padding': 'same'}
        return pool(recipe.pool_size, **windows, **self._common(f'pool{place}'))(inputs)

    def _common(self, name: str):
        return {'name': f'{name}_{_AT}', 'device': self.device, 'dtype': self.policy}
