"""Every setting of a run in one value, checked together. Standard library only."""

import dataclasses
import json
import shlex
import typing
from typing import Any

from alexnet_tf.config import fields

UsageError = fields.UsageError

MODES = (
    'prepare',
    'train',
    'evaluate',
    'predict',
    'export',
    'report',
    'draw',
    'retrieve',
    'benchmark',
    'verify',
    'data_service',
    'experiment',
    'everything',
)


@dataclasses.dataclass(frozen=True)
class Data(fields.Checked):
    """Pictures and records."""

    data_dir: str = fields.setting('data/default', 'Directory of the prepared records.')
    source: str = fields.setting(
        'auto',
        'Where prepare takes pictures from: docs/data.md. auto looks at --source_dir and says '
        'what it found; without one, the photographs in the scikit-image wheel.',
        choices=(
            'auto',
            'photographs',
            'folder',
            'csv',
            'ilsvrc2010',
            'ilsvrc2012',
            'fall2011',
            'imagenet10k',
            'cifar10',
            'tfds',
            'records',
        ),
    )
    source_dir: str = fields.setting(
        '',
        'Folder of pictures in class folders, of archives as downloaded, or of records of other '
        'programs; or a CSV file of path,label.',
    )
    dataset: str = fields.setting('', 'For --source=tfds: a set of tensorflow-datasets.')
    train_split: str = fields.setting(
        '', "For --source=tfds: what to train on, as 'train[:80%]'; '': train."
    )
    validation_split: str = fields.setting(
        '', "For --source=tfds: what to hold out; '': validation, or test, or a share of train."
    )
    exif_orientation: str = fields.setting(
        'auto',
        'Whether to turn pictures as their EXIF orientation says; auto: folders and lists yes, '
        "ImageNet no, as in all published numbers. Kept with the data and with what's trained.",
        choices=('auto', 'on', 'off'),
    )
    fail_on_leak: bool = fields.setting(
        False, 'Refuse a data set of which pictures are in training and in another split.'
    )
    dry_run: bool = fields.setting(False, 'Have prepare say what it would do, and write nothing.')
    validation_fraction: float = fields.setting(
        0.2, 'Share held out where the source has no split of its own.', low=0.001, high=0.9
    )
    record_encoding: str = fields.setting(
        'jpeg', 'How records hold their 256x256 pictures.', choices=('jpeg', 'raw')
    )
    shard_examples: int = fields.setting(1024, 'Most records in one file.', low=1)
    max_bad_fraction: float = fields.setting(
        0.01,
        'Share of pictures that may be unreadable before prepare, or training, gives up.',
        low=0,
        high=1,
    )
    workers: int = fields.setting(
        0,
        'Processes that prepare works on; 0: one a core, and fewer for few pictures. The records '
        'are the same.',
        low=0,
        high=1024,
    )
    engine: str = fields.setting(
        'local',
        'What prepare works on: processes here, or Apache Beam; docs/data.md.',
        choices=('local', 'beam'),
    )
    beam_options: str = fields.setting(
        '', "For --engine=beam: its runner's own options, as '--runner=DirectRunner'."
    )
    verify_only: bool = fields.setting(
        False, 'Have prepare check every byte of --data_dir and change nothing.'
    )


@dataclasses.dataclass(frozen=True)
class Input(fields.Checked):
    """How records become batches."""

    augment_on: str = fields.setting(
        'cpu',
        'Where pictures are mirrored, shifted and centred: the CPU, as in the paper, or the '
        "training step's device, which gets a quarter of the bytes. The numbers are the same.",
        choices=('cpu', 'accelerator'),
    )
    on_bad_record: str = fields.setting(
        'stop',
        'When a training record cannot be read: stop and name it, or skip and count it, up to '
        '--max_bad_fraction of an epoch. Skipping decodes a third slower.',
        choices=('stop', 'skip'),
    )
    cache: str = fields.setting(
        'none',
        'Copy the records to this memory or local disk first, for slow storage.',
        choices=('none', 'memory', 'disk'),
    )
    data_service: str = fields.setting(
        '',
        'Decode on the hosts of a tf.data service, grpc://HOST:PORT. Each example once an epoch, '
        'in no promised order; a run that was stopped begins its epoch again.',
    )
    service_role: str = fields.setting(
        'worker', 'What --mode=data_service is.', choices=('dispatcher', 'worker')
    )
    service_port: int = fields.setting(0, 'Port it listens on; 0: any free one.', low=0, high=65535)
    service_host: str = fields.setting('localhost', "A worker's name, as trainers reach it.")
    service_dispatcher: str = fields.setting(
        'localhost:5050', "The dispatcher's HOST:PORT, for a worker."
    )


