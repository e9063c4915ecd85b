"""Every number of a preset: what the paper says, what its source ran, what Caffe made of it.

A recipe is a value. Code asks it for numbers and never for its name. P is the paper, S the 2012
source (github.com/computerhistory/AlexNet-Source-Code, network #145), K is Caffe's bvlc_alexnet.
"""

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """The numbers of a network and of its training. Rates are per step, pixels are 0..255.

    Attributes:
        name: The preset it came from, for tables and records.
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
        crop_chunk: So many pictures in a row share crop and mirror.
        colour_shift_sd: Standard deviation of the draw that multiplies each principal component's
            standard deviation (P 4.1); 0 for no shift.
        colour_shift_divisor: Pictures are divided by it while there is a shift.
        colour_shift_epochs: How many epochs have the shift; 0 for all.
    """

    name: str
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
    crop_chunk: int = 1
    colour_shift_sd: float = 0.1
    colour_shift_divisor: float = 1.0
    colour_shift_epochs: int = 0


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

PRESETS = {recipe.name: recipe for recipe in (PAPER, SOURCE2012, CAFFE)}


def resolve(name: str, **overrides) -> Recipe:
    """The preset `name` with every override that is not None put in its place.

    Raises:
        KeyError: No such preset.
        TypeError: An override that is no field of a recipe.
    """
    given = {field: value for field, value in overrides.items() if value is not None}
    return dataclasses.replace(PRESETS[name], **given)
