"""The hyperparameters of a network and of its training: the paper's, and those of other AlexNets.

A recipe is a value: what a network computes and how it trains follow from its fields, never from
its name, which messages and checks use. Comments name the source of each value. P is the paper. S
is the 2012 source, github.com/computerhistory/AlexNet-Source-Code, network #145, whose logged error
rates are the paper's to the digit. K is Caffe's bvlc_alexnet.

Every network reads RGB: where others read BGR, the kernels of conv1 are flipped when a weight file
is loaded. How an image file becomes a square is a matter of the records, see `rendering`.
"""

import dataclasses
from typing import Any

from input_pipeline import errors

_CHOICES = {
    'columns': (1, 2),
    'removed_layer': ('', 'conv3', 'conv4', 'conv5'),
    'pool_rounding': ('floor', 'ceil'),
    'activation': ('relu', 'tanh'),
    'optimizer': ('sgd', 'lars'),
    'schedule': ('plateau', 'list', 'geometric', 'cosine', 'polynomial'),
}
FORMER_ORDER = 'lrn1_before_pool'  # of old run directories and programs, see `Recipe.replace`


@dataclasses.dataclass(frozen=True)
class Layer:
    """A layer with weights of a small network (see `cifar`).

    Attributes:
        name: 'conv' (5x5), 'local' (3x3, kernels not shared) or 'fc', and its number.
        filters: The number of feature maps it outputs. 0 for the last layer, which has one unit for
            each class.
        after: The operations after it: 'activation', 'max_pool', 'average_pool', 'normalization'.
        sd: The standard deviation of its initial weights, as a multiple of the recipe's.
        decay: The decay of its weights, as a multiple of the recipe's.
    """

    name: str
    filters: int
    after: tuple[str, ...] = ()
    sd: float = 1.0
    decay: float = 1.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """The hyperparameters of a network and of its training. The defaults are the paper's.

    'P 3.5' is section 3.5 of the paper. Learning rates are per step. Pixels are 0 to 255.

    Attributes:
        name: The recipe that this is or was derived from, for tables and records.
        layers: The layers of a small network (see `cifar`), in order; () for the paper's eight. A
            small network has one column and does not use what only those eight layers have.
        width: The filters and units of each layer as a multiple of the paper's.
        channel_multiple: The channels and units of a column are rounded to multiples of this, since
            a processor computes 16 channels at once, and takes as long for 12.
        columns: 2, or 1 for the one-GPU network of P's footnote 2, which has one column's kernels
            in conv1 to conv4 and both columns' kernels from conv5 on.
        filters: The kernels of conv1 to conv4 in each column, and of conv5 in all columns (P 3.5).
        conv1_padding: The pixels of zeros around the image; -1 for as many as the last window of
            conv1 needs past the bottom and right edges, so that 224 pixels make 55 windows.
        conv1_order: What follows conv1, in order: 'relu_norm_pool' (P 3.5), 'norm_pool_relu' or
            another.
        conv2_order: The same for conv2.
        conv6: Whether a sixth convolution follows the last pooling layer (P 7, table 2).
        removed_layer: The convolution to leave out, 'conv3', 'conv4' or 'conv5', or '' (P 7). The
            next layer reads what it would have read.
        activation: 'relu', or 'tanh' (P 3.1).
        pool_size: The side of the pooling windows, which are 2 apart: 3, or 2 for no overlap
            (P 3.4).
        pool_rounding: If the windows do not cover the feature map exactly: 'floor' leaves the rest
            out, 'ceil' first adds a border of zeros around the map.
        global_pooling: Whether pool5 averages each feature map, instead of taking the maxima of
            windows (Lin et al., 2014).
        normalization: Whether norm1 and norm2 are there (P 3.3).
        batch_norm: Whether batch normalisation (Ioffe and Szegedy, 2015) stands between each
            convolution, fc6, fc7 and their activation, in place of norm1, norm2 and the biases.
        hidden_units: The units of fc6, and of fc7, in both columns.
        crop_size: The side of the square that the network sees (P 4.1).
        training_crop_size: The side of training crops if they are smaller, since objects look
            larger in resized crops than in the whole image (Touvron et al., 2019). 0 for
            `crop_size`. Only with `global_pooling`.
        view_size: The side of the part of a record's image (256x256 or 32x32) that is resized to
            `crop_size`; 0 for `crop_size`, without resizing.
        input_mean: The mean of red, green and blue that is subtracted from images; () for the
            mean image of the training images (P 2).
        input_sd: The divisors of red, green and blue after the mean is subtracted; () for none.
        input_scale: The factor of images after the mean is subtracted.
        lrn_k: The constant of the normalisation (P 3.3).
        lrn_n: The number of adjacent feature maps in its sum, an odd number (P 3.3).
        lrn_alpha: The coefficient of its sum of squares, not divided by n (P 3.3).
        lrn_beta: Its exponent (P 3.3).
        lrn_across_columns: Whether its sum reaches into the other column's feature maps.
        same_map_alpha: The coefficient of a further normalisation after the second one, over 5x5
            neighbours in the same feature map; 0 for none.
        he_initialization: Whether initial weights have a standard deviation of sqrt(2 / inputs of a
            unit), as in He et al. (2015), instead of `initial_sd*`; fc8 keeps `initial_sd`.
        initial_sd: The standard deviation of the Gaussian of the initial weights (P 5).
        initial_sd_middle: The same for conv3, conv4, conv5 (and conv6).
        initial_sd_hidden: The same for fc6 and fc7.
        initial_bias: The initial bias of conv2, conv4, conv5 (and conv6), fc6 and fc7; the others
            start at 0 (P 5).
        initial_bias_last: The initial bias of fc8.
        dropout: The fraction of fc6's and fc7's outputs set to zero in training (P 4.2).
        dropout_on_inputs: Whether dropout applies to their inputs instead.
        dropout_inverted: Whether to scale by 1 / (1 - dropout) in training, instead of by
            1 - dropout at test time.
        optimizer: 'sgd', with momentum (P 5), or 'lars', the same with a learning rate for each
            layer (You et al., 2017).
        trust_coefficient: With 'lars', the share of its norm by which a layer's weights move at a
            learning rate of 1.
        learning_rate: The learning rate of weights at the start (P 5), or after the warm-up.
        base_batch_size: The batch size for which `learning_rate` is given; for another one the
            learning rate is scaled in proportion. 0: it is never scaled.
        bias_rate_multiplier: The learning rate of biases, as a multiple of the weights'.
        layer_rates: Further multiples by layer, as 'LAYER=MULTIPLIER'; or
            'LAYER=MULTIPLIER@EPOCHS', which applies after so many epochs.
        momentum: The fraction of the velocity that is kept (P 5).
        nesterov: Whether the momentum is Nesterov's (Sutskever et al., 2013).
        weight_decay: The weight decay (P 5). Biases have none.
        batch_size: Examples in a step (P 5).
        epochs: Passes over the training set (P 5).
        max_steps: The steps after which training ends even if epochs remain; 0 for no limit.
        schedule: 'plateau', which divides the learning rate when the validation error stops
            improving (P 5), 'list', 'geometric', 'cosine' or 'polynomial'.
        warmup: The share of a 'cosine' or 'polynomial' schedule in which the learning rate rises
            from 0.
        decay_power: The exponent of the 'polynomial' schedule.
        label_smoothing: The probability that targets move from the label to all classes alike
            (Szegedy et al., 2016).
        drop_epochs: The epochs after which the 'list' schedule divides the learning rate by 10.
        reshuffle: Whether every epoch has an order of its own.
        random_crops: Whether crops are at random places and mirrored at random (P 4.1), instead of
            in the middle of the image and never mirrored.
        crop_chunk: The number of consecutive images that share a crop and a mirroring.
        min_crop_area: Above 0, random crops have areas from this share of the image up to all of it
            and are resized to `crop_size` (Szegedy et al., 2015).
        max_crop_aspect: The largest aspect ratio of these crops.
        contrast: The largest relative change of the contrast of a training image.
        cutmix: The share of batches in which images get a rectangle of another image, and targets
            its label in proportion (Yun et al., 2019).
        colour_shift_sd: The standard deviation of the Gaussian that multiplies the standard
            deviation of each principal component of the colours (P 4.1); 0 for no shift.
        colour_shift_divisor: The divisor of images with a shift.
        colour_shift_epochs: The number of epochs with the shift; 0 for all.

    Example:
    >>> recipe = Recipe.from_name('paper').replace(lrn_k=1.0)
    >>> recipe.lrn_k, recipe.lrn_n
    (1.0, 5)
    """

    name: str
    layers: tuple[Layer, ...] = ()
    width: float = 1.0
    channel_multiple: int = 1
    columns: int = 2
    filters: tuple[int, ...] = (48, 128, 192, 192, 256)
    conv1_padding: int = -1
    conv1_order: str = 'relu_norm_pool'
    conv2_order: str = 'relu_norm_pool'
    conv6: bool = False
    removed_layer: str = ''
    activation: str = 'relu'
    pool_size: int = 3
    pool_rounding: str = 'floor'
    global_pooling: bool = False
    normalization: bool = True
    batch_norm: bool = False
    hidden_units: int = 4096
    crop_size: int = 224
    training_crop_size: int = 0
    view_size: int = 0
    input_mean: tuple[float, ...] = ()
    input_sd: tuple[float, ...] = ()
    input_scale: float = 1.0
    lrn_k: float = 2.0
    lrn_n: int = 5
    lrn_alpha: float = 1e-4
    lrn_beta: float = 0.75
    lrn_across_columns: bool = False
    same_map_alpha: float = 0.0
    he_initialization: bool = False
    initial_sd: float = 0.01
    initial_sd_middle: float = 0.01
    initial_sd_hidden: float = 0.01
    initial_bias: float = 1.0
    initial_bias_last: float = 0.0
    dropout: float = 0.5
    dropout_on_inputs: bool = False
    dropout_inverted: bool = False
    optimizer: str = 'sgd'
    trust_coefficient: float = 0.001
    learning_rate: float = 0.01
    base_batch_size: int = 0
    bias_rate_multiplier: float = 1.0
    layer_rates: tuple[str, ...] = ()
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 0.0005
    batch_size: int = 128
    epochs: int = 90
    max_steps: int = 0
    schedule: str = 'plateau'
    warmup: float = 0.0
    decay_power: float = 2.0
    label_smoothing: float = 0.0
    drop_epochs: tuple[int, ...] = ()
    reshuffle: bool = True
    random_crops: bool = True
    crop_chunk: int = 1
    min_crop_area: float = 0.0
    max_crop_aspect: float = 4 / 3
    contrast: float = 0.0
    cutmix: float = 0.0
    colour_shift_sd: float = 0.1
    colour_shift_divisor: float = 1.0
    colour_shift_epochs: int = 0

    def __post_init__(self):
        for name, count in (('filters', 5), ('input_mean', 3), ('input_sd', 3)):
            values = getattr(self, name)
            if len(values) != count and (values or name == 'filters'):
                text = ','.join(f'{value:g}' for value in values)
                raise ValueError(f'{name}={text}: expected {count} numbers.')
        for name, choices in _CHOICES.items():
            if (value := getattr(self, name)) not in choices:
                expected = ', '.join(repr(choice) for choice in choices)
                raise ValueError(f'{name}={value!r}: expected one of {expected}.')
        for name in ('conv1_order', 'conv2_order'):
            order = getattr(self, name)
            if sorted(order.split('_')) != ['norm', 'pool', 'relu']:
                example = PAPER.conv1_order
                raise ValueError(f'{name}={order}: expected relu, norm and pool, as {example}.')

    @classmethod
    def from_name(cls, name: str) -> 'Recipe':
        """Returns the recipe of a name.

        Raises:
            ValueError: There is no such recipe.

        Example:
        >>> Recipe.from_name('caffe').crop_size
        227
        """
        if name not in RECIPES:
            raise ValueError(f'recipe={name!r}: expected one of {", ".join(RECIPES)}.')
        return RECIPES[name]

    def replace(self, **changes) -> 'Recipe':
        """Returns a copy with some hyperparameters changed.

        The former hyperparameter `lrn1_before_pool` still sets `conv1_order`.

        Raises:
            TypeError: A recipe has no such hyperparameter.
            ValueError: A hyperparameter has too few or too many values, or an invalid one.

        Example:
        >>> Recipe.from_name('source2012').replace(lrn_alpha=1e-3).lrn_alpha
        0.001
        """
        before_pool = changes.pop(FORMER_ORDER, None)
        if before_pool is not None:
            changes.setdefault(
                'conv1_order', 'norm_pool_relu' if before_pool else PAPER.conv1_order
            )
        known = [field.name for field in dataclasses.fields(self)]
        for name in set(changes) - set(known):
            hint = errors.suggest(name, known)
            raise TypeError(f'{name}: a recipe has no such hyperparameter.{hint}')
        return dataclasses.replace(self, **changes)

    def list_overrides(self) -> dict[str, Any]:
        """Lists the settings in which this recipe differs from the original of its name.

        Example:
        >>> MODERN.replace(crop_size=192).list_overrides()
        {'crop_size': 192, 'training_crop_size': 128}
        """
        named = self.from_name(self.name)
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        changed = {name: value for name, value in values.items() if value != getattr(named, name)}
        if 'crop_size' in changed and self.training_crop_size:  # crop_size alone would reset it
            changed['training_crop_size'] = self.training_crop_size
        return changed

    @property
    def window_size(self) -> int:
        """Side of the part of the image of a record that a view shows in evaluation."""
        return self.view_size or self.crop_size

    @property
    def takes_two_sizes(self) -> bool:
        """Whether the network also takes images of other sizes than `crop_size`."""
        return self.global_pooling and self.pool_rounding == 'floor'

    def resize_for_training(self) -> 'Recipe':
        """Returns the recipe with the side of training crops as its `crop_size`.

        Example:
        >>> MODERN.resize_for_training().crop_size
        128
        """
        size = self.training_crop_size or self.crop_size
        return self.replace(crop_size=size, training_crop_size=0)

    def layer_decays(self) -> dict[str, float]:
        """Returns the multiples of the weight decay by layer; none of the paper's eight has one."""
        return {layer.name: layer.decay for layer in self.layers}


