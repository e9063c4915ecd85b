"""Every setting of a run: its default, help text and bounds. Standard library only.

A setting is one field: the flag, the help text and the key in the saved JSON follow from it.
"""

import dataclasses
import json
import typing
from typing import Any

MODES = ('prepare', 'train', 'evaluate', 'predict', 'export', 'report', 'everything')


class UsageError(Exception):
    """A setting that cannot be used; the message says what was received and what is accepted."""

    exit_code = 2


def setting(default: Any, help: str, **bounds) -> Any:
    """A field with its help text and bounds (`low`, `high`: inclusive; `choices`)."""
    return dataclasses.field(default=default, metadata={'help': help, **bounds})


class _Checked:
    """Checks every field against its bounds when built."""

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value is not None and 'help' in field.metadata:
                for each in value if isinstance(value, tuple) else (value,):
                    _check(field.name, each, field.metadata)


def _check(name: str, value: Any, bounds: typing.Mapping[str, Any]) -> None:
    low, high, choices = (bounds.get(key) for key in ('low', 'high', 'choices'))
    if choices is not None and value not in choices:
        raise UsageError(f'--{name}={value}: expected one of {", ".join(map(str, choices))}.')
    if low is not None and not value >= low:
        raise UsageError(f'--{name}={value}: expected at least {low}.')
    if high is not None and not value <= high:
        raise UsageError(f'--{name}={value}: expected at most {high}.')


@dataclasses.dataclass(frozen=True)
class Data(_Checked):
    """Pictures and records."""

    data_dir: str = setting('data/default', 'Directory of the prepared records.')
    source: str = setting(
        'photographs',
        'Where prepare takes pictures from: the photographs in the scikit-image wheel, or a '
        'folder of class folders (--source_dir).',
        choices=('photographs', 'folder'),
    )
    source_dir: str = setting(
        '', 'Folder of class folders, or of train/ and val/ with class folders in each.'
    )
    validation_fraction: float = setting(
        0.2, 'Share held out where the source has no split of its own.', low=0.001, high=0.9
    )
    record_encoding: str = setting(
        'jpeg', 'How records hold their 256x256 pictures.', choices=('jpeg', 'raw')
    )
    shard_examples: int = setting(1024, 'Most records in one file.', low=1)
    max_bad_fraction: float = setting(
        0.01, 'Share of pictures that may be unreadable before prepare gives up.', low=0, high=1
    )


@dataclasses.dataclass(frozen=True)
class Network(_Checked):
    """The network, and the numbers that differ from the recipe's."""

    recipe: str = setting(
        'source2012',
        "The preset: the paper's text to the letter, or what its 2012 source ran.",
        choices=('paper', 'source2012'),
    )
    width: float = setting(1.0, "Layer sizes as a multiple of the paper's.", low=1 / 48, high=16)
    devices: tuple[str, ...] = setting(
        (), 'Device of column a and of column b, as /GPU:0,/GPU:1; one device holds both.'
    )
    precision: str = setting(
        'float32', 'Dtype of activations; weights stay float32.', choices=('float32', 'bfloat16')
    )
    columns: int | None = setting(
        None, "Columns; 1 is the network of the paper's footnote 2. [recipe's]", choices=(1, 2)
    )
    conv6: bool | None = setting(None, "A sixth convolution over pool5. [recipe's]")
    removed_layer: str | None = setting(
        None, "A convolution to leave out. [recipe's]", choices=('', 'conv3', 'conv4', 'conv5')
    )
    activation: str | None = setting(None, "Non-linearity. [recipe's]", choices=('relu', 'tanh'))
    pool_size: int | None = setting(
        None, "Side of pooling windows, 2 apart; 2: no overlap. [recipe's]", choices=(2, 3)
    )
    normalization: bool | None = setting(None, "Whether norm1 and norm2 are there. [recipe's]")
    crop_size: int | None = setting(None, "Side of the training crop. [recipe's]", low=63, high=256)
    lrn_k: float | None = setting(None, "Normalisation's k. [recipe's]", low=1e-6)
    lrn_n: int | None = setting(None, "Normalisation's n, odd. [recipe's]", low=1)
    lrn_alpha: float | None = setting(None, "Normalisation's alpha. [recipe's]", low=0)
    lrn_beta: float | None = setting(None, "Normalisation's beta. [recipe's]", low=0)
    lrn1_before_pool: bool | None = setting(
        None, "First normalisation on conv1's linear output. [recipe's]"
    )
    same_map_alpha: float | None = setting(
        None, "Alpha of the source's extra same-map normalisation; 0: none. [recipe's]", low=0
    )
    initial_sd: float | None = setting(None, "Sd of initial weights. [recipe's]", low=0)
    initial_sd_middle: float | None = setting(None, "The same for conv3-5. [recipe's]", low=0)
    initial_sd_hidden: float | None = setting(None, "The same for fc6, fc7. [recipe's]", low=0)
    initial_bias: float | None = setting(
        None, "Initial bias of conv2, conv4, conv5, fc6, fc7. [recipe's]"
    )
    dropout: float | None = setting(
        None, "Share of hidden outputs dropped. [recipe's]", low=0, high=0.99
    )
    dropout_inverted: bool | None = setting(
        None, "Scale kept outputs in training, not all in test. [recipe's]"
    )


