"""All settings by section; a setting's name is that of its flag and its key in config.json."""

import dataclasses
from typing import ClassVar

from alexnet_tf.config import fields, validation

MODES = {
    'prepare': 'Convert images to records of 256 x 256 pixels, with statistics.',
    'train': 'Train the network; the same command resumes a stopped run.',
    'import': 'Turn a weight file of Caffe, PyTorch, MatConvNet or others into a run.',
    'evaluate': 'Compute errors of runs and ensembles, single-crop and ten-crop.',
    'predict': 'Predict the most probable classes of image files.',
    'export': 'Write a SavedModel for serving, on request LiteRT and ONNX too.',
    'report': "Write an HTML page and a model card, or print the paper's tables.",
    'plot': 'Plot kernels, predictions, similar images, curves and more.',
    'retrieve': 'Find similar images by the features of the last hidden layer.',
    'benchmark': 'Measure the speed of training, inference, input and serving.',
    'verify': 'Check the network against values from the paper and its source.',
    'data_service': 'Decode and crop images for training runs on other hosts.',
    'experiment': 'Train a run for each combination of --grid, or search within --minutes.',
    'all': 'Prepare, train, evaluate, export and report, in this order.',
}

_TRAIN = ('train', 'experiment', 'all')
_SCORE = ('evaluate', 'experiment', 'all')
_INITIALISE = (*_TRAIN, 'benchmark', 'plot')  # plot: --figure=network without a run
_BUILD = (*_INITIALISE, 'import')
_LOAD_RUN = ('evaluate', 'predict', 'export', 'report', 'plot', 'retrieve')
_READ_NO_DATA = ('import', 'predict', 'verify', 'data_service')
_READ_DATA = tuple(mode for mode in MODES if mode not in _READ_NO_DATA)
_SERVE = ('data_service',)
_UPDATE = (*_TRAIN, 'benchmark')
_WORKERS = {'modes': _TRAIN, 'listed': ('train',)}  # other modes refuse several workers
# Training uses these to index unprepared images; its --help has no room for them.
_INDEX = {'modes': ('prepare', *_TRAIN), 'listed': ('prepare', 'all')}
_AVERAGE = ('evaluate', 'predict')
_NUMBER = r'(\d+\.?\d*|\.\d+)'
_LAYER = r'(conv[1-6]|local[34]|fc[4-8])'
_SPLITS = ('train', 'validation', 'test')
_DTYPES = ('float32', 'bfloat16', 'float16')
ANY_RECIPE = 'auto'  # default of --mode=import