# P, to the letter but for three places.
# Paper: the sum of the normalisation runs over the maps of both columns; here, as in S, each column
# normalises its own (`lrn_across_columns`).
# Paper: the shift multiplies standard deviations, not the eigenvalues that P 4.1 writes. On pixels
# of 0 to 255 those would shift by over a thousand grey levels.
# Paper: crops have 32 x 32 positions; here, as in S, all 33 x 33.
PAPER = Recipe(name='paper')

# S on ILSVRC-2010: layers-145.cfg, layer-params-145-2010.cfg with its log, and convdata_jpeg.py. On
# ILSVRC-2012 the rates were lowered, by hand, after epochs 25, 51 and 79 of 91.
SOURCE2012 = dataclasses.replace(
    PAPER,
    name='source2012',
    lrn_alpha=1e-4 / 5,  # P's, divided by n
    # Normalisation keeps signs and ReLU commutes with a maximum, so only the sum of squares differs
    # from P's order: it counts negative outputs too.
    conv1_order='norm_pool_relu',
    same_map_alpha=1e-3 / 25,  # divided by the 5x5 neighbours
    initial_sd_middle=0.03,
    bias_rate_multiplier=2.0,
    schedule='list',
    drop_epochs=(23, 51, 78),  # by hand
    epochs=93,
    reshuffle=False,  # shuffled once, when the files were written
    crop_chunk=32,
    colour_shift_divisor=1.1,
    colour_shift_epochs=68,  # by hand
    layer_rates=('conv1=0.1@68', 'conv1=0@72'),  # by hand
)

