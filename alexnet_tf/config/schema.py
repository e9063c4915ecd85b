"""Every setting, a dataclass a section. A setting's name is its flag and its key in config.json."""

import dataclasses
from typing import ClassVar

from alexnet_tf.config import fields, validation

MODES = {
    'prepare': 'Convert images to records of 256 x 256 pixels, with statistics.',
    'train': 'Train the network; the same command resumes a stopped run.',
    'evaluate': 'Compute errors of runs and ensembles, single-crop and ten-crop.',
    'predict': 'Predict the five most probable classes of image files.',
    'export': 'Write a SavedModel for serving, on request LiteRT and ONNX too.',
    'report': "Write an HTML page and a model card, or print the paper's tables.",
    'plot': 'Plot kernels, predictions, similar images, curves and more.',
    'retrieve': 'Find similar images by the features of the last hidden layer.',
    'benchmark': 'Measure the speed of training, inference, input and serving.',
    'verify': 'Check the network against values from the paper and its source.',
    'data_service': 'Serve decoded batches to training runs on other hosts.',
    'experiment': 'Train and evaluate one run for each combination of --grid.',
    'all': 'Prepare, train, evaluate, export and report, in this order.',
}

_TRAIN = ('train', 'experiment', 'all')
_SCORE = ('evaluate', 'experiment', 'all')
_BUILD = (*_TRAIN, 'benchmark', 'plot')  # plot: --figure=network without a run
_LOAD_RUN = ('evaluate', 'predict', 'export', 'report', 'plot', 'retrieve')
_SERVE = ('data_service',)
_UPDATE = (*_TRAIN, 'benchmark')
_LAYER = r'(conv[1-6]|local[34]|fc[4-8])'


@dataclasses.dataclass(frozen=True)
class Data(fields.Section):
    """Settings of the data set: images, their records, and how the one becomes the other."""

    modes: ClassVar = ('prepare', 'all')

    data_dir: str = fields.setting(
        'data/default',
        'Directory of the prepared records.',
        modes=(
            *('prepare', 'train', 'evaluate', 'export', 'report', 'plot', 'retrieve'),
            *('benchmark', 'experiment', 'all'),
        ),
    )
    source: str = fields.setting(
        'auto',
        'Where the images come from:',
        choices={
            'auto': 'look at --source_dir and print the decision; sample without one',
            'sample': 'crops of six images that the scikit-image package contains',
            'folder': 'one folder a class, or train/ and val/ with such folders',
            'csv': 'a file of path,label or path,label,split',
            'ilsvrc2010': 'the archives of ILSVRC-2010, as downloaded',
            'ilsvrc2012': 'the archives of ILSVRC-2012, as downloaded',
            'fall2011': 'fall11_whole.tar, all of ImageNet',
            'imagenet10k': 'the 10,184 classes of Fall 2009',
            'cifar10': 'the binary version of CIFAR-10',
            'tfds': 'a data set of tensorflow-datasets, see --dataset',
            'records': 'TFRecord files of other programs',
        },
        aliases={'photographs': 'sample'},
    )
    source_dir: str = fields.setting(
        '', 'Folder, file or archives that --source describes.', metavar='PATH'
    )
    dataset: str = fields.setting(
        '', 'Name of a tensorflow-datasets data set, for --source=tfds.', metavar='NAME'
    )
    train_split: str = fields.setting(
        '',
        "Split to train on with --source=tfds, as 'train[:80%]'. Default: train.",
        metavar='SPLIT',
    )
    validation_split: str = fields.setting(
        '',
        'Split to hold out with --source=tfds. Default: validation, else test, else a share of '
        'train.',
        metavar='SPLIT',
    )
    exif_orientation: str = fields.setting(
        'auto',
        'Whether to rotate images as their EXIF tag says, in training and in serving:',
        choices={
            'auto': 'folders and CSV files yes; ImageNet no, as in all published results',
            'on': 'always',
            'off': 'never',
        },
    )
    validation_fraction: float = fields.setting(
        0.2, 'Share of images to hold out if the source has no split.', low=0.001, high=0.9
    )
    record_encoding: str = fields.setting(
        'jpeg', 'Encoding of the images in the records.', choices=('jpeg', 'raw')
    )
    shard_examples: int = fields.setting(1024, 'Most examples in one record file.', low=1)
    max_bad_fraction: float = fields.setting(
        0.01,
        'Share of unreadable images, or of unreadable records in an epoch, above which to stop.',
        low=0,
        high=1,
        modes=('prepare', *_TRAIN),
    )
    fail_on_leak: bool = fields.setting(
        False, 'Refuse a data set with the same image in training and in another split.'
    )
    dry_run: bool = fields.setting(
        False, 'Print what would be written, and write nothing.', modes=('prepare',)
    )
    verify_only: bool = fields.setting(
        False,
        'Check every byte of the records in --data_dir, and write nothing.',
        modes=('prepare',),
    )
    workers: int = fields.setting(
        0,
        'Processes that decode images. 0: one a core, fewer for few images. The records are the '
        'same for any number.',
        low=0,
        high=1024,
    )
    engine: str = fields.setting(
        'local',
        'What runs the conversion:',
        choices={'local': 'processes on this host', 'beam': 'Apache Beam'},
    )
    beam_options: str = fields.setting(
        '', "Options of the Beam runner, as '--runner=DirectRunner'.", metavar='OPTIONS'
    )