@dataclasses.dataclass(frozen=True)
class Data(fields.Section):
    """Settings of the data set: images, records, and how images become records."""

    modes: ClassVar = ('prepare', 'all')

    data_dir: str = fields.setting(
        'data/default',
        'Records or images (class folders, TFRecords, tfds:NAME). For a trained run, its own by '
        'default.',
        modes=_READ_DATA,
    )
    source: str = fields.setting(
        'auto',
        'Where the images come from:',
        choices={
            'auto': 'detect it; sample without --source_dir',
            'sample': 'crops of six images of scikit-image',
            'folder': 'one folder per class, optionally in train/ and val/',
            'csv': 'a file of path,label or path,label,split',
            'ilsvrc2010': 'the archives of ILSVRC-2010, as downloaded',
            'ilsvrc2012': 'the archives of ILSVRC-2012, as downloaded',
            'fall2011': 'fall11_whole.tar, all of ImageNet',
            'imagenet10k': 'the 10,184 classes of Fall 2009',
            'cifar10': 'cifar-10-python.tar.gz, or its images in folders',
            'tfds': 'a data set of tensorflow-datasets, see --dataset',
            'records': 'TFRecord files of other programs',
        },
        aliases={'photographs': 'sample'},
        **_INDEX,
    )
    source_dir: str = fields.setting(
        '',
        'Folder, file or archives of --source. If its name is X, --data_dir and --run_dir default '
        'to data/X and runs/X.',
        metavar='PATH',
    )
    dataset: str = fields.setting('', 'Name of the data set of --source=tfds.', metavar='NAME')
    train_split: str = fields.setting(
        '', "--dataset split to train on, such as 'train[:80%]'.", metavar='SPLIT', **_INDEX
    )
    validation_split: str = fields.setting(
        '',
        'Split of --dataset to hold out. Default: validation, else test.',
        metavar='SPLIT',
        **_INDEX,
    )
    exif_orientation: str = fields.setting(
        'auto',
        'Apply EXIF orientation: on, off or auto (on for folders and CSV).',
        choices=('auto', 'on', 'off'),
        **_INDEX,
    )
    colour_profiles: str = fields.setting(
        'auto',
        'Convert ICC profiles to sRGB: on, off or auto (on for folders and CSV).',
        choices=('auto', 'on', 'off'),
        **_INDEX,
    )
    background: str = fields.setting(
        'white', 'Colour behind transparent pixels: name or #rrggbb.', metavar='COLOR', **_INDEX
    )
    validation_fraction: float = fields.setting(
        0.2,
        'Share of each class to hold out if the source has no split.',
        low=0.001,
        high=0.9,
        **_INDEX,
    )
    record_encoding: str = fields.setting(
        'jpeg',
        'What records hold of an image:',
        choices={
            'jpeg': '256 x 256, as a JPEG of --record_quality',
            'raw': '256 x 256, as uncompressed pixels',
            'reference': 'only the location of its file',
        },
    )
    record_quality: int = fields.setting(95, 'Quality of JPEGs in records.', low=1, high=100)
    record_subsampling: str = fields.setting(
        '444',
        'Chroma resolution of JPEGs in records:',
        choices={'444': 'full', '420': 'half, which decodes faster'},
    )
    statistics: str = fields.setting(
        '2000',
        'Unprepared images: mean and colour covariance of N training images, imagenet, or a FILE.',
        metavar='N_OR_FILE',
        modes=('prepare', *_TRAIN),
    )
    shard_examples: int = fields.setting(1024, 'Maximum examples per record file.', low=1, **_INDEX)
    max_bad_fraction: float = fields.setting(
        0.01, 'Share of unreadable images to accept.', low=0, high=1, modes=('prepare', *_TRAIN)
    )
    fail_on_leak: bool = fields.setting(False, 'Fail if a training image is in another split too.')
    dry_run: bool = fields.setting(False, 'Print the plan, write nothing.', modes=('prepare',))
    verify_only: bool = fields.setting(
        False, 'Only check every byte of the records in --data_dir.', modes=('prepare',)
    )
    workers: int = fields.setting(0, 'Threads that convert. 0: one per core.', low=0, high=1024)
    engine: str = fields.setting(
        'local',
        'Convert by threads here (local) or Apache Beam (beam).',
        choices=('local', 'beam'),
    )
    beam_options: str = fields.setting(
        '', "Options of the Beam runner, such as '--runner=DirectRunner'.", metavar='OPTIONS'
    )


@dataclasses.dataclass(frozen=True)
class Input(fields.Section):
    """Settings of the input pipeline, from records to batches."""

    modes: ClassVar = _UPDATE

    augment_on: str = fields.setting(
        'cpu', 'Mirror and colour-shift on:', choices=('cpu', 'accelerator')
    )
    on_bad_record: str = fields.setting(
        'stop', 'At an unreadable record: stop, or skip it (slower).', choices=('stop', 'skip')
    )
    cache: str = fields.setting('none', 'Copy the records to:', choices=('none', 'memory', 'disk'))
    data_service: str = fields.setting(
        '',
        'Decode in a data service at grpc://HOST:PORT, in random order without --lanes.',
        metavar='ADDRESS',
        modes=_TRAIN,
    )
    service_role: str = fields.setting(
        'worker', 'Role in the service:', choices=('dispatcher', 'worker'), modes=_SERVE
    )
    service_port: int = fields.setting(0, 'Port. 0: any free one.', low=0, high=65535, modes=_SERVE)
    service_host: str = fields.setting(
        'localhost', 'Name at which trainers reach this worker.', modes=_SERVE
    )
    service_dispatcher: str = fields.setting(
        'localhost:5050', "A worker's dispatcher, HOST:PORT.", modes=_SERVE
    )


@dataclasses.dataclass(frozen=True)
class Weights(fields.Section):
    """Settings of imported weights, and of what their file does not contain."""

    modes: ClassVar = ('import',)

    weights: str = fields.setting(
        '',
        'File of weights: .caffemodel, .h5, .keras, .mat, .npy, .npz, .onnx, .pt, .pth, '
        '.safetensors, .tar.',
        metavar='FILE',
    )
    class_names: str = fields.setting(
        '',
        "Text file, one class per line. Default: from --weights, or ImageNet's 1000.",
        metavar='FILE',
    )
    mean_image: str = fields.setting(
        '',
        "Mean image to subtract, .npy or .binaryproto. Default: from --weights, or the recipe's.",
        metavar='FILE',
    )
    resize: str = fields.setting(
        'auto',
        'How image files become squares of 256 x 256:',
        choices={
            'auto': 'as the program of the weights does it',
            'crop': 'the shorter side is resized, then the centre cropped',
            'warp': "the whole image is resized, as by Caffe's tools",
        },
    )