@dataclasses.dataclass(frozen=True)
class Network(fields.Checked):
    """The network, and the numbers that differ from the recipe's."""

    recipe: str = fields.setting(
        'source2012',
        "The preset: the paper's text to the letter, what its 2012 source ran, or Caffe's; or one "
        "of the paper's small networks for CIFAR-10: of footnote 3, without and with "
        'normalisation, or of figure 1.',
        choices=('paper', 'source2012', 'caffe', 'cifar13', 'cifar11', 'figure1'),
    )
    width: float = fields.setting(
        1.0, "Layer sizes as a multiple of the paper's.", low=1 / 48, high=16
    )
    devices: tuple[str, ...] = fields.setting(
        (),
        'Device of column a and of column b, as /GPU:0,/GPU:1; one device holds both. With '
        '--strategy=mirrored, a device for each copy. Of training and its measurements; other '
        "modes take TensorFlow's first.",
    )
    strategy: str = fields.setting(
        'auto',
        'What devices are for: two_columns has a column on each of two, mirrored a copy of the '
        "network on each of this host's, multi_worker on those of every host in TF_CONFIG. auto: "
        'as many as --devices names have a column.',
        choices=('auto', 'one_device', 'two_columns', 'mirrored', 'multi_worker'),
    )
    precision: str = fields.setting(
        'float32',
        'Dtype of activations; weights stay float32. float16 scales the loss.',
        choices=('float32', 'bfloat16', 'float16'),
    )
    columns: int | None = fields.setting(
        None, "Columns; 1 is the network of the paper's footnote 2. [recipe's]", choices=(1, 2)
    )
    conv6: bool | None = fields.setting(None, "A sixth convolution over pool5. [recipe's]")
    removed_layer: str | None = fields.setting(
        None, "A convolution to leave out. [recipe's]", choices=('', 'conv3', 'conv4', 'conv5')
    )
    activation: str | None = fields.setting(
        None, "Non-linearity. [recipe's]", choices=('relu', 'tanh')
    )
    pool_size: int | None = fields.setting(
        None, "Side of pooling windows, 2 apart; 2: no overlap. [recipe's]", choices=(2, 3)
    )
    normalization: bool | None = fields.setting(
        None, "Whether norm1 and norm2 are there. [recipe's]"
    )
    crop_size: int | None = fields.setting(
        None, "Side of the training crop. [recipe's]", low=11, high=256
    )
    lrn_k: float | None = fields.setting(None, "Normalisation's k. [recipe's]", low=1e-6)
    lrn_n: int | None = fields.setting(None, "Normalisation's n, odd. [recipe's]", low=1)
    lrn_alpha: float | None = fields.setting(None, "Normalisation's alpha. [recipe's]", low=0)
    lrn_beta: float | None = fields.setting(None, "Normalisation's beta. [recipe's]", low=0)
    lrn_across_columns: bool | None = fields.setting(
        None, "Normalisation over all maps, not one column's. [recipe's]"
    )
    lrn1_before_pool: bool | None = fields.setting(
        None, "First normalisation on conv1's linear output. [recipe's]"
    )
    same_map_alpha: float | None = fields.setting(
        None, "Alpha of the source's extra same-map normalisation; 0: none. [recipe's]", low=0
    )
    initial_sd: float | None = fields.setting(
        None, "Sd of initial weights; a small network's layers have multiples. [recipe's]", low=0
    )
    initial_sd_middle: float | None = fields.setting(
        None, "The same for conv3 to conv6. [recipe's]", low=0
    )
    initial_sd_hidden: float | None = fields.setting(
        None, "The same for fc6, fc7. [recipe's]", low=0
    )
    initial_bias: float | None = fields.setting(
        None,
        "Initial bias of conv2, conv4 to conv6, fc6, fc7; of a small network's layers. [recipe's]",
    )
    dropout: float | None = fields.setting(
        None, "Share of hidden outputs dropped. [recipe's]", low=0, high=0.99
    )
    dropout_inverted: bool | None = fields.setting(
        None, "Scale kept outputs in training, not all in test. [recipe's]"
    )