# K, for its weights. It normalises across the columns, which are groups of one layer there. In
# training, Caffe subtracts the part of the mean image at the crop's position, and reads images in
# one order; here it is the central part, and each epoch has its own order.
CAFFE = dataclasses.replace(
    PAPER,
    name='caffe',
    crop_size=227,
    lrn_k=1.0,
    lrn_alpha=1e-4 / 5,
    lrn_across_columns=True,
    initial_sd_hidden=0.005,
    initial_bias=0.1,
    dropout_inverted=True,
    bias_rate_multiplier=2.0,
    batch_size=256,
    schedule='list',
    drop_epochs=(20, 40, 60, 80),
    colour_shift_sd=0.0,
)

# Caffe's bvlc_reference_caffenet, whose layers Places' networks and R-CNN share: it pools before it
# normalises, as its README says, and has P's initial biases.
CAFFENET = dataclasses.replace(
    CAFFE,
    name='caffenet',
    conv1_order='relu_pool_norm',
    conv2_order='relu_pool_norm',
    initial_bias=1.0,
)

# The author's own network of 2014, "One weird trick for parallelizing convolutional neural
# networks": layers-imagenet-1gpu.cfg of cuda-convnet2 and its layer-params. conv5's ReLU follows
# pool5 there, which is the same function. For other batch sizes that paper scales the learning rate
# in proportion: `base_batch_size=128`.
ONE_WEIRD_TRICK = dataclasses.replace(
    PAPER,
    name='one_weird_trick',
    columns=1,
    filters=(64, 192, 384, 256, 256),
    conv1_order='norm_pool_relu',
    lrn_alpha=1e-4 / 5,
    initial_sd_middle=0.03,
    initial_bias_last=-7.0,  # softmax of 1000 classes is about exp(-7)
    bias_rate_multiplier=2.0,
    schedule='geometric',
    colour_shift_divisor=1.1,
)

