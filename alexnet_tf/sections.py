"""The settings by section: the default, help text and bounds of each. Standard library only.

A setting is one field: the flag, the help text and the key in the saved JSON follow from it.
"""

import dataclasses

from alexnet_tf import settings


@dataclasses.dataclass(frozen=True)
class Network(settings.Checked):
    """The network, and the numbers that differ from the recipe's."""

    recipe: str = settings.setting(
        'source2012',
        "The preset: the paper's text to the letter, what its 2012 source ran, or Caffe's; or one "
        "of the paper's small networks for CIFAR-10: of footnote 3, without and with "
        'normalisation, or of figure 1.',
        choices=('paper', 'source2012', 'caffe', 'cifar13', 'cifar11', 'figure1'),
    )
    width: float = settings.setting(
        1.0, "Layer sizes as a multiple of the paper's.", low=1 / 48, high=16
    )
    devices: tuple[str, ...] = settings.setting(
        (),
        'Device of column a and of column b, as /GPU:0,/GPU:1; one device holds both. With '
        '--strategy=mirrored, a device for each copy. Of training and its measurements; other '
        "modes take TensorFlow's first.",
    )
    strategy: str = settings.setting(
        'auto',
        'What devices are for: two_columns has a column on each of two, mirrored a copy of the '
        "network on each of this host's, multi_worker on those of every host in TF_CONFIG. auto: "
        'as many as --devices names have a column.',
        choices=('auto', 'one_device', 'two_columns', 'mirrored', 'multi_worker'),
    )
    precision: str = settings.setting(
        'float32',
        'Dtype of activations; weights stay float32. float16 scales the loss.',
        choices=('float32', 'bfloat16', 'float16'),
    )
    columns: int | None = settings.setting(
        None, "Columns; 1 is the network of the paper's footnote 2. [recipe's]", choices=(1, 2)
    )
    conv6: bool | None = settings.setting(None, "A sixth convolution over pool5. [recipe's]")
    removed_layer: str | None = settings.setting(
        None, "A convolution to leave out. [recipe's]", choices=('', 'conv3', 'conv4', 'conv5')
    )
    activation: str | None = settings.setting(
        None, "Non-linearity. [recipe's]", choices=('relu', 'tanh')
    )
    pool_size: int | None = settings.setting(
        None, "Side of pooling windows, 2 apart; 2: no overlap. [recipe's]", choices=(2, 3)
    )
    normalization: bool | None = settings.setting(
        None, "Whether norm1 and norm2 are there. [recipe's]"
    )
    crop_size: int | None = settings.setting(
        None, "Side of the training crop. [recipe's]", low=11, high=256
    )
    lrn_k: float | None = settings.setting(None, "Normalisation's k. [recipe's]", low=1e-6)
    lrn_n: int | None = settings.setting(None, "Normalisation's n, odd. [recipe's]", low=1)
    lrn_alpha: float | None = settings.setting(None, "Normalisation's alpha. [recipe's]", low=0)
    lrn_beta: float | None = settings.setting(None, "Normalisation's beta. [recipe's]", low=0)
    lrn_across_columns: bool | None = settings.setting(
        None, "Normalisation over all maps, not one column's. [recipe's]"
    )
    lrn1_before_pool: bool | None = settings.setting(
        None, "First normalisation on conv1's linear output. [recipe's]"
    )
    same_map_alpha: float | None = settings.setting(
        None, "Alpha of the source's extra same-map normalisation; 0: none. [recipe's]", low=0
    )
    initial_sd: float | None = settings.setting(
        None, "Sd of initial weights; a small network's layers have multiples. [recipe's]", low=0
    )
    initial_sd_middle: float | None = settings.setting(
        None, "The same for conv3 to conv6. [recipe's]", low=0
    )
    initial_sd_hidden: float | None = settings.setting(
        None, "The same for fc6, fc7. [recipe's]", low=0
    )
    initial_bias: float | None = settings.setting(
        None,
        "Initial bias of conv2, conv4 to conv6, fc6, fc7; of a small network's layers. [recipe's]",
    )
    dropout: float | None = settings.setting(
        None, "Share of hidden outputs dropped. [recipe's]", low=0, high=0.99
    )
    dropout_inverted: bool | None = settings.setting(
        None, "Scale kept outputs in training, not all in test. [recipe's]"
    )