@dataclasses.dataclass(frozen=True)
class Training(fields.Checked):
    """How it learns, and what it writes."""

    learning_rate: float | None = fields.setting(None, "Initial learning rate. [recipe's]", low=0)
    bias_rate_multiplier: float | None = fields.setting(
        None, "Learning rate of biases as a multiple. [recipe's]", low=0
    )
    layer_rates: tuple[str, ...] | None = fields.setting(
        None,
        'Learning rates of layers as multiples, from the start or after so many epochs, as '
        "fc8=10,conv1=0@72. [recipe's]",
        pattern=r'(conv[1-6]|local[34]|fc[4-8])=\d+(\.\d+)?(@\d+)?',
    )
    momentum: float | None = fields.setting(None, "Momentum. [recipe's]", low=0, high=1)
    weight_decay: float | None = fields.setting(
        None, "Weight decay; a small network's layers have multiples. [recipe's]", low=0
    )
    batch_size: int | None = fields.setting(
        None, "Examples in a step. [recipe's]", low=1, high=1_000_000
    )
    epochs: int | None = fields.setting(
        None, "Passes over the training examples. [recipe's]", low=1
    )
    stop_train_error: float = fields.setting(
        -1.0, 'End after an epoch of at most this training error; -1: never.', low=-1, high=1
    )
    schedule: str | None = fields.setting(
        None,
        'Divide the rate by 10 on a plateau of validation error, or after --drop_epochs; or by 250 '
        "in four equal stretches of --epochs. [recipe's]",
        choices=('plateau', 'list', 'geometric'),
    )
    drop_epochs: tuple[int, ...] | None = fields.setting(
        None, "Epochs after which the rate is divided, as 23,51,78. [recipe's]", low=1
    )
    patience_epochs: int = fields.setting(
        5, 'Epochs without a better validation error that make a plateau.', low=1
    )
    reshuffle: bool | None = fields.setting(
        None, "Whether every epoch has an order of its own. [recipe's]"
    )
    random_crops: bool | None = fields.setting(
        None, "Crops at random places, mirrored or not; else the middle. [recipe's]"
    )
    crop_chunk: int | None = fields.setting(
        None, "So many pictures in a row share crop and mirror. [recipe's]", low=1
    )
    colour_shift_sd: float | None = fields.setting(
        None, "Sd of the colour shift, in components' sds; 0: none. [recipe's]", low=0
    )
    colour_shift_divisor: float | None = fields.setting(
        None, "Pictures are divided by it while there is a shift. [recipe's]", low=0.1
    )
    colour_shift_epochs: int | None = fields.setting(
        None, "Epochs with the colour shift; 0: all. [recipe's]", low=0
    )
    init_weights: str = fields.setting(
        '',
        "Weights to begin from: the directory of a run, Caffe's AlexNet as .npy, .npz or "
        ".caffemodel, or a checkpoint's variables.npz.",
    )
    init_layers: tuple[str, ...] | None = fields.setting(
        None,
        'Layers that --init_weights sets, as conv1,conv2; the others begin afresh. [all; of a run '
        'on other classes, all but the last]',
        pattern=r'conv[1-6]|local[34]|fc[4-8]',
    )
    init_missing: str = fields.setting(
        'refuse',
        'What to do about layers that --init_weights lacks, fc8 for other classes among them: '
        'refuse, or begin them afresh.',
        choices=('refuse', 'fresh'),
    )
    accumulate_steps: int = fields.setting(
        1,
        'Take a batch in so many parts, one after the other, where it does not fit in memory: the '
        'same update.',
        low=1,
        high=1024,
    )
    on_nonfinite: str = fields.setting(
        'stop',
        'When the loss or a gradient is no number: stop, or go back to the newest checkpoint and '
        'pass over the batch, at most three times.',
        choices=('stop', 'rollback'),
    )
    checkpoint_secs: int = fields.setting(
        600, 'Seconds between checkpoints inside an epoch; there is one at the end of each.', low=1
    )
    keep_every_epochs: int = fields.setting(
        0,
        'Keep the checkpoint of every so manieth epoch, beside the newest three and the best.',
        low=0,
    )
    profile_steps: tuple[int, ...] = fields.setting(
        (), 'First and last step of a profile for TensorBoard, as 10,20.', low=1
    )
    log_every_steps: int = fields.setting(20, 'Steps between lines of progress and scalars.', low=1)