# torchvision's alexnet: the layers of ONE_WEIRD_TRICK without normalisation. The training is that
# of its reference scripts, but for the initial weights (PyTorch's are uniform in +-1/sqrt(inputs)),
# biases, which PyTorch decays, too, and the velocity, which holds the learning rate here.
TORCHVISION = dataclasses.replace(
    PAPER,
    name='torchvision',
    columns=1,
    filters=ONE_WEIRD_TRICK.filters,
    conv1_padding=2,
    normalization=False,
    input_mean=(123.675, 116.28, 103.53),  # (.485, .456, .406) times 255
    input_sd=(58.395, 57.12, 57.375),  # (.229, .224, .225) times 255
    he_initialization=True,
    initial_bias=0.0,
    dropout_on_inputs=True,
    dropout_inverted=True,
    weight_decay=1e-4,
    batch_size=256,
    schedule='list',
    drop_epochs=(30, 60),
    min_crop_area=0.08,
    colour_shift_sd=0.0,
)

# tf2cv's (imgclsmob's) alexnet, whose published weights have the lowest error. How they were
# trained is not published; the training here is torchvision's.
TF2CV = dataclasses.replace(
    TORCHVISION,
    name='tf2cv',
    filters=(96, 256, 384, 384, 256),
    conv1_padding=0,
    pool_rounding='ceil',
    normalization=True,
    lrn_n=11,  # tf.nn.lrn's default: 5 on either side
    dropout_on_inputs=False,
)