@dataclasses.dataclass(frozen=True)
class Input(fields.Section):
    """Settings of the way from records to batches."""

    modes: ClassVar = _UPDATE

    augment_on: str = fields.setting(
        'cpu',
        'Where images are mirrored, colour-shifted and centred, with the same result:',
        choices={
            'cpu': 'on the CPU, as in the paper',
            'accelerator': "on the training step's device, which receives a quarter of the bytes",
        },
    )
    on_bad_record: str = fields.setting(
        'stop',
        'What to do when a training record cannot be read:',
        choices={
            'stop': 'stop and name it',
            'skip': 'skip and count it, up to --max_bad_fraction of an epoch; decoding is a '
            'third slower',
        },
    )
    cache: str = fields.setting(
        'none',
        'Where to copy the records before training, for slow storage.',
        choices=('none', 'memory', 'disk'),
    )
    data_service: str = fields.setting(
        '',
        'Address of a tf.data service that decodes. Each example is seen once an epoch, in no '
        'deterministic order; a resumed run restarts its epoch.',
        metavar='grpc://HOST:PORT',
        modes=_TRAIN,
    )
    service_role: str = fields.setting(
        'worker',
        'What --mode=data_service does:',
        choices={
            'dispatcher': 'distribute the work to the workers',
            'worker': 'decode and send batches',
        },
        modes=_SERVE,
    )
    service_port: int = fields.setting(
        0, 'Port to listen on. 0: any free one.', low=0, high=65535, modes=_SERVE
    )
    service_host: str = fields.setting(
        'localhost', 'Name at which trainers reach this worker.', modes=_SERVE
    )
    service_dispatcher: str = fields.setting(
        'localhost:5050', "A worker's dispatcher, HOST:PORT.", modes=_SERVE
    )


