"""The settings of using trained networks, by section; see `sections`. Standard library only."""

import dataclasses

from alexnet_tf import settings


@dataclasses.dataclass(frozen=True)
class Evaluation(settings.Checked):
    """What is scored."""

    split: str = settings.setting(
        'validation', 'Split that evaluate scores.', choices=('train', 'validation', 'test')
    )
    views: tuple[str, ...] = settings.setting(
        (),
        'Views of a picture whose probabilities are averaged: the centre; corners, centre and '
        'their mirrors; or nine places. Each set is scored by itself. [1,10; of predict, report '
        'and draw 1]',
        choices=('1', '10', 'nine'),
    )
    checkpoint: str = settings.setting(
        'newest',
        "Which of a run's checkpoints is evaluated, exported, asked or begun from "
        "(--init_weights): the newest, or the best of those at an epoch's end.",
        choices=('newest', 'best'),
    )
    save_probabilities: str = settings.setting(
        '',
        "Keep every example's probabilities beside the run, as float16 or float32, with their ids.",
        choices=('', 'float16', 'float32'),
    )
    ensemble: tuple[str, ...] = settings.setting(
        (),
        'Directories of runs whose probabilities are averaged, by evaluate or predict; kept ones '
        'are not made again.',
    )
    ensemble_weights: tuple[str, ...] = settings.setting(
        (), 'Their weights, as 1,0.5. [equal]', pattern=r'\d+(\.\d+)?'
    )
    search_weights: str = settings.setting(
        '',
        'Another split, on which the weights with the lowest top-5 error are searched, as the 2012 '
        'source did on validation.',
        choices=('', 'train', 'validation', 'test'),
    )
    eval_batch_size: int = settings.setting(
        128,
        'Pictures a step when no gradient is needed; ten views take a tenth.',
        low=10,
        high=1_000_000,
    )


@dataclasses.dataclass(frozen=True)
class Predict(settings.Checked):
    """What predict reads and writes."""

    inputs: tuple[str, ...] = settings.setting(
        (), 'Files of pictures, folders with all that is in them, or - for a list on stdin.'
    )
    output: str = settings.setting(
        'table',
        'Form of predictions and measurements; json is one object a line.',
        choices=('table', 'csv', 'json'),
    )
    output_file: str = settings.setting('', 'File for the predictions. [standard output]')
    draw: str = settings.setting(
        '',
        'PNG file that shows the first 8 pictures, names and bars; of retrieve, or HTML, what is '
        'found for the first 20.',
    )
    submission: str = settings.setting(
        '',
        'File for the ILSVRC server, instead: of each picture, in the order of their names, a line '
        'of five ILSVRC ids, best first.',
    )


@dataclasses.dataclass(frozen=True)
class Report(settings.Checked):
    """What is set side by side."""

    compare_runs: tuple[str, ...] = settings.setting(
        (),
        'Directories of the runs that tables set side by side [all beside --run_dir], or that '
        'are in one figure [--run_dir].',
    )
    paper_tables: str = settings.setting(
        '',
        "Have report print the paper's table of this data set, the runs' rows beside the paper's.",
        choices=('', 'ilsvrc2010', 'ilsvrc2012', 'fall2009'),
    )


@dataclasses.dataclass(frozen=True)
class Draw(settings.Checked):
    """Figures."""

    figure: str = settings.setting(
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
    layer: str = settings.setting('conv1', 'Layer of --figure=activations, as relu1 or norm2.')
    class_name: str = settings.setting('', 'Class of --figure=gradient. [the likeliest]')


@dataclasses.dataclass(frozen=True)
class Retrieve(settings.Checked):
    """Pictures by likeness."""

    retrieve: str = settings.setting(
        'query',
        'Compute the vectors of --database; find the nearest to --inputs; or measure how good what '
        'is found for --split is.',
        choices=('index', 'query', 'evaluate'),
    )
    index_dir: str = settings.setting('', 'Directory of indexes. [RUN_DIR/index]')
    database: str = settings.setting(
        'train', 'Split that is searched.', choices=('train', 'validation', 'test')
    )
    neighbours: int = settings.setting(6, 'Nearest pictures of each query.', low=1)
    search_engine: str = settings.setting(
        'numpy', 'What searches; the results are equal.', choices=('numpy', 'faiss')
    )
    code_bits: tuple[int, ...] = settings.setting(
        (),
        'Search binary codes of so many bits, as 28 or 256, that an autoencoder makes of the '
        'vectors; evaluate compares several. [the vectors themselves]',
        low=1,
        high=4096,
    )


@dataclasses.dataclass(frozen=True)
class Export(settings.Checked):
    """Where the SavedModel goes."""

    export_dir: str = settings.setting('', 'Directory of numbered versions. [RUN_DIR/export]')
    export_version: int | None = settings.setting(None, 'Number of this version. [the next]', low=1)
    export_precision: str = settings.setting(
        'float32',
        'Dtype of the exported weights: half the bytes, and widened again at each request.',
        choices=('float32', 'bfloat16', 'float16'),
    )
    export_also: tuple[str, ...] = settings.setting(
        (),
        'Further formats, files beside the version: litert, for phones, and onnx. They take '
        '256x256 pixels, for they decode no pictures.',
        choices=('litert', 'onnx'),
    )


@dataclasses.dataclass(frozen=True)
class Benchmark(settings.Checked):
    """What benchmark measures."""

    benchmark: str = settings.setting(
        'train_step',
        'One update, one forward pass, the input by stage, training with and without input, '
        'scoring a split of one view and of ten, or a SavedModel beside the network in process. '
        'input, end_to_end and evaluate read --data_dir.',
        choices=('train_step', 'inference', 'input', 'end_to_end', 'evaluate', 'serving'),
    )
    num_classes: int = settings.setting(1000, 'Classes of the measured network.', low=2)
    runs: int = settings.setting(10, 'Measured runs, after some that are not.', low=1)
    tf32: bool = settings.setting(
        True, 'Let a GPU round the inputs of float32 products to 10 bits (TF32).'
    )
    by_layer: bool = settings.setting(True, 'Measure each layer by itself, too; in the table only.')


@dataclasses.dataclass(frozen=True)
class Experiment(settings.Checked):
    """Runs that differ in some settings."""

    grid: str = settings.setting(
        '',
        'What differs between the runs of an experiment: each combination of the alternatives of '
        "each part, as 'activation=relu|tanh;seed=1|2|3'. An alternative may set several things, "
        "a=1+b=2, or nothing: '|columns=1|pool_size=2;seed=1|2'.",
    )
    experiment_dir: str = settings.setting(
        'runs/experiment', 'Directory of the runs of an experiment, their table and figures.'
    )


@dataclasses.dataclass(frozen=True)
class Verify(settings.Checked):
    """Where verify writes."""

    fidelity_file: str = settings.setting('docs/fidelity.md', "The report's page.")