@dataclasses.dataclass(frozen=True)
class Evaluation(fields.Checked):
    """What is scored."""

    split: str = fields.setting(
        'validation', 'Split that evaluate scores.', choices=('train', 'validation', 'test')
    )
    views: tuple[str, ...] = fields.setting(
        (),
        'Views of a picture whose probabilities are averaged: the centre; corners, centre and '
        'their mirrors; or nine places. Each set is scored by itself. [1,10; of predict, report '
        'and draw 1]',
        choices=('1', '10', 'nine'),
    )
    checkpoint: str = fields.setting(
        'newest',
        "Which of a run's checkpoints is evaluated, exported, asked or begun from "
        "(--init_weights): the newest, or the best of those at an epoch's end.",
        choices=('newest', 'best'),
    )
    save_probabilities: str = fields.setting(
        '',
        "Keep every example's probabilities beside the run, as float16 or float32, with their ids.",
        choices=('', 'float16', 'float32'),
    )
    ensemble: tuple[str, ...] = fields.setting(
        (),
        'Directories of runs whose probabilities are averaged, by evaluate or predict; kept ones '
        'are not made again.',
    )
    ensemble_weights: tuple[str, ...] = fields.setting(
        (), 'Their weights, as 1,0.5. [equal]', pattern=r'\d+(\.\d+)?'
    )
    search_weights: str = fields.setting(
        '',
        'Another split, on which the weights with the lowest top-5 error are searched, as the 2012 '
        'source did on validation.',
        choices=('', 'train', 'validation', 'test'),
    )
    eval_batch_size: int = fields.setting(
        128,
        'Pictures a step when no gradient is needed; ten views take a tenth.',
        low=10,
        high=1_000_000,
    )


@dataclasses.dataclass(frozen=True)
class Predict(fields.Checked):
    """What predict reads and writes."""

    inputs: tuple[str, ...] = fields.setting(
        (), 'Files of pictures, folders with all that is in them, or - for a list on stdin.'
    )
    output: str = fields.setting(
        'table',
        'Form of predictions and measurements; json is one object a line.',
        choices=('table', 'csv', 'json'),
    )
    output_file: str = fields.setting('', 'File for the predictions. [standard output]')
    draw: str = fields.setting(
        '',
        'PNG file that shows the first 8 pictures, names and bars; of retrieve, or HTML, what is '
        'found for the first 20.',
    )
    submission: str = fields.setting(
        '',
        'File for the ILSVRC server, instead: of each picture, in the order of their names, a line '
        'of five ILSVRC ids, best first.',
    )


@dataclasses.dataclass(frozen=True)
class Report(fields.Checked):
    """What is set side by side."""

    compare_runs: tuple[str, ...] = fields.setting(
        (),
        'Directories of the runs that tables set side by side [all beside --run_dir], or that '
        'are in one figure [--run_dir].',
    )
    paper_tables: str = fields.setting(
        '',
        "Have report print the paper's table of this data set, the runs' rows beside the paper's.",
        choices=('', 'ilsvrc2010', 'ilsvrc2012', 'fall2009'),
    )


@dataclasses.dataclass(frozen=True)
class Draw(fields.Checked):
    """Figures."""

    figure: str = fields.setting(
        'kernels',
        'The first layer (figure 3); the network (figure 2); answers and neighbours (figure 4) of '
        '--inputs or of held-out pictures; curves of --compare_runs, or of their training error '
        'alone (figure 1); of the picture in --inputs, the activations of --layer, or the gradient '
        'of a logit.',
        choices=(
            'kernels',
            'network',
            'predictions',
            'neighbours',
            'curves',
            'training_curves',
            'activations',
            'gradient',
        ),
    )
    layer: str = fields.setting('conv1', 'Layer of --figure=activations, as relu1 or norm2.')
    class_name: str = fields.setting('', 'Class of --figure=gradient. [the likeliest]')


