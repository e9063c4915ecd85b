"""Every number of a preset: what the paper says, what its source ran, what Caffe made of it.

A recipe is a value. Code asks it for numbers and never for its name. P is the paper, S the 2012
source (github.com/computerhistory/AlexNet-Source-Code, network #145), K is Caffe's bvlc_alexnet.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Layer:
    """One layer with weights of a small network (`cifar`).

    Attributes:
        name: 'conv' (5x5), 'local' (3x3, unshared) or 'fc', and its place.
        maps: That it makes; 0: one for each class.
        after: What follows it: 'activation', 'max_pool', 'average_pool', 'normalization'.
        sd: Of its initial weights, as a multiple of the recipe's.
        decay: The same for the decay of its weights.
    """

    name: str
    maps: int
    after: tuple[str, ...] = ()
    sd: float = 1.0
    decay: float = 1.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """The numbers of a network and of its training. Rates are per step, pixels are 0..255.

    Attributes:
        name: The preset it came from, for tables and records.
        layers: Of a small network for pictures of 32 pixels (`cifar`), in order; () for the paper's
            eight, which all of the next lines up to crop_size are about, but for activation,
            pool_size and normalization.
        columns: 2, or 1 for the one-GPU network of footnote 2: one column's kernels up to conv4,
            then as many as both columns have.
        conv6: A sixth convolution over the last pooling (P 7, table 2).
        removed_layer: '' or which of conv3, conv4, conv5 is left out (P 7); the next layer reads
            what it would have read.
        activation: 'relu', or 'tanh' (P 3.1).
        pool_size: Side of the pooling windows, 2 apart: 3, or 2 for no overlap (P 3.4).
        normalization: Whether norm1 and norm2 are there (P 3.3).
        crop_size: Side of the square that the network sees.
        lrn_k: Constant of the normalisation (P 3.3).
        lrn_n: Number of adjacent kernel maps it sums over, an odd number.
        lrn_alpha: Coefficient of the sum of squares, not divided by n.
        lrn_beta: Exponent.
        lrn_across_columns: The neighbouring maps of the other column count too, at the seam.
        lrn1_before_pool: The first normalisation stands on conv1's linear output, before pooling
            and ReLU; otherwise after the ReLU, before pooling.
        same_map_alpha: Coefficient of an extra normalisation over 5x5 neighbours in the same map
            after the second one; 0 for none.
        initial_sd: Standard deviation of the Gaussian that weights start from.
        initial_sd_middle: The same for conv3, conv4, conv5 (and conv6).
        initial_sd_hidden: The same for fc6 and fc7.
        initial_bias: Bias of conv2, conv4, conv5 (and conv6), fc6 and fc7; the others start at 0.
        dropout: Share of fc6's and fc7's outputs set to zero in training.
        dropout_inverted: Scale in training by 1 / (1 - dropout), instead of by 1 - dropout after.
        learning_rate: At the start, for weights.
        bias_rate_multiplier: Learning rate of biases, in units of the weights'.
        layer_rates: Further multiples by layer, 'LAYER=MULTIPLIER@EPOCHS'; see `schedule`.
        momentum: Of the velocity.
        weight_decay: Of weights; biases have none.
        batch_size: Examples a step.
        epochs: Passes over the training set.
        schedule: 'plateau' (divide when the validation error stops improving), 'list', or
            'geometric'; see `schedule`.
        drop_epochs: Epochs after which a 'list' schedule divides the rate by 10.
        reshuffle: Whether every epoch has an order of its own.
        random_crops: Crops are cut at random places, and mirrored or not (P 4.1); otherwise they
            are the middle of the picture, never mirrored.
        crop_chunk: So many pictures in a row share crop and mirror.
        colour_shift_sd: Standard deviation of the draw that multiplies each principal component's
            standard deviation (P 4.1); 0 for no shift.
        colour_shift_divisor: Pictures are divided by it while there is a shift.
        colour_shift_epochs: How many epochs have the shift; 0 for all.
    """

    name: str
    layers: tuple[Layer, ...] = ()
    columns: int = 2
    conv6: bool = False
    removed_layer: str = ''
    activation: str = 'relu'
    pool_size: int = 3
    normalization: bool = True
    crop_size: int = 224
    lrn_k: float = 2.0
    lrn_n: int = 5
    lrn_alpha: float = 1e-4
    lrn_beta: float = 0.75
    lrn_across_columns: bool = False
    lrn1_before_pool: bool = False
    same_map_alpha: float = 0.0
    initial_sd: float = 0.01
    initial_sd_middle: float = 0.01
    initial_sd_hidden: float = 0.01
    initial_bias: float = 1.0
    dropout: float = 0.5
    dropout_inverted: bool = False
    learning_rate: float = 0.01
    bias_rate_multiplier: float = 1.0
    layer_rates: tuple[str, ...] = ()
    momentum: float = 0.9
    weight_decay: float = 0.0005
    batch_size: int = 128
    epochs: int = 90
    schedule: str = 'plateau'
    drop_epochs: tuple[int, ...] = ()
    reshuffle: bool = True
    random_crops: bool = True
    crop_chunk: int = 1
    colour_shift_sd: float = 0.1
    colour_shift_divisor: float = 1.0
    colour_shift_epochs: int = 0

    def layer_decays(self) -> dict[str, float]:
        """What weight decay is multiplied by, by layer; of the paper's eight, none is named."""
        return {each.name: each.decay for each in self.layers}


# P, to the letter. The draw multiplies standard deviations, not the eigenvalues that P writes:
# on 0..255 pixels those would shift by over a thousand grey levels.
PAPER = Recipe(name='paper')

# S, network #145 on ILSVRC-2010, whose logged errors are the paper's to the digit. Late in its
# run the colour shift went and conv1 slowed down, then stood still.
SOURCE2012 = dataclasses.replace(
    PAPER,
    name='source2012',
    lrn_alpha=1e-4 / 5,
    lrn1_before_pool=True,
    same_map_alpha=1e-3 / 25,
    initial_sd_middle=0.03,
    bias_rate_multiplier=2.0,
    schedule='list',
    drop_epochs=(23, 51, 78),
    epochs=93,
    reshuffle=False,
    crop_chunk=32,
    colour_shift_divisor=1.1,
    colour_shift_epochs=68,
    layer_rates=('conv1=0.1@68', 'conv1=0@72'),
)

# K: models/bvlc_alexnet, so that its weights can be used. Its normaliser does not know columns.
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

# What the small networks have in common: one column, no dropout, biases from 0.
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

# The networks of P's footnote 3: layers-conv-local-13pct.cfg and -11pct.cfg of
# code.google.com/p/cuda-convnet, with their published schedules. Where the activation stands right
# before a maximum there, it comes after it here: the same function, for a quarter of the work.
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
# P's figure 1 is of "a four-layer network", no more is known: the layout of cuda-convnet's
# layers-19pct.cfg, without regularisation. conv1 begins ten times as large as there, or tanh would
# hardly see the picture.
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

PRESETS = {recipe.name: recipe for recipe in (PAPER, SOURCE2012, CAFFE, CIFAR13, CIFAR11, FIGURE1)}


def resolve(name: str, **overrides) -> Recipe:
    """The preset `name` with every override that is not None put in its place.

    Raises:
        KeyError: No such preset.
        TypeError: An override that is no field of a recipe.
    """
    given = {field: value for field, value in overrides.items() if value is not None}
    return dataclasses.replace(PRESETS[name], **given)