@dataclasses.dataclass(frozen=True)
class Network(fields.Section):
    """Settings of the network, its devices and its initialisation."""

    modes: ClassVar = _BUILD

    recipe: str = fields.setting(
        'source2012',
        'Hyperparameters to start from; flags override them:',
        choices={
            'paper': 'the text of the paper',
            'source2012': "what the paper's source code ran",
            'caffe': "Caffe's bvlc_alexnet, whose weights it loads",
            'caffenet': 'CaffeNet and Places: pooling before norm',
            'one_weird_trick': "Krizhevsky's of 2014, one column",
            'torchvision': "torchvision's, without normalisation",
            'tf2cv': "tf2cv's, one column with the paper's sizes",
            'batch_norm': "the paper's network with batch norm",
            'modern': 'batch norm and more, for your own images',
            'cifar13': "footnote 3's CIFAR-10 network, 13 % error",
            'cifar11': 'the same with normalisation, 11 % error',
            'figure1': 'the four layers of figure 1, for CIFAR-10',
            ANY_RECIPE: "the weights' recipe (--mode=import only)",
        },
        modes=(*_BUILD, 'verify'),
    )
    width: float | None = fields.setting(
        None, "Multiple of the paper's layer sizes.", low=1 / 48, high=16
    )
    channel_multiple: int | None = fields.setting(
        None, 'Round channels of a column to multiples of this.', low=1, high=64
    )
    devices: tuple[str, ...] = fields.setting(
        (),
        "Such as /GPU:0,/GPU:1. Default: TensorFlow's first.",
        metavar='DEVICE,...',
        modes=_INITIALISE,
    )
    strategy: str = fields.setting(
        'auto',
        'What each of --devices holds:',
        choices={
            'auto': 'two_columns for two devices, else one_device',
            'one_device': 'the whole network',
            'two_columns': 'one column, as in the paper',
            'mirrored': 'a replica of the network',
            'multi_worker': 'a replica, on each GPU of each worker',
        },
        modes=_INITIALISE,
    )
    worker_timeout_secs: float = fields.setting(
        120.0, 'Seconds to wait for a silent worker.', low=5, high=86_400, **_WORKERS
    )
    collective: str = fields.setting(
        'auto', 'All-reduce over workers:', choices=('auto', 'ring', 'nccl'), **_WORKERS
    )
    reduce_precision: str = fields.setting(
        'float32',
        'Replicas sum gradients in:',
        choices=('float32', 'bfloat16'),
        modes=_TRAIN,
    )
    precision: str = fields.setting('float32', 'Dtype of activations:', choices=_DTYPES)
    columns: int | None = fields.setting(
        None, "Columns: 2, or 1 as in the paper's footnote 2.", choices=(1, 2)
    )
    filters: tuple[int, ...] | None = fields.setting(
        None, 'Filters per column (conv5: in total) at --width=1.', low=1, metavar='N,N,N,N,N'
    )
    conv1_padding: int | None = fields.setting(
        None, 'Zero padding of images. -1: as conv1 needs.', low=-1, high=5
    )
    conv1_order: str | None = fields.setting(None, 'Order of relu, norm, pool after conv1.')
    conv2_order: str | None = fields.setting(None, 'Order of relu, norm, pool after conv2.')
    conv6: bool | None = fields.setting(None, 'Add a sixth convolution over pool5.')
    removed_layer: str | None = fields.setting(
        None, 'Convolution to leave out:', choices=('', 'conv3', 'conv4', 'conv5'), metavar='LAYER'
    )
    activation: str | None = fields.setting(None, 'Nonlinearity:', choices=('relu', 'tanh'))
    pool_size: int | None = fields.setting(
        None, 'Side of pooling windows: 3, or 2 without overlap.', choices=(2, 3)
    )
    pool_rounding: str | None = fields.setting(
        None, 'Round window counts: floor, or ceil (zero padding).', choices=('floor', 'ceil')
    )
    global_pooling: bool | None = fields.setting(None, 'Let pool5 average whole feature maps.')
    normalization: bool | None = fields.setting(None, 'Apply norm1 and norm2.')
    batch_norm: bool | None = fields.setting(
        None, 'Batch normalisation instead of norm1 and norm2.'
    )
    hidden_units: int | None = fields.setting(
        None, 'Units of fc6, and of fc7, at --width=1.', low=2
    )
    crop_size: int | None = fields.setting(
        None, 'Side of the images that the network gets.', low=11, high=256
    )
    training_crop_size: int | None = fields.setting(
        None,
        'Side in training, if smaller. 0: --crop_size.',
        low=0,
        high=256,
        modes=_INITIALISE,
    )
    view_size: int | None = fields.setting(
        None, 'Side of the view resized to --crop_size. 0: equal.', low=0, high=256
    )
    input_mean: tuple[float, ...] | None = fields.setting(
        None,
        "Colour to subtract. Default: the training images'.",
        low=0,
        high=255,
        metavar='R,G,B',
    )
    input_sd: tuple[float, ...] | None = fields.setting(
        None, 'Divide mean-subtracted pixels by these.', low=1e-6, high=255, metavar='R,G,B'
    )
    input_scale: float | None = fields.setting(
        None, 'Multiply mean-subtracted pixels by this.', low=1e-6
    )
    lrn_k: float | None = fields.setting(None, "Normalisation's k.", low=1e-6)
    lrn_n: int | None = fields.setting(None, "Normalisation's n: channels in a sum; odd.", low=1)
    lrn_alpha: float | None = fields.setting(
        None, "Normalisation's alpha, not divided by n.", low=0
    )
    lrn_beta: float | None = fields.setting(None, "Normalisation's beta.", low=0)
    lrn_across_columns: bool | None = fields.setting(None, 'Let norm sums span both columns.')
    lrn1_before_pool: bool | None = fields.setting(
        None, 'Old flag for --conv1_order=norm_pool_relu.'
    )
    same_map_alpha: float | None = fields.setting(
        None, "Alpha of the source's within-channel norm. 0: none.", low=0
    )
    he_initialization: bool | None = fields.setting(
        None,
        'He initialisation, except of fc8 (--initial_sd).',
        modes=_INITIALISE,
    )
    initial_sd: float | None = fields.setting(
        None, 'Standard deviation of initial weights.', low=0, modes=_INITIALISE
    )
    initial_sd_middle: float | None = fields.setting(
        None, 'Standard deviation in conv3 to conv6.', low=0, modes=_INITIALISE
    )
    initial_sd_hidden: float | None = fields.setting(
        None, 'Standard deviation in fc6 and fc7.', low=0, modes=_INITIALISE
    )
    initial_bias: float | None = fields.setting(
        None, 'Bias of conv2, conv4 to conv6, fc6, fc7.', modes=_INITIALISE
    )
    initial_bias_last: float | None = fields.setting(None, 'Bias of fc8.', modes=_INITIALISE)
    dropout: float | None = fields.setting(None, 'Dropout rate of fc6 and fc7.', low=0, high=0.99)
    dropout_on_inputs: bool | None = fields.setting(
        None, 'Drop inputs of fc6 and fc7, not outputs.'
    )
    dropout_inverted: bool | None = fields.setting(None, 'Scale in training, not in inference.')