# AlexNet-BN of the LARS paper (You, Gitman and Ginsburg, 2017), batch 512: a learning rate of 0.02.
# Here batch normalisation, with scale and offset, precedes each ReLU, as in Ioffe and Szegedy, also
# in fc6 and fc7; there, without scale and offset, it follows pool1, pool2, relu3 and relu4. Here
# the learning rate falls along half a cosine, there along a parabola.
BATCH_NORM = dataclasses.replace(
    PAPER,
    name='batch_norm',
    batch_norm=True,
    dropout_inverted=True,
    learning_rate=0.02,
    batch_size=512,
    epochs=100,
    schedule='cosine',
    warmup=0.05,
    colour_shift_sd=0.0,
)

# For people's own images, a few hundred to a hundred thousand: two columns with methods of the ten
# years after. docs/results/own_images.md shows the effect of each choice.
MODERN = dataclasses.replace(
    PAPER,
    name='modern',
    width=0.5,
    channel_multiple=16,
    global_pooling=True,
    batch_norm=True,
    hidden_units=2048,
    crop_size=160,
    training_crop_size=128,
    view_size=224,
    input_scale=1 / 64,
    he_initialization=True,
    dropout=0.2,
    dropout_inverted=True,
    learning_rate=0.05,
    layer_rates=('fc8=0.1',),  # its inputs are large, and batch norm does not follow
    nesterov=True,
    weight_decay=0.002,
    batch_size=64,
    epochs=70,
    schedule='cosine',
    warmup=0.05,
    label_smoothing=0.1,
    min_crop_area=0.25,
    contrast=0.2,
)