@dataclasses.dataclass(frozen=True)
class Retrieve(fields.Checked):
    """Pictures by likeness."""

    retrieve: str = fields.setting(
        'query',
        'Compute the vectors of --database; find the nearest to --inputs; or measure how good what '
        'is found for --split is.',
        choices=('index', 'query', 'evaluate'),
    )
    index_dir: str = fields.setting('', 'Directory of indexes. [RUN_DIR/index]')
    database: str = fields.setting(
        'train', 'Split that is searched.', choices=('train', 'validation', 'test')
    )
    neighbours: int = fields.setting(6, 'Nearest pictures of each query.', low=1)
    search_engine: str = fields.setting(
        'numpy', 'What searches; the results are equal.', choices=('numpy', 'faiss')
    )
    code_bits: tuple[int, ...] = fields.setting(
        (),
        'Search binary codes of so many bits, as 28 or 256, that an autoencoder makes of the '
        'vectors; evaluate compares several. [the vectors themselves]',
        low=1,
        high=4096,
    )


@dataclasses.dataclass(frozen=True)
class Export(fields.Checked):
    """Where the SavedModel goes."""

    export_dir: str = fields.setting('', 'Directory of numbered versions. [RUN_DIR/export]')
    export_version: int | None = fields.setting(None, 'Number of this version. [the next]', low=1)
    export_precision: str = fields.setting(
        'float32',
        'Dtype of the exported weights: half the bytes, and widened again at each request.',
        choices=('float32', 'bfloat16', 'float16'),
    )
    export_also: tuple[str, ...] = fields.setting(
        (),
        'Further formats, files beside the version: litert, for phones, and onnx. They take '
        '256x256 pixels, for they decode no pictures.',
        choices=('litert', 'onnx'),
    )


@dataclasses.dataclass(frozen=True)
class Benchmark(fields.Checked):
    """What benchmark measures."""

    benchmark: str = fields.setting(
        'train_step',
        'One update, one forward pass, the input by stage, training with and without input, '
        'scoring a split of one view and of ten, or a SavedModel beside the network in process. '
        'input, end_to_end and evaluate read --data_dir.',
        choices=('train_step', 'inference', 'input', 'end_to_end', 'evaluate', 'serving'),
    )
    num_classes: int = fields.setting(1000, 'Classes of the measured network.', low=2)
    runs: int = fields.setting(10, 'Measured runs, after some that are not.', low=1)
    tf32: bool = fields.setting(
        True, 'Let a GPU round the inputs of float32 products to 10 bits (TF32).'
    )
    by_layer: bool = fields.setting(True, 'Measure each layer by itself, too; in the table only.')


@dataclasses.dataclass(frozen=True)
class Experiment(fields.Checked):
    """Runs that differ in some settings."""

    grid: str = fields.setting(
        '',
        'What differs between the runs of an experiment: each combination of the alternatives of '
        "each part, as 'activation=relu|tanh;seed=1|2|3'. An alternative may set several things, "
        "a=1+b=2, or nothing: '|columns=1|pool_size=2;seed=1|2'.",
    )
    experiment_dir: str = fields.setting(
        'runs/experiment', 'Directory of the runs of an experiment, their table and figures.'
    )


@dataclasses.dataclass(frozen=True)
class Verify(fields.Checked):
    """Where verify writes."""

    fidelity_file: str = fields.setting('docs/fidelity.md', "The report's page.")