@dataclasses.dataclass(frozen=True)
class Network(fields.Section):
    """Settings of the network, its devices and its initialisation."""

    modes: ClassVar = _BUILD

    recipe: str = fields.setting(
        'source2012',
        'Hyperparameters and network to start from; flags override single values:',
        choices={
            'paper': 'the text of the paper, to the letter',
            'source2012': "what the paper's source code ran",
            'caffe': "Caffe's bvlc_alexnet, whose weights it can load",
            'cifar13': "footnote 3's network for CIFAR-10, 13 % error",
            'cifar11': 'the same with normalisation, 11 % error',
            'figure1': 'the four layers of figure 1, for CIFAR-10',
        },
    )
    width: float = fields.setting(
        1.0, "Layer sizes as a multiple of the paper's.", low=1 / 48, high=16
    )
    devices: tuple[str, ...] = fields.setting(
        (),
        "Devices to train on, as /GPU:0,/GPU:1. Default: TensorFlow's first.",
        metavar='DEVICE,...',
    )
    strategy: str = fields.setting(
        'auto',
        'What --devices hold:',
        choices={
            'auto': 'a column each if two are named, else the whole network',
            'one_device': 'the whole network',
            'two_columns': 'one column each, as in the paper',
            'mirrored': 'a replica of the network each',
            'multi_worker': 'a replica on every GPU of every worker in TF_CONFIG',
        },
    )
    precision: str = fields.setting(
        'float32',
        'Dtype of activations; weights are float32. float16 scales the loss.',
        choices=('float32', 'bfloat16', 'float16'),
    )
    columns: int | None = fields.setting(
        None, "Columns. 1: the network of the paper's footnote 2.", choices=(1, 2)
    )
    conv6: bool | None = fields.setting(None, 'Add a sixth convolution over pool5.')
    removed_layer: str | None = fields.setting(
        None,
        'Convolution to leave out.',
        choices=('', 'conv3', 'conv4', 'conv5'),
        metavar='LAYER',
    )
    activation: str | None = fields.setting(None, 'Nonlinearity.', choices=('relu', 'tanh'))
    pool_size: int | None = fields.setting(
        None, 'Side of pooling windows, at stride 2. 2: no overlap.', choices=(2, 3)
    )
    normalization: bool | None = fields.setting(None, 'Apply norm1 and norm2.')
    crop_size: int | None = fields.setting(None, 'Side of the training crop.', low=11, high=256)
    lrn_k: float | None = fields.setting(None, "Normalisation's k.", low=1e-6)
    lrn_n: int | None = fields.setting(
        None, "Normalisation's n: channels in a sum, an odd number.", low=1
    )
    lrn_alpha: float | None = fields.setting(None, "Normalisation's alpha.", low=0)
    lrn_beta: float | None = fields.setting(None, "Normalisation's beta.", low=0)
    lrn_across_columns: bool | None = fields.setting(
        None, 'Sum over the channels of both columns at their seam.'
    )
    lrn1_before_pool: bool | None = fields.setting(
        None, "Apply norm1 to conv1's output, before pooling and ReLU."
    )
    same_map_alpha: float | None = fields.setting(
        None, "Alpha of the source's second normalisation within a channel. 0: none.", low=0
    )
    initial_sd: float | None = fields.setting(
        None, 'Standard deviation of initial weights; CIFAR layers have multiples.', low=0
    )
    initial_sd_middle: float | None = fields.setting(None, 'The same for conv3 to conv6.', low=0)
    initial_sd_hidden: float | None = fields.setting(None, 'The same for fc6 and fc7.', low=0)
    initial_bias: float | None = fields.setting(
        None, 'Initial bias of conv2, conv4 to conv6, fc6 and fc7; of all CIFAR layers.'
    )
    dropout: float | None = fields.setting(
        None, 'Share of the outputs of fc6 and fc7 set to 0.', low=0, high=0.99
    )
    dropout_inverted: bool | None = fields.setting(
        None, 'Scale kept outputs in training, not all outputs in inference.'
    )


