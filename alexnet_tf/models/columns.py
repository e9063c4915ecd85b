"""Builds the layers of a network in one or two columns, each column on its device (figure 2)."""

import zlib
from collections.abc import Mapping
from typing import Any

import keras

from alexnet_tf.models import recipes
from alexnet_tf.models.layers import batch_normalization, locally_connected, lrn, on_device
from alexnet_tf.models.layers import dropout as dropout_lib

COLUMNS = ('a', 'b')
CHANNELS = 3
POOL_STRIDE = 2
# Passed to every layer that accepts it; otherwise Keras would use the user's keras.json.
_DATA_FORMAT = 'channels_last'

ColumnOutputs = Mapping[str, keras.KerasTensor]  # column -> the output of its layer


class ColumnBuilder:
    """Builds each layer of a network once per column.

    A layer method takes the layer's name and the outputs of earlier layers by column, and returns
    the new layer's outputs by column. The layers of 'conv1' are called 'conv1_a' and 'conv1_b':
    their names are the keys of checkpoints, and with the seed they decide the initial weights.

    Args:
        recipe: The hyperparameters; a small network (see `cifar`) has one column.
        width: Replaces the recipe's width, if given.
        devices: () for TensorFlow's default, one for all columns, or one for each.
        precision: 'float32', 'bfloat16' or 'float16', of activations; weights are float32.
        seed: The seed of the initial weights and of the dropout masks.
        compiled: Let XLA fuse the normalisations, and take images in the precision's dtype, too.

    Attributes:
        recipe: The hyperparameters.
        dtype_policy: The dtypes of activations and weights.

    Raises:
        ValueError: There are more devices than columns.

    Example:
    >>> columns = ColumnBuilder(recipes.PAPER)
    >>> x = columns.broadcast(columns.create_input())
    >>> x = columns.convolution('conv1', x, filters=48, size=11, stride=4, sd=0.01)
    >>> {column: output.shape for column, output in x.items()}
    {'a': (None, 54, 54, 48), 'b': (None, 54, 54, 48)}
    """

    def __init__(
        self,
        recipe: recipes.Recipe,
        *,
        width: float | None = None,
        devices: tuple[str, ...] = (),
        precision: str = 'float32',
        seed: int = 0,
        compiled: bool = False,
    ):
        if recipe.layers:
            recipe = recipe.replace(columns=1)
        if len(devices) > recipe.columns:
            columns = '1 column. Give one' if recipe.columns == 1 else '2 columns. Give one or two'
            raise ValueError(f'{len(devices)} devices for {columns}.')
        self.recipe = recipe if width is None else recipe.replace(width=width)
        self._seed, self._compiled = seed, compiled
        policy = precision if precision == 'float32' else f'mixed_{precision}'
        self.dtype_policy = keras.DTypePolicy(policy)
        self._devices = dict(zip(COLUMNS, (*devices, *devices, None, None), strict=False))

    def create_input(self, *, trains: bool = False) -> keras.KerasTensor:
        """Creates the input, (batch, crop_size, crop_size, 3), or of any size to train."""
        is_open = (self._compiled or trains) and self.recipe.training_crop_size
        size = None if is_open else self.recipe.crop_size
        dtype = self.dtype_policy.compute_dtype if self._compiled else 'float32'
        return keras.Input((size, size, CHANNELS), name='images', dtype=dtype)

    def scale_input(self, name: str, images: keras.KerasTensor) -> keras.KerasTensor:
        """Multiplies images by the recipe's scale and divides by its deviations, if it has any."""
        scale, deviations = self.recipe.input_scale, self.recipe.input_sd
        if scale == 1 and not deviations:
            return images
        own = self._placement(name, COLUMNS[0]) | {'name': name}
        return on_device.Rescaling([scale / sd for sd in deviations] or scale, **own)(images)

    def broadcast(self, tensor: keras.KerasTensor) -> ColumnOutputs:
        """Gives every column the same tensor."""
        return dict.fromkeys(COLUMNS[: self.recipe.columns], tensor)

    def zero_padding(self, name: str, x: ColumnOutputs, *, before: int, after: int):
        """Adds rows and columns of zeros: `before` above and left, `after` below and right."""
        padding = ((before, after), (before, after))
        return self._add(on_device.ZeroPadding2D, name, x, padding, data_format=_DATA_FORMAT)

    def convolution(
        self,
        name: str,
        x: ColumnOutputs,
        *,
        filters: int,
        size: int,
        stride: int = 1,
        sd: float,
        bias: float = 0.0,
    ) -> ColumnOutputs:
        """Convolves: with zero padding that keeps the size at stride 1, else without padding.

        Batch normalisation follows where the recipe has it.

        Args:
            name: The layer's name, without the column.
            x: Images or feature maps.
            filters: The number of kernels in each column, at width 1.
            size: The side of the kernels.
            stride: The distance between windows.
            sd: The standard deviation of the initial weights.
            bias: The initial bias.
        """
        padding = 'valid' if stride > 1 else 'same'
        arguments = self._scale(filters), size, stride, padding, _DATA_FORMAT
        x = self._add(on_device.Conv2D, name, x, *arguments, initial=(sd, bias))
        return self._normalize_batch(name, x)

    def locally_connected(
        self, name: str, x: ColumnOutputs, *, filters: int, size: int, sd: float, bias: float
    ) -> ColumnOutputs:
        """Convolves with separate kernels at each position; see `convolution`."""
        layer, filters = locally_connected.LocallyConnected2D, self._scale(filters)
        return self._add(layer, name, x, filters, size, initial=(sd, bias))

    def fully_connected(
        self, name: str, x: ColumnOutputs, *, units: int, sd: float, bias: float
    ) -> ColumnOutputs:
        """Adds a fully-connected layer of `units` units in each column, at width 1.

        Batch normalisation follows where the recipe has it.
        """
        x = self._add(on_device.Dense, name, x, self._scale(units), initial=(sd, bias))
        return self._normalize_batch(name, x)

    def activation(self, name: str, x: ColumnOutputs) -> ColumnOutputs:
        """Applies the recipe's activation; if it is tanh, 'relu1' is called 'tanh1'."""
        kind = self.recipe.activation
        if kind == 'relu':
            return self._add(on_device.ReLU, name, x)
        return self._add(on_device.Activation, name.replace('relu', kind), x, kind)

    def normalization(self, name: str, x: ColumnOutputs) -> ColumnOutputs:
        """Normalises across feature maps (section 3.3), unless the recipe leaves that out."""
        if not self._has_lrn:
            return x
        if self.recipe.lrn_across_columns and len(x) > 1:
            return self._normalize_across_columns(name, x)
        # Paper: the sum runs over all feature maps of the layer; here and in its source, over those
        # of the column, so that nothing crosses devices.
        return self._normalize(name, x)

    def same_map_normalization(self, name: str, x: ColumnOutputs) -> ColumnOutputs:
        """Normalises within feature maps where the recipe does, as the 2012 source did."""
        alpha = self.recipe.same_map_alpha
        if not (self._has_lrn and alpha):
            return x
        return self._add(lrn.SameMapNormalization, name, x, alpha=alpha)

    def max_pooling(self, name: str, x: ColumnOutputs, *, padding: str = 'valid') -> ColumnOutputs:
        """Takes maxima over windows at stride 2; with 'same', the last may reach past the edge.

        Raises:
            ValueError: The feature maps are smaller than a window.
        """
        size, rows = self.recipe.pool_size, x[COLUMNS[0]].shape[1]
        if padding == 'valid' and rows and rows < size:
            raise ValueError(
                f'crop_size={self.recipe.crop_size} leaves {name} feature maps of {rows}x{rows} '
                f'pixels; its windows are {size}x{size}. Give a larger crop.'
            )
        is_padded = padding == 'valid' and self.recipe.pool_rounding == 'ceil'
        if is_padded and (rows - size) % POOL_STRIDE:
            x = self.zero_padding(f'{name}_pad', x, before=1, after=1)
        return self._add(on_device.MaxPooling2D, name, x, size, POOL_STRIDE, padding, _DATA_FORMAT)

    def average_pooling(self, name: str, x: ColumnOutputs) -> ColumnOutputs:
        """Averages over windows at stride 2; at the edge, over the part inside the feature map."""
        arguments = self.recipe.pool_size, POOL_STRIDE, 'same', _DATA_FORMAT
        return self._add(on_device.AveragePooling2D, name, x, *arguments)

    def global_pooling(self, name: str, x: ColumnOutputs) -> ColumnOutputs:
        """Averages each feature map: (batch, rows, columns, maps) -> (batch, 1, 1, maps)."""
        options = {'data_format': _DATA_FORMAT, 'keepdims': True}
        return self._add(on_device.GlobalAveragePooling2D, name, x, **options)

    def join_columns(self, name: str, x: ColumnOutputs) -> keras.KerasTensor:
        """Joins the columns' outputs side by side, a then b, in a layer of exactly this name."""
        if len(x) == 1:
            return on_device.Activation('linear', name=name, dtype=self.dtype_policy)(x[COLUMNS[0]])
        return on_device.Concatenate(name=name, dtype=self.dtype_policy)(list(x.values()))

    def concatenate_columns(self, name: str, x: ColumnOutputs) -> ColumnOutputs:
        """Gives every column the outputs of all columns side by side, a then b."""
        return {column: self._concatenate(name, column, x) for column in x}

    def flatten(self, name: str, x: ColumnOutputs) -> ColumnOutputs:
        """Flattens (batch, rows, columns, maps) to (batch, rows * columns * maps)."""
        return self._add(on_device.Flatten, name, x, _DATA_FORMAT)

    def dropout(self, name: str, x: ColumnOutputs) -> ColumnOutputs:
        """Drops the recipe's fraction of the units in training (section 4.2)."""
        rate, inverted = self.recipe.dropout, self.recipe.dropout_inverted
        return self._add(dropout_lib.Dropout, name, x, rate, inverted=inverted, seeded=True)

    def logits(
        self, name: str, x: ColumnOutputs, *, num_classes: int, sd: float, bias: float = 0.0
    ) -> keras.KerasTensor:
        """Adds the layer of the classes: both columns -> (batch, num_classes) float32.

        As in the 2012 source, it is on column a's device.
        """
        first = COLUMNS[0]
        layer = on_device.Dense(
            num_classes,
            **self._initializers(name, first, sd, bias, is_last=True),
            **self._placement(name, first) | {'name': name},
        )
        logits = layer(self._concatenate(name, first, x))
        return keras.layers.Activation('linear', dtype='float32', name='logits')(logits)

    @property
    def _has_lrn(self) -> bool:
        return self.recipe.normalization and not self.recipe.batch_norm

    def _normalize_batch(self, name, x):
        if not self.recipe.batch_norm:
            return x
        return self._add(batch_normalization.BatchNormalization, f'{name}_batch_norm', x)

    def _normalize(self, name, x):
        constants = {key: getattr(self.recipe, f'lrn_{key}') for key in ('k', 'n', 'alpha', 'beta')}
        layer = lrn.LocalResponseNormalization
        return self._add(layer, name, x, **constants, compiled=self._compiled)

    def _normalize_across_columns(self, name, x):
        """Normalises each column's maps together with the neighbouring maps of the other column."""
        maps = x['a'].shape[-1]
        reach = min(self.recipe.lrn_n // 2, maps)
        # Cut on the other column's device, so that no more than the seam crosses.
        seams = self._slice(f'{name}_seam', x, {'a': (maps - reach, maps), 'b': (0, reach)})
        neighbours = {'a': [x['a'], seams['b']], 'b': [seams['a'], x['b']]}
        joined = self._add(on_device.Concatenate, f'{name}_join', neighbours)
        normalized = self._normalize(name, joined)
        return self._slice(f'{name}_own', normalized, {'a': (0, maps), 'b': (reach, reach + maps)})

    def _slice(self, name, x, ranges):
        return {
            column: on_device.ChannelSlice(*ranges[column], **self._placement(name, column))(output)
            for column, output in x.items()
        }

    def _concatenate(self, name, column, x):
        if len(x) == 1:
            return x[column]
        return on_device.Concatenate(**self._placement(f'{name}_join', column))(list(x.values()))

    def _add(self, layer, name, x, *arguments, initial=None, seeded=False, **options):
        """Calls a new layer in each column; `initial` is (sd, bias) of layers with weights."""
        outputs = {}
        for column in x:
            own = self._placement(name, column)
            if initial:
                own |= self._initializers(name, column, *initial)
            if seeded:
                own['seed'] = self._layer_seed(name, column)
            outputs[column] = layer(*arguments, **options, **own)(x[column])
        return outputs

    def _placement(self, name, column) -> dict[str, Any]:
        device = self._devices[column]
        return {'name': f'{name}_{column}', 'device': device, 'dtype': self.dtype_policy}

    def _initializers(self, name, column, sd, bias, *, is_last=False) -> dict[str, Any]:
        seed = self._layer_seed(name, column)
        options = {'kernel_initializer': keras.initializers.RandomNormal(stddev=sd, seed=seed)}
        if self.recipe.he_initialization and not is_last:
            options['kernel_initializer'] = keras.initializers.HeNormal(seed=seed)
        if self.recipe.batch_norm and not is_last:  # which has an offset
            return options | {'use_bias': False}
        return options | {'bias_initializer': keras.initializers.Constant(bias)}

    def _layer_seed(self, name, column) -> int:
        return zlib.crc32(f'{self._seed}/{name}_{column}'.encode()) & 0x7FFFFFFF

    def _scale(self, number: int) -> int:
        multiple = self.recipe.channel_multiple
        scaled = multiple * max(round(number * self.recipe.width / multiple), int(multiple > 1))
        if scaled < 1:
            raise ValueError(
                f'width={self.recipe.width} leaves none of {number} filters. Give a larger width.'
            )
        return scaled