@dataclasses.dataclass(frozen=True)
class Training(fields.Section):
    """Settings of the optimization, and of what a training run writes."""

    modes: ClassVar = _TRAIN

    optimizer: str | None = fields.setting(
        None,
        'Momentum (sgd), or for large batches lars.',
        choices=('sgd', 'lars'),
        modes=_UPDATE,
    )
    trust_coefficient: float | None = fields.setting(
        None, 'Factor of the learning rates of --optimizer=lars.', low=1e-9, modes=_UPDATE
    )
    learning_rate: float | None = fields.setting(None, 'Initial learning rate.', low=0)
    base_batch_size: int | None = fields.setting(
        None, 'Scale --learning_rate by batch size / this. 0: no.', low=0
    )
    bias_rate_multiplier: float | None = fields.setting(
        None, 'Learning rate of biases, as a multiple.', low=0
    )
    layer_rates: tuple[str, ...] | None = fields.setting(
        None,
        'Learning rate factors by layer: fc8=10,conv1=0@72.',
        pattern=rf'{_LAYER}={_NUMBER}(@\d+)?',
        expected='LAYER=MULTIPLE[@EPOCHS] with a layer from conv1 to fc8, such as conv1=0@72',
        metavar='LAYER=MULTIPLE[@EPOCHS],...',
    )
    momentum: float | None = fields.setting(None, 'Momentum.', low=0, high=1, modes=_UPDATE)
    nesterov: bool | None = fields.setting(None, "Nesterov's momentum.", modes=_UPDATE)
    weight_decay: float | None = fields.setting(None, 'Weight decay.', low=0, modes=_UPDATE)
    batch_size: int | None = fields.setting(
        None, 'Examples in a step.', low=1, high=1_000_000, modes=_UPDATE
    )
    epochs: int | None = fields.setting(None, 'Passes over the training examples.', low=1)
    minutes: float = fields.setting(
        0.0,
        'Time budget; network, batch, steps, precision and CutMix are chosen for it. 0: none.',
        low=0,
    )
    max_steps: int | None = fields.setting(
        None, 'Train at most this many steps. 0: no limit.', low=0
    )
    validate_every_epochs: int = fields.setting(1, 'Epochs between two validations.', low=1)
    stop_train_error: float = fields.setting(
        -1.0, 'Stop at this training error or less. -1: never.', low=-1, high=1
    )
    stop_after_worse_epochs: int = fields.setting(
        0, 'Stop after N validations without gain. 0: never.', low=0
    )
    schedule: str | None = fields.setting(
        None,
        'How the learning rate changes:',
        choices={
            'plateau': '/10 after --patience_epochs without gain',
            'list': '/10 after each of --drop_epochs',
            'geometric': '/250 overall, in 3 steps over --epochs',
            'cosine': 'at every step, to 0 along half a cosine',
            'polynomial': 'at every step, to 0 along a power',
        },
    )
    warmup: float | None = fields.setting(
        None, 'Share of steps in which the learning rate rises.', low=0, high=0.9
    )
    decay_power: float | None = fields.setting(
        None, 'Exponent of --schedule=polynomial.', low=0.1, high=10
    )
    label_smoothing: float | None = fields.setting(
        None, 'Share of each target spread over all classes.', low=0, high=0.9, modes=_UPDATE
    )
    drop_epochs: tuple[int, ...] | None = fields.setting(
        None, 'Epochs of --schedule=list, such as 23,51,78.', low=1, metavar='N,...'
    )
    patience_epochs: int = fields.setting(5, 'Epochs without gain that make a plateau.', low=1)
    reshuffle: bool | None = fields.setting(None, 'Shuffle anew in every epoch.', modes=_UPDATE)
    lanes: int = fields.setting(
        1,
        'Equal parts of the records, each shuffled by itself, with equal shares of every batch; '
        'workers read only their own.',
        low=1,
        modes=_UPDATE,
    )
    random_crops: bool | None = fields.setting(None, 'Crop and mirror at random.', modes=_UPDATE)
    crop_chunk: int | None = fields.setting(
        None, 'Consecutive images that share crop and mirroring.', low=1, modes=_UPDATE
    )
    min_crop_area: float | None = fields.setting(
        None,
        'Least area of resized crops, as a share. 0: none.',
        low=0,
        high=1,
        modes=_UPDATE,
    )
    max_crop_aspect: float | None = fields.setting(
        None, 'Largest ratio of sides of resized crops.', low=1, high=4, modes=_UPDATE
    )
    contrast: float | None = fields.setting(
        None, 'Largest relative change of contrast. 0: none.', low=0, high=0.99, modes=_UPDATE
    )
    cutmix: float | None = fields.setting(
        None, 'Share of batches with CutMix.', low=0, high=1, modes=_UPDATE
    )
    colour_shift_sd: float | None = fields.setting(
        None, 'Colour shift, in standard deviations. 0: none.', low=0, modes=_UPDATE
    )
    colour_shift_divisor: float | None = fields.setting(
        None, 'Divisor of colour-shifted images.', low=0.1, modes=_UPDATE
    )
    colour_shift_epochs: int | None = fields.setting(
        None, 'Epochs with the colour shift. 0: all.', low=0, modes=_UPDATE
    )
    init_weights: str = fields.setting(
        '',
        'Weights to start from: a run, its variables.npz, or a file that --mode=import reads.',
        metavar='RUN_OR_FILE',
    )
    init_layers: tuple[str, ...] | None = fields.setting(
        None,
        'Layers to load from --init_weights. Default: all; from a run of other classes, all but '
        'the last.',
        pattern=_LAYER,
        expected='names of layers, such as conv1,fc6',
        metavar='LAYER,...',
    )
    init_missing: str = fields.setting(
        'refuse',
        'Layers without weights: refuse, or fresh (random).',
        choices=('refuse', 'fresh'),
    )
    linear_head: bool = fields.setting(False, 'Fit the last layer to the features before step 1.')
    class_weights: str = fields.setting(
        '',
        'Weights of the loss by class: balanced, or a file of lines CLASS,WEIGHT; scaled to a '
        'mean of 1.',
        metavar='balanced|FILE',
    )
    balanced_sampling: bool = fields.setting(
        False,
        'Draw every class equally often; small ones repeat.',
    )
    accumulate_steps: int = fields.setting(
        1, 'Split each batch into N parts to save memory.', low=1, high=1024
    )
    on_nonfinite: str = fields.setting(
        'stop', 'At NaN or inf: stop, or rollback past the batch.', choices=('stop', 'rollback')
    )
    checkpoint_secs: int = fields.setting(600, 'Seconds between checkpoints in an epoch.', low=1)
    keep_every_epochs: int = fields.setting(0, 'Keep every Nth epoch, too. 0: none.', low=0)
    profile_steps: tuple[int, ...] = fields.setting(
        (), 'Steps to profile for TensorBoard, such as 10,20.', low=1, metavar='FIRST,LAST'
    )
    log_every_steps: int = fields.setting(20, 'Steps between points of TensorBoard curves.', low=1)