# What the networks of cuda-convnet's example layers have in common.
_SMALL = dataclasses.replace(
    PAPER,
    name='small',
    columns=1,
    crop_size=24,
    initial_bias=0.0,
    dropout=0.0,
    learning_rate=0.001,
    bias_rate_multiplier=2.0,
    weight_decay=0.004,
    schedule='list',
    reshuffle=False,
    colour_shift_sd=0.0,
)

# P's footnote 3: layers-conv-local-13pct.cfg and -11pct.cfg of code.google.com/p/cuda-convnet, with
# their published learning rates by epoch; there, the first 100 and 350 epochs left out 10,000
# training images, to validate on. An activation that precedes a maximum there follows it here: the
# same function, for a quarter of the work.
CIFAR13 = dataclasses.replace(
    _SMALL,
    name='cifar13',
    layers=(
        Layer('conv1', 64, ('max_pool', 'activation'), sd=0.01, decay=0.0),
        Layer('conv2', 64, ('max_pool', 'activation'), decay=0.0),
        Layer('local3', 32, ('activation',), sd=4.0),
        Layer('local4', 32, ('activation',), sd=4.0),
        Layer('fc5', 0),
    ),
    epochs=160,
    drop_epochs=(140, 150),
)
CIFAR11 = dataclasses.replace(
    _SMALL,
    name='cifar11',
    layers=(
        Layer('conv1', 64, ('max_pool', 'activation', 'normalization'), sd=0.01, decay=0.0),
        Layer('conv2', 64, ('activation', 'normalization', 'max_pool'), decay=0.0),
        Layer('local3', 64, ('activation',), sd=4.0),
        Layer('local4', 32, ('activation',), sd=4.0),
        Layer('fc5', 0, decay=2.5),
    ),
    lrn_k=1.0,
    lrn_n=9,
    lrn_alpha=0.001 / 9,
    epochs=520,
    drop_epochs=(500, 510),
)

# P's figure 1 is of "a four-layer" network; no more is known. This is the layout of cuda-convnet's
# layers-19pct.cfg, without regularisation. conv1's initial weights are ten times as large as
# there, or tanh would hardly see the image.
FIGURE1 = dataclasses.replace(
    _SMALL,
    name='figure1',
    layers=(
        Layer('conv1', 32, ('max_pool', 'activation'), sd=0.1),
        Layer('conv2', 32, ('activation', 'average_pool')),
        Layer('conv3', 64, ('activation', 'average_pool')),
        Layer('fc4', 0),
    ),
    crop_size=32,
    weight_decay=0.0,
    random_crops=False,
    reshuffle=True,
    epochs=60,
)

_BIG = (PAPER, SOURCE2012, CAFFE, CAFFENET, ONE_WEIRD_TRICK, TORCHVISION, TF2CV, BATCH_NORM, MODERN)
_ALL = (*_BIG, CIFAR13, CIFAR11, FIGURE1)
RECIPES = {recipe.name: recipe for recipe in _ALL}