@dataclasses.dataclass(frozen=True)
class Training(fields.Section):
    """Settings of the optimization, and of what a training run writes."""

    modes: ClassVar = _TRAIN

    learning_rate: float | None = fields.setting(None, 'Initial learning rate.', low=0)
    bias_rate_multiplier: float | None = fields.setting(
        None, 'Learning rate of biases, as a multiple.', low=0
    )
    layer_rates: tuple[str, ...] | None = fields.setting(
        None,
        'Learning rates of layers, as multiples, from the start or after some epochs: '
        'fc8=10,conv1=0@72.',
        pattern=rf'{_LAYER}=\d+(\.\d+)?(@\d+)?',
        metavar='LAYER=MULTIPLE[@EPOCHS],...',
    )
    momentum: float | None = fields.setting(None, 'Momentum.', low=0, high=1, modes=_UPDATE)
    weight_decay: float | None = fields.setting(
        None, 'Weight decay; CIFAR layers have multiples.', low=0, modes=_UPDATE
    )
    batch_size: int | None = fields.setting(
        None, 'Examples in a step.', low=1, high=1_000_000, modes=_UPDATE
    )
    epochs: int | None = fields.setting(None, 'Passes over the training examples.', low=1)
    stop_train_error: float = fields.setting(
        -1.0, 'Stop after an epoch with at most this training error. -1: never.', low=-1, high=1
    )
    schedule: str | None = fields.setting(
        None,
        'When the learning rate is divided:',
        choices={
            'plateau': 'by 10 after --patience_epochs without a better validation error',
            'list': 'by 10 after each of --drop_epochs',
            'geometric': 'by 250 in all, in four equal parts of --epochs',
        },
    )
    drop_epochs: tuple[int, ...] | None = fields.setting(
        None, 'Epochs after which --schedule=list divides, as 23,51,78.', low=1, metavar='N,...'
    )
    patience_epochs: int = fields.setting(5, 'Epochs that make a plateau.', low=1)
    reshuffle: bool | None = fields.setting(
        None, 'Shuffle the examples anew in every epoch.', modes=_UPDATE
    )
    random_crops: bool | None = fields.setting(
        None,
        'Crop at random places and mirror at random. false: the centre.',
        modes=_UPDATE,
    )
    crop_chunk: int | None = fields.setting(
        None,
        'Consecutive images that share crop and mirroring.',
        low=1,
        modes=_UPDATE,
    )
    colour_shift_sd: float | None = fields.setting(
        None,
        'Standard deviation of the colour shift, relative to that of each component. 0: none.',
        low=0,
        modes=_UPDATE,
    )
    colour_shift_divisor: float | None = fields.setting(
        None,
        'Divisor of images while there is a colour shift.',
        low=0.1,
        modes=_UPDATE,
    )
    colour_shift_epochs: int | None = fields.setting(
        None, 'Epochs with the colour shift. 0: all.', low=0, modes=_UPDATE
    )
    init_weights: str = fields.setting(
        '',
        "Weights to start from: a run, its variables.npz, or Caffe's AlexNet as .npy, .npz or "
        '.caffemodel. Default: random ones.',
        metavar='RUN_OR_FILE',
    )
    init_layers: tuple[str, ...] | None = fields.setting(
        None,
        'Layers that --init_weights sets. Default: all; all but the last if the run has other '
        'classes.',
        pattern=_LAYER,
        metavar='LAYER,...',
    )
    init_missing: str = fields.setting(
        'refuse',
        'What to do with layers that --init_weights lacks or has for other classes:',
        choices={'refuse': 'stop', 'fresh': 'keep their random initialisation'},
    )
    accumulate_steps: int = fields.setting(
        1,
        'Parts in which to compute a batch that does not fit in memory; the update is the same.',
        low=1,
        high=1024,
    )
    on_nonfinite: str = fields.setting(
        'stop',
        'What to do when the loss or a gradient is NaN or infinite:',
        choices={
            'stop': 'stop with exit status 4',
            'rollback': 'restore the newest checkpoint and skip the batch, three times at most',
        },
    )
    checkpoint_secs: int = fields.setting(
        600, 'Seconds between checkpoints; one more ends each epoch.', low=1
    )
    keep_every_epochs: int = fields.setting(
        0,
        'Keep the checkpoint of every Nth epoch, beside the newest three and the best. 0: none.',
        low=0,
    )
    profile_steps: tuple[int, ...] = fields.setting(
        (), 'First and last step of a TensorBoard profile, as 10,20.', low=1, metavar='FIRST,LAST'
    )
    log_every_steps: int = fields.setting(
        20, 'Steps between points of the TensorBoard curves.', low=1
    )