@dataclasses.dataclass(frozen=True)
class Training(_Checked):
    """How it learns, and what it writes."""

    learning_rate: float | None = setting(None, "Initial learning rate. [recipe's]", low=0)
    bias_rate_multiplier: float | None = setting(
        None, "Learning rate of biases as a multiple. [recipe's]", low=0
    )
    momentum: float | None = setting(None, "Momentum. [recipe's]", low=0, high=1)
    weight_decay: float | None = setting(None, "Weight decay. [recipe's]", low=0)
    batch_size: int | None = setting(None, "Examples in a step. [recipe's]", low=1, high=1_000_000)
    epochs: int | None = setting(None, "Passes over the training examples. [recipe's]", low=1)
    schedule: str | None = setting(
        None,
        'Divide the rate by 10 on a plateau of validation error, or after --drop_epochs. '
        "[recipe's]",
        choices=('plateau', 'list'),
    )
    drop_epochs: tuple[int, ...] | None = setting(
        None, "Epochs after which the rate is divided, as 23,51,78. [recipe's]", low=1
    )
    patience_epochs: int = setting(
        5, 'Epochs without a better validation error that make a plateau.', low=1
    )
    colour_shift_sd: float | None = setting(
        None, "Sd of the colour shift, in components' sds; 0: none. [recipe's]", low=0
    )
    colour_shift_divisor: float | None = setting(
        None, "Training pictures are divided by it. [recipe's]", low=0.1
    )
    checkpoint_secs: int = setting(600, 'Seconds between checkpoints inside an epoch.', low=1)
    log_every_steps: int = setting(20, 'Steps between lines of progress and scalars.', low=1)


@dataclasses.dataclass(frozen=True)
class Evaluation(_Checked):
    """What is scored."""

    eval_batch_size: int = setting(
        128,
        'Pictures a step when no gradient is needed; ten views take a tenth.',
        low=10,
        high=1_000_000,
    )


@dataclasses.dataclass(frozen=True)
class Predict(_Checked):
    """What predict reads and writes."""

    inputs: tuple[str, ...] = setting((), 'Files or folders of pictures, comma-separated.')
    output: str = setting(
        'table',
        'Form of the predictions; json is one object a line.',
        choices=('table', 'csv', 'json'),
    )
    output_file: str = setting('', 'File for the predictions. [standard output]')
    draw: str = setting('', 'PNG file that shows pictures, names and bars.')


@dataclasses.dataclass(frozen=True)
class Export(_Checked):
    """Where the SavedModel goes."""

    export_dir: str = setting('', 'Directory of numbered versions. [RUN_DIR/export]')
    export_version: int | None = setting(None, 'Number of this version. [the next]', low=1)


@dataclasses.dataclass(frozen=True)
class Config(_Checked):
    """Everything that a workflow may ask, resolved once in `main`."""

    mode: str = setting('everything', 'The workflow.', choices=MODES)
    run_dir: str = setting('runs/default', 'Directory of one run: all that it learns and reports.')
    seed: int = setting(0, 'Decides every random draw.', low=0, high=2**31 - 1)
    debug: bool = setting(False, 'Show tracebacks.')
    data: Data = dataclasses.field(default_factory=Data)
    network: Network = dataclasses.field(default_factory=Network)
    training: Training = dataclasses.field(default_factory=Training)
    evaluation: Evaluation = dataclasses.field(default_factory=Evaluation)
    predict: Predict = dataclasses.field(default_factory=Predict)
    export: Export = dataclasses.field(default_factory=Export)

    def __post_init__(self):
        super().__post_init__()
        if self.mode in ('prepare', 'everything') and self.data.source == 'folder':
            _require(self.data.source_dir, '--source=folder needs --source_dir=FOLDER.')
        if self.mode == 'predict':
            _require(self.predict.inputs, '--mode=predict needs --inputs=FILE_OR_FOLDER,...')
        if len(self.network.devices) > 2:
            raise UsageError(
                f'--devices={",".join(self.network.devices)}: expected one device, or one for '
                'each of the two columns.'
            )


def _require(value: Any, message: str) -> None:
    if not value:
        raise UsageError(message)


def sections(config: Config | type[Config] = Config) -> dict[str, Any]:
    """The nested dataclasses of a config by field name; '' is the config itself."""
    nested = {
        field.name: getattr(config, field.name, field.type)
        for field in dataclasses.fields(config)
        if dataclasses.is_dataclass(field.type)
    }
    return {'': config} | nested


def settings(section: Any) -> list[dataclasses.Field]:
    """The fields of one section that are settings, not sections."""
    return [field for field in dataclasses.fields(section) if 'help' in field.metadata]


def from_settings(values: typing.Mapping[str, Any]) -> Config:
    """A config from settings by flag name; what is missing has its default.

    Raises:
        UsageError: An unknown name, or a value out of its bounds.
    """
    unknown = set(values) - {f.name for part in sections().values() for f in settings(part)}
    if unknown:
        raise UsageError(f'unknown settings: {", ".join(sorted(unknown))}.')
    built = {name: part(**_of_section(part, values)) for name, part in sections().items() if name}
    return Config(**_of_section(Config, values), **built)


def _of_section(section: Any, values: typing.Mapping[str, Any]) -> dict[str, Any]:
    names = [field.name for field in settings(section) if field.name in values]
    return {name: _frozen(values[name]) for name in names}


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def to_settings(config: Config) -> dict[str, Any]:
    """Every setting by flag name: the inverse of `from_settings`."""
    return {
        field.name: getattr(part, field.name)
        for part in sections(config).values()
        for field in settings(part)
    }


def to_json(config: Config) -> str:
    """Every setting as one JSON object, in the order of the fields."""
    return json.dumps(to_settings(config), indent=2) + '\n'


def from_json(text: str) -> Config:
    """The config that `to_json` wrote."""
    return from_settings(json.loads(text))