@dataclasses.dataclass(frozen=True)
class Evaluation(fields.Section):
    """Settings of evaluation: split, views, checkpoint and ensemble."""

    modes: ClassVar = _SCORE

    split: str = fields.setting(
        'validation', 'Split:', choices=(*_SPLITS, 'all'), modes=(*_SCORE, 'retrieve', 'benchmark')
    )
    views: tuple[str, ...] = fields.setting(
        (),
        'Views to average. Evaluation takes each in turn (default 1,10), other modes one '
        '(default 1):',
        choices={
            '1': 'single-crop: the centre',
            '2': 'the centre and its mirror image',
            '10': 'ten-crop: corners, centre and their mirror images',
            'nine': "the nine positions of the paper's source",
        },
        metavar='VIEWS,...',
        modes=(*_SCORE, 'predict', 'report', 'plot'),
    )
    checkpoint: str = fields.setting(
        'newest',
        'Checkpoint to load: newest, or best on validation.',
        choices=('newest', 'best'),
        modes=(*_LOAD_RUN, *_TRAIN),
    )
    save_probabilities: str = fields.setting(
        '',
        'Store all probabilities in the run directory as:',
        choices=('', 'float16', 'float32'),
        metavar='DTYPE',
        modes=(*_SCORE, 'report', 'plot'),
    )
    ensemble: tuple[str, ...] = fields.setting(
        (), 'Runs whose probabilities are averaged.', metavar='RUN,...', modes=_AVERAGE
    )
    ensemble_weights: tuple[str, ...] = fields.setting(
        (),
        'Weights of the runs in --ensemble, such as 1,0.5.',
        pattern=_NUMBER,
        expected='numbers of at least 0, as 1,0.5',
        metavar='WEIGHT,...',
        modes=_AVERAGE,
    )
    search_weights: str = fields.setting(
        '',
        'Search --ensemble_weights on:',
        choices=('', *_SPLITS),
        metavar='SPLIT',
        modes=('evaluate',),
    )
    eval_batch_size: int = fields.setting(
        128,
        'Images in an evaluation batch; ten-crop: a tenth.',
        low=10,
        high=1_000_000,
        modes=(*_SCORE, 'train', 'predict', 'report', 'plot', 'retrieve', 'benchmark'),
    )