@dataclasses.dataclass(frozen=True)
class Evaluation(fields.Section):
    """Settings of what is scored, and from which checkpoint."""

    modes: ClassVar = _SCORE

    split: str = fields.setting(
        'validation',
        'Split to score.',
        choices=('train', 'validation', 'test'),
        modes=(*_SCORE, 'retrieve', 'benchmark'),
    )
    views: tuple[str, ...] = fields.setting(
        (),
        'Views of an image whose predictions are averaged; each set is scored by itself. Default: '
        '1,10 in evaluation, otherwise 1:',
        choices={
            '1': 'single-crop: the centre',
            '10': 'ten-crop: corners, centre and their mirror images',
            'nine': "the nine positions of the paper's source",
        },
        metavar='VIEWS,...',
        modes=(*_SCORE, 'predict', 'report', 'plot'),
    )
    checkpoint: str = fields.setting(
        'newest',
        'Checkpoint to load from a run:',
        choices={'newest': 'the newest', 'best': 'of the epoch with the best validation error'},
        modes=(*_LOAD_RUN, *_TRAIN),
    )
    save_probabilities: str = fields.setting(
        '',
        "Dtype in which to keep every example's probabilities beside the run.",
        choices=('', 'float16', 'float32'),
        metavar='DTYPE',
        modes=(*_SCORE, 'report', 'plot'),
    )
    ensemble: tuple[str, ...] = fields.setting(
        (),
        'Runs whose probabilities are averaged; kept probabilities are reused.',
        metavar='RUN,...',
        modes=('evaluate', 'predict'),
    )
    ensemble_weights: tuple[str, ...] = fields.setting(
        (),
        'Weights of the runs in --ensemble, as 1,0.5. Default: equal.',
        pattern=r'\d+(\.\d+)?',
        metavar='WEIGHT,...',
        modes=('evaluate', 'predict'),
    )
    search_weights: str = fields.setting(
        '',
        'Another split, on which to search the weights with the lowest top-5 error.',
        choices=('', 'train', 'validation', 'test'),
        metavar='SPLIT',
        modes=('evaluate',),
    )
    eval_batch_size: int = fields.setting(
        128,
        'Images in a forward pass without gradients; a tenth for ten-crop.',
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
        'Image files, folders with images, or - for a list of files on stdin.',
        metavar='FILE_OR_FOLDER,...',
        modes=('predict', 'retrieve', 'plot'),
    )
    output: str = fields.setting(
        'table',
        'Format of the output; json is one object a line.',
        choices=('table', 'csv', 'json'),
        modes=('predict', 'retrieve', 'benchmark'),
    )
    output_file: str = fields.setting(
        '', 'File for the output. Default: standard output.', metavar='FILE'
    )
    draw: str = fields.setting(
        '',
        'Figure of the first images with their predictions (.png), or with the similar images '
        'found (.png or .html).',
        metavar='FILE',
    )
    submission: str = fields.setting(
        '',
        'File for the ILSVRC evaluation server, instead of the output: five class ids a line, in '
        'the order of the file names.',
        metavar='FILE',
        modes=('predict',),
    )


@dataclasses.dataclass(frozen=True)
class Report(fields.Section):
    """Settings of comparisons of runs."""

    modes: ClassVar = ('report',)

    compare_runs: tuple[str, ...] = fields.setting(
        (),
        'Runs to compare. Default: in tables all beside --run_dir, in figures --run_dir.',
        metavar='RUN,...',
        modes=('report', 'plot'),
    )
    paper_tables: str = fields.setting(
        '',
        "Print the paper's table of this data set, with the runs' results beside.",
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
            'predictions': 'classes of --inputs or of held-out images (figure 4)',
            'neighbours': 'similar images of --inputs or of held-out images (figure 4)',
            'curves': 'training and validation errors of --compare_runs',
            'training_curves': 'training errors alone (figure 1)',
            'activations': 'the feature maps of --layer for the image in --inputs',
            'gradient': 'the gradient of a logit with respect to that image',
        },
    )
    layer: str = fields.setting('conv1', 'Layer of --figure=activations, as relu1 or norm2.')
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
        'Directory of indexes. Default: RUN_DIR/index.',
        metavar='DIR',
        modes=('retrieve', 'plot'),
    )
    database: str = fields.setting(
        'train',
        'Split to search.',
        choices=('train', 'validation', 'test'),
        modes=('retrieve', 'plot'),
    )
    neighbours: int = fields.setting(6, 'Similar images to find for each query.', low=1)
    search_engine: str = fields.setting(
        'numpy',
        'Library that searches binary codes; the results are equal.',
        choices=('numpy', 'faiss'),
    )
    code_bits: tuple[int, ...] = fields.setting(
        (),
        'Search binary codes of this length, as 28 or 256, from an autoencoder; evaluate compares '
        'several. Default: the feature vectors.',
        low=1,
        high=4096,
        metavar='BITS,...',
    )