@dataclasses.dataclass(frozen=True)
class Training(settings.Checked):
    """How it learns, and what it writes."""

    learning_rate: float | None = settings.setting(None, "Initial learning rate. [recipe's]", low=0)
    bias_rate_multiplier: float | None = settings.setting(
        None, "Learning rate of biases as a multiple. [recipe's]", low=0
    )
    layer_rates: tuple[str, ...] | None = settings.setting(
        None,
        'Learning rates of layers as multiples, from the start or after so many epochs, as '
        "fc8=10,conv1=0@72. [recipe's]",
        pattern=r'(conv[1-6]|local[34]|fc[4-8])=\d+(\.\d+)?(@\d+)?',
    )
    momentum: float | None = settings.setting(None, "Momentum. [recipe's]", low=0, high=1)
    weight_decay: float | None = settings.setting(
        None, "Weight decay; a small network's layers have multiples. [recipe's]", low=0
    )
    batch_size: int | None = settings.setting(
        None, "Examples in a step. [recipe's]", low=1, high=1_000_000
    )
    epochs: int | None = settings.setting(
        None, "Passes over the training examples. [recipe's]", low=1
    )
    stop_train_error: float = settings.setting(
        -1.0, 'End after an epoch of at most this training error; -1: never.', low=-1, high=1
    )
    schedule: str | None = settings.setting(
        None,
        'Divide the rate by 10 on a plateau of validation error, or after --drop_epochs; or by 250 '
        "in four equal stretches of --epochs. [recipe's]",
        choices=('plateau', 'list', 'geometric'),
    )
    drop_epochs: tuple[int, ...] | None = settings.setting(
        None, "Epochs after which the rate is divided, as 23,51,78. [recipe's]", low=1
    )
    patience_epochs: int = settings.setting(
        5, 'Epochs without a better validation error that make a plateau.', low=1
    )
    reshuffle: bool | None = settings.setting(
        None, "Whether every epoch has an order of its own. [recipe's]"
    )
    random_crops: bool | None = settings.setting(
        None, "Crops at random places, mirrored or not; else the middle. [recipe's]"
    )
    crop_chunk: int | None = settings.setting(
        None, "So many pictures in a row share crop and mirror. [recipe's]", low=1
    )
    colour_shift_sd: float | None = settings.setting(
        None, "Sd of the colour shift, in components' sds; 0: none. [recipe's]", low=0
    )
    colour_shift_divisor: float | None = settings.setting(
        None, "Pictures are divided by it while there is a shift. [recipe's]", low=0.1
    )
    colour_shift_epochs: int | None = settings.setting(
        None, "Epochs with the colour shift; 0: all. [recipe's]", low=0
    )
    init_weights: str = settings.setting(
        '',
        "Weights to begin from: the directory of a run, Caffe's AlexNet as .npy, .npz or "
        ".caffemodel, or a checkpoint's variables.npz.",
    )
    init_layers: tuple[str, ...] | None = settings.setting(
        None,
        'Layers that --init_weights sets, as conv1,conv2; the others begin afresh. [all; of a run '
        'on other classes, all but the last]',
        pattern=r'conv[1-6]|local[34]|fc[4-8]',
    )
    init_missing: str = settings.setting(
        'refuse',
        'What to do about layers that --init_weights lacks, fc8 for other classes among them: '
        'refuse, or begin them afresh.',
        choices=('refuse', 'fresh'),
    )
    accumulate_steps: int = settings.setting(
        1,
        'Take a batch in so many parts, one after the other, where it does not fit in memory: the '
        'same update.',
        low=1,
        high=1024,
    )
    on_nonfinite: str = settings.setting(
        'stop',
        'When the loss or a gradient is no number: stop, or go back to the newest checkpoint and '
        'pass over the batch, at most three times.',
        choices=('stop', 'rollback'),
    )
    checkpoint_secs: int = settings.setting(
        600, 'Seconds between checkpoints inside an epoch; there is one at the end of each.', low=1
    )
    keep_every_epochs: int = settings.setting(
        0,
        'Keep the checkpoint of every so manieth epoch, beside the newest three and the best.',
        low=0,
    )
    profile_steps: tuple[int, ...] = settings.setting(
        (), 'First and last step of a profile for TensorBoard, as 10,20.', low=1
    )
    log_every_steps: int = settings.setting(
        20, 'Steps between lines of progress and scalars.', low=1
    )