@dataclasses.dataclass(frozen=True)
class Predict(fields.Section):
    """Settings of inputs and outputs of predictions."""

    modes: ClassVar = ('predict', 'retrieve')

    inputs: tuple[str, ...] = fields.setting(
        (),
        'Image files, folders with images, patterns such as DIR/*.jpg, or - for a list on stdin.',
        metavar='FILE_OR_FOLDER,...',
        modes=('predict', 'retrieve', 'plot'),
    )
    top_k: int = fields.setting(
        5, 'Classes of each image to show, the best first.', low=1, modes=('predict', 'plot')
    )
    output: str = fields.setting(
        'table',
        'Output format; json is one object per line:',
        choices=('table', 'csv', 'json'),
        modes=('predict', 'retrieve', 'benchmark'),
    )
    output_file: str = fields.setting('', 'File for the output. Default: stdout.', metavar='FILE')
    draw: str = fields.setting(
        '', 'Figure of the first results: .png or .svg; --mode=retrieve also .html.', metavar='FILE'
    )
    features: tuple[str, ...] = fields.setting(
        (),
        'Write outputs of layers, such as conv5,fc6:linear,fc7, to --output_file=FILE.npy or .npz; '
        ':linear means before the activation.',
        pattern=r'\w+(:linear)?',
        expected='names of layers, such as conv5,fc6:linear,fc7',
        metavar='LAYER,...',
        modes=('predict',),
    )
    submission: str = fields.setting(
        '', 'ILSVRC submission: five class ids a line.', metavar='FILE', modes=('predict',)
    )