@dataclasses.dataclass(frozen=True)
class Export(fields.Section):
    """Settings of exported models."""

    modes: ClassVar = ('export', 'all')

    export_dir: str = fields.setting(
        '',
        'Directory of numbered versions. Default: RUN_DIR/export.',
        metavar='DIR',
        modes=('export', 'report', 'all'),
    )
    export_version: int | None = fields.setting(
        None, 'Number of this version. Default: the next.', low=1, metavar='N'
    )
    export_precision: str = fields.setting(
        'float32',
        'Dtype of the exported weights; they are cast to float32 when used.',
        choices=('float32', 'bfloat16', 'float16'),
    )
    export_also: tuple[str, ...] = fields.setting(
        (),
        'Further formats, as files beside the version. They take pixels of 256 x 256 images, not '
        'encoded files:',
        choices={'litert': 'for phones (TensorFlow Lite)', 'onnx': 'for ONNX runtimes'},
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
            'input': 'the input pipeline of --data_dir, stage by stage',
            'end_to_end': 'training with and without the input pipeline',
            'evaluate': 'scoring a split, single-crop and ten-crop',
            'serving': 'an exported SavedModel beside the network',
        },
    )
    num_classes: int = fields.setting(
        1000, 'Classes of the network.', low=2, modes=('benchmark', 'plot')
    )
    runs: int = fields.setting(10, 'Measured repetitions, after a warm-up.', low=1)
    tf32: bool = fields.setting(
        True, 'Let a GPU round the inputs of float32 products to 10 bits (TF32).'
    )
    by_layer: bool = fields.setting(True, 'Measure each layer by itself too; with --output=table.')


@dataclasses.dataclass(frozen=True)
class Verify(fields.Section):
    """Settings of the check against reference values."""

    modes: ClassVar = ('verify',)

    fidelity_file: str = fields.setting('docs/fidelity.md', 'File for the results.')


@dataclasses.dataclass(frozen=True)
class Experiment(fields.Section):
    """Settings of grids of runs."""

    modes: ClassVar = ('experiment',)

    grid: str = fields.setting(
        '',
        "Settings that differ between runs, as 'activation=relu|tanh;seed=1|2|3': one run for "
        'each combination. Settings joined by +, as a=1+b=2, change together; an empty value '
        "changes nothing: '|columns=1;seed=1|2'.",
        metavar='SETTING=VALUE|VALUE;...',
    )
    experiment_dir: str = fields.setting(
        'runs/experiment', 'Directory of the runs, their table and figures.'
    )


@dataclasses.dataclass(frozen=True)
class Config(fields.Section):
    """All settings of a command, resolved once in `main` and checked together."""

    modes: ClassVar = tuple(MODES)

    mode: str = fields.setting(
        'all', 'What to do.', choices=MODES, aliases={'everything': 'all', 'draw': 'plot'}
    )
    run_dir: str = fields.setting(
        'runs/default',
        'Directory of a run: config, checkpoints, metrics, reports.',
        modes=('train', *_LOAD_RUN, 'all'),
    )
    seed: int = fields.setting(0, 'Seed of every random number.', low=0, high=2**31 - 1)
    debug: bool = fields.setting(False, "Print tracebacks and TensorFlow's own log.")
    data: Data = dataclasses.field(default_factory=Data)
    input: Input = dataclasses.field(default_factory=Input)
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