@dataclasses.dataclass(frozen=True)
class Config(fields.Checked):
    """What to do, and where.

    Everything that a workflow may ask, resolved once in `main`.
    """

    mode: str = fields.setting(
        'everything',
        'The workflow; everything: prepare, train, evaluate, export and report, one after the '
        'other. What is prepared or trained already stays.',
        choices=MODES,
    )
    run_dir: str = fields.setting(
        'runs/default', 'Directory of one run: all that it learns and reports.'
    )
    seed: int = fields.setting(0, 'Decides every random draw.', low=0, high=2**31 - 1)
    debug: bool = fields.setting(False, 'Show tracebacks.')
    data: Data = dataclasses.field(default_factory=Data)
    input: Input = dataclasses.field(default_factory=Input)
    network: Network = dataclasses.field(default_factory=Network)
    training: Training = dataclasses.field(default_factory=Training)
    evaluation: Evaluation = dataclasses.field(default_factory=Evaluation)
    predict: Predict = dataclasses.field(default_factory=Predict)
    report: Report = dataclasses.field(default_factory=Report)
    draw: Draw = dataclasses.field(default_factory=Draw)
    retrieve: Retrieve = dataclasses.field(default_factory=Retrieve)
    export: Export = dataclasses.field(default_factory=Export)
    benchmark: Benchmark = dataclasses.field(default_factory=Benchmark)
    verify: Verify = dataclasses.field(default_factory=Verify)
    experiment: Experiment = dataclasses.field(default_factory=Experiment)

    def __post_init__(self):
        super().__post_init__()
        prepares = self.mode in ('prepare', 'everything') and not self.data.verify_only
        if prepares and self.data.source == 'tfds':
            _require(self.data.dataset, '--source=tfds needs --dataset=NAME.')
        elif prepares and self.data.source not in ('auto', 'photographs'):
            _require(self.data.source_dir, f'--source={self.data.source} needs --source_dir.')
        self._check_modes()
        self._check_benchmark()
        if self.network.lrn_n is not None and self.network.lrn_n % 2 == 0:
            raise UsageError(f'--lrn_n={self.network.lrn_n}: expected an odd number of maps.')
        if self.mode == 'retrieve' and self.retrieve.retrieve == 'query':
            _require(self.predict.inputs, '--retrieve=query needs --inputs=FILE_OR_FOLDER,...')
            if len(self.retrieve.code_bits) > 1:
                raise UsageError('--code_bits: a query is answered by codes of one length.')
        if self.mode == 'experiment':
            _require(self.experiment.grid, '--mode=experiment needs --grid=SETTING=VALUE|VALUE;...')
        if self.mode in ('experiment', 'everything') and self.network.strategy == 'multi_worker':
            raise UsageError(
                f'--strategy=multi_worker: --mode={self.mode} is of one host, --mode=train of many.'
            )
        if self.mode == 'draw' and self.draw.figure in ('activations', 'gradient'):
            _require(self.predict.inputs, f'--figure={self.draw.figure} needs --inputs=PICTURE.')
        if self.mode == 'predict':
            _require(self.predict.inputs, '--mode=predict needs --inputs=FILE_OR_FOLDER,...')
        self._check_training()
        self._check_local()
        _check_devices(self.network)
        _check_ensemble(self.evaluation)

    def _check_training(self):
        """Refuses ways to train, and to feed it, that do not go together."""
        training = self.training
        if training.init_layers and not training.init_weights:
            raise UsageError('--init_layers: of which network? --init_weights is missing.')
        if training.on_nonfinite == 'rollback' and self.input.data_service:
            raise UsageError(
                '--on_nonfinite=rollback: with --data_service a batch cannot be found again.'
            )
        steps = training.profile_steps
        if len(steps) not in (0, 2) or list(steps) != sorted(steps):
            raise UsageError('--profile_steps: expected a first and a last step, as 10,20.')
        if self.input.data_service and self.input.cache != 'none':
            raise UsageError(
                f'--cache={self.input.cache}: the hosts of --data_service would look for this '
                "host's copy. Leave one of the two out."
            )

    def _check_local(self):
        """Refuses object stores where directories of a disk are wanted."""
        for name, value in (
            ('run_dir', self.run_dir),
            ('export_dir', self.export.export_dir),
            ('index_dir', self.retrieve.index_dir),
            ('experiment_dir', self.experiment.experiment_dir),
        ):
            if '://' in value:
                raise UsageError(
                    f'--{name}={value}: expected a directory of a disk. Only pictures and records '
                    '(--source_dir, --data_dir, --inputs) may be in an object store.'
                )

    def _check_benchmark(self):
        """Refuses what is not measured."""
        if self.mode != 'benchmark':
            return
        if self.input.data_service:
            raise UsageError('--data_service: measurements are of this host alone.')
        if self.predict.output == 'csv':
            raise UsageError('--output=csv: measurements come as table or json.')
        if self.network.strategy in ('mirrored', 'multi_worker'):
            raise UsageError(
                f'--strategy={self.network.strategy}: measurements are of one copy of the network; '
                'training itself says how fast several are.'
            )
        if self.training.accumulate_steps > 1:
            raise UsageError('--accumulate_steps: a measured step takes its batch at once.')

    def _check_modes(self):
        """Refuses settings that the mode has no use for."""
        for name, modes, section in (
            ('dry_run', ('prepare',), self.data),
            ('verify_only', ('prepare',), self.data),
            ('submission', ('predict',), self.predict),
            ('paper_tables', ('report',), self.report),
            ('compare_runs', ('report', 'draw'), self.report),
            ('ensemble', ('evaluate', 'predict'), self.evaluation),
            ('search_weights', ('evaluate',), self.evaluation),
            ('export_also', ('export', 'everything'), self.export),
            ('grid', ('experiment',), self.experiment),
        ):
            if getattr(section, name) and self.mode not in modes:
                raise UsageError(
                    f'--{name} belongs to --mode={" or ".join(modes)}, not to {self.mode}.'
                )
        if self.mode == 'report' and self.report.compare_runs and not self.report.paper_tables:
            raise UsageError('--compare_runs: for which of --paper_tables?')
        if self.mode in ('predict', 'report', 'draw') and len(self.evaluation.views) > 1:
            raise UsageError(
                f'--views={",".join(self.evaluation.views)}: {self.mode} takes one of 1, 10, nine.'
            )
        if self.export.export_also and self.export.export_precision != 'float32':
            raise UsageError('--export_also: other formats have weights of float32 only.')
        if self.predict.submission and (self.predict.draw or self.predict.output_file):
            raise UsageError('--submission is written alone, without --draw and --output_file.')