@dataclasses.dataclass(frozen=True)
class Report(fields.Section):
    """Settings of comparisons of runs."""

    modes: ClassVar = ('report',)

    compare_runs: tuple[str, ...] = fields.setting(
        (),
        'Runs to compare. Default: all runs beside --run_dir for tables, --run_dir for figures.',
        metavar='RUN,...',
        modes=('report', 'plot'),
    )
    paper_tables: str = fields.setting(
        '',
        "Print runs in the paper's table for this data set:",
        choices=('', 'ilsvrc2010', 'ilsvrc2012', 'fall2009'),
        metavar='DATASET',
    )


@dataclasses.dataclass(frozen=True)
class Plot(fields.Section):
    """Settings of figures."""

    modes: ClassVar = ('plot',)

    figure: str = fields.setting(
        'kernels',
        'What to plot:',
        choices={
            'kernels': "the first layer's kernels (figure 3)",
            'network': 'the layers and their sizes (figure 2)',
            'predictions': 'classes of --inputs or held-out images (figure 4)',
            'neighbours': 'images similar to --inputs or held-out ones (figure 4)',
            'curves': 'training and validation errors of --compare_runs',
            'curves_by_time': 'validation errors by minutes of training',
            'training_curves': 'training errors alone (figure 1)',
            'activations': 'the feature maps of --layer for the image in --inputs',
            'gradient': 'the gradient of a logit with respect to the pixels of --inputs',
        },
    )
    layer: str = fields.setting('conv1', 'Layer of --figure=activations, such as relu1 or norm2.')
    class_name: str = fields.setting(
        '', 'Class of --figure=gradient. Default: the most probable.', metavar='CLASS'
    )


@dataclasses.dataclass(frozen=True)
class Retrieve(fields.Section):
    """Settings of image retrieval."""

    modes: ClassVar = ('retrieve',)

    retrieve: str = fields.setting(
        'query',
        'What to do:',
        choices={
            'index': 'compute the feature vectors of --database',
            'query': 'find the images most similar to --inputs',
            'evaluate': 'measure how good the results for --split are',
        },
    )
    index_dir: str = fields.setting(
        '',
        'Directory of the retrieval index. Default: RUN_DIR/index.',
        metavar='DIR',
        modes=('retrieve', 'plot'),
    )
    database: str = fields.setting(
        'train', 'Split to search:', choices=_SPLITS, modes=('retrieve', 'plot')
    )
    neighbours: int = fields.setting(6, 'Similar images to find for each query.', low=1)
    search_engine: str = fields.setting(
        'numpy', 'Library that searches codes, with equal results:', choices=('numpy', 'faiss')
    )
    code_bits: tuple[int, ...] = fields.setting(
        (), 'Search binary codes of N bits, such as 28.', low=1, high=4096, metavar='BITS,...'
    )


@dataclasses.dataclass(frozen=True)
class Export(fields.Section):
    """Settings of exported models."""

    modes: ClassVar = ('export', 'all')

    export_dir: str = fields.setting(
        '', 'Directory. Default: RUN_DIR/export.', metavar='DIR', modes=('export', 'report', 'all')
    )
    export_version: int | None = fields.setting(
        None, 'Number of this version. Default: the next.', low=1, metavar='N'
    )
    export_precision: str = fields.setting(
        '',
        'Dtype of stored weights, by default as trained; bfloat16 also computes in it if the '
        'CPU can:',
        choices=('', *_DTYPES),
        metavar='DTYPE',
    )
    export_also: tuple[str, ...] = fields.setting(
        (),
        'Other formats, beside the SavedModel:',
        choices={
            'litert': 'a .tflite model that takes pixels',
            'litert_int8': 'the same in int8, with measured accuracy; needs the records',
            'onnx': 'an .onnx model that takes pixels',
            'safetensors': "the weights, with torchvision's keys if the networks match",
            'keras': 'a .keras model with preprocessing',
        },
        metavar='FORMAT,...',
    )


@dataclasses.dataclass(frozen=True)
class Benchmark(fields.Section):
    """Settings of measurements."""

    modes: ClassVar = ('benchmark',)

    benchmark: str = fields.setting(
        'train_step',
        'What to measure:',
        choices={
            'train_step': 'one update with a batch in memory',
            'inference': 'one forward pass',
            'input': 'the input pipeline of --data_dir, by stages',
            'end_to_end': 'training with and without the input pipeline',
            'evaluate': 'scoring a split, single-crop and ten-crop',
            'serving': 'an exported SavedModel beside the network',
        },
    )
    num_classes: int = fields.setting(1000, 'Class count.', low=2, modes=('benchmark', 'plot'))
    runs: int = fields.setting(10, 'Measured repetitions, after a warm-up.', low=1)
    tf32: bool = fields.setting(True, 'Let a GPU round inputs of float32 products (TF32).')
    by_layer: bool = fields.setting(True, 'Measure each layer by itself too; with --output=table.')


@dataclasses.dataclass(frozen=True)
class Verify(fields.Section):
    """Settings of the check against reference values."""

    modes: ClassVar = ('verify',)

    fidelity_file: str = fields.setting('docs/fidelity.md', 'File for the results.')


@dataclasses.dataclass(frozen=True)
class Experiment(fields.Section):
    """Settings of grids of runs; without --grid, a search within --minutes."""

    modes: ClassVar = ('experiment',)

    grid: str = fields.setting(
        '',
        "One run for each combination: 'activation=relu|tanh;seed=1|2|3'. Settings joined by +, "
        "such as a=1+b=2, change together; an empty value changes nothing: '|columns=1;seed=1|2'.",
        metavar='SETTING=VALUE|VALUE;...',
    )
    experiment_dir: str = fields.setting('runs/experiment', 'Folder for runs, table and figures.')


@dataclasses.dataclass(frozen=True)
class Config(fields.Section):
    """All settings of a command, resolved once in `main` and checked together."""

    modes: ClassVar = tuple(MODES)

    mode: str = fields.setting(
        'all', 'What to do.', choices=MODES, aliases={'everything': 'all', 'draw': 'plot'}
    )
    run_dir: str = fields.setting(
        'runs/default',
        'Directory of a run: config, checkpoints, reports.',
        modes=('train', 'import', *_LOAD_RUN, 'all'),
    )
    resume: bool = fields.setting(
        False, 'Resume --run_dir with its stored settings.', modes=('train', 'all')
    )
    seed: int = fields.setting(0, 'Seed of every random number.', low=0, high=2**31 - 1)
    debug: bool = fields.setting(False, "Print tracebacks and TensorFlow's own log.")
    # Names of the settings that the user gave: no mode chooses other values for them.
    given: frozenset[str] = dataclasses.field(default=frozenset(), compare=False, repr=False)
    data: Data = dataclasses.field(default_factory=Data)
    input: Input = dataclasses.field(default_factory=Input)
    weights: Weights = dataclasses.field(default_factory=Weights)
    network: Network = dataclasses.field(default_factory=Network)
    training: Training = dataclasses.field(default_factory=Training)
    evaluation: Evaluation = dataclasses.field(default_factory=Evaluation)
    predict: Predict = dataclasses.field(default_factory=Predict)
    report: Report = dataclasses.field(default_factory=Report)
    plot: Plot = dataclasses.field(default_factory=Plot)
    retrieve: Retrieve = dataclasses.field(default_factory=Retrieve)
    export: Export = dataclasses.field(default_factory=Export)
    benchmark: Benchmark = dataclasses.field(default_factory=Benchmark)
    verify: Verify = dataclasses.field(default_factory=Verify)
    experiment: Experiment = dataclasses.field(default_factory=Experiment)

    def __post_init__(self):
        super().__post_init__()
        validation.check(self)