def _check_ensemble(asked: Evaluation) -> None:
    weights = list(map(float, asked.ensemble_weights))
    if (weights or asked.search_weights) and not asked.ensemble:
        raise UsageError('--ensemble_weights and --search_weights are of --ensemble=RUN_A,RUN_B.')
    if weights and (len(weights) != len(asked.ensemble) or not any(weights)):
        raise UsageError(
            f'--ensemble_weights={",".join(asked.ensemble_weights)}: expected a weight for each of '
            f'{len(asked.ensemble)} networks, one of them above 0.'
        )
    if weights and asked.search_weights:
        raise UsageError('--search_weights finds weights; --ensemble_weights gives them.')
    if asked.search_weights == asked.split:
        raise UsageError(
            f'--search_weights={asked.split}: weights must be found on another split than the one '
            'that is scored, or the errors would look smaller than they are.'
        )


def _check_devices(network: Network) -> None:
    """Refuses devices that do not suit the strategy."""
    strategy, devices, given = network.strategy, network.devices, ','.join(network.devices)
    if strategy == 'multi_worker' and devices:
        raise UsageError(
            f'--devices={given}: --strategy=multi_worker has a copy on every GPU of a host, and '
            'columns cannot have devices of their own inside: TensorFlow would place them wrongly.'
        )
    if strategy == 'two_columns' and len(devices) != 2:
        raise UsageError('--strategy=two_columns needs two --devices, as /GPU:0,/GPU:1.')
    if strategy == 'mirrored' and len(set(devices)) < len(devices):
        raise UsageError(f'--devices={given}: a device has one copy.')
    most = {'one_device': 1, 'mirrored': len(devices)}.get(strategy, 2)
    if len(devices) > most:
        raise UsageError(
            f'--devices={given}: expected one device, or one for each of the two columns; for a '
            'copy of the network on each, --strategy=mirrored.'
        )


def _require(value: Any, message: str) -> None:
    if not value:
        raise UsageError(message)


def from_settings(values: typing.Mapping[str, Any]) -> Config:
    """A config from settings by flag name; see `settings.build`."""
    return fields.build(Config, values)


def to_settings(config: Config) -> dict[str, Any]:
    """Every setting by flag name: the inverse of `from_settings`."""
    return fields.values(config)


def to_json(config: Config) -> str:
    """Every setting as one JSON object, in the order of the fields."""
    return json.dumps(to_settings(config), indent=2) + '\n'


def flags(config: Config, mode: str) -> list[str]:
    """The fewest flags for a mode with these settings."""
    found = [f'--mode={mode}']
    default = to_settings(Config())
    for name, value in to_settings(config).items():
        if name != 'mode' and value != default[name]:
            found.append(f'--{name}={fields.written(value)}')
    return found


def command(config: Config, mode: str) -> str:
    """The same as a command line."""
    return ' '.join(['python -m alexnet_tf.main', *map(shlex.quote, flags(config, mode))])


def changed(config: Config, texts: typing.Mapping[str, str]) -> Config:
    """A config with some settings as a command line would give them.

    Raises:
        UsageError: No such setting, or no such value.
    """
    values = {name: fields.read(Config, name, text) for name, text in texts.items()}
    return from_settings(to_settings(config) | values)


def from_json(text: str) -> Config:
    """The config that `to_json` wrote."""
    return from_settings(json.loads(text))
