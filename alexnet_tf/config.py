"""Every setting of a run in one value, checked together. Standard library only."""

import dataclasses
import json
import shlex
import typing
from typing import Any

from alexnet_tf import data_sections, sections, settings, use_sections

UsageError = settings.UsageError

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
class Config(settings.Checked):
    """What to do, and where.

    Everything that a workflow may ask, resolved once in `main`.
    """

    mode: str = settings.setting(
        'everything',
        'The workflow; everything: prepare, train, evaluate, export and report, one after the '
        'other. What is prepared or trained already stays.',
        choices=MODES,
    )
    run_dir: str = settings.setting(
        'runs/default', 'Directory of one run: all that it learns and reports.'
    )
    seed: int = settings.setting(0, 'Decides every random draw.', low=0, high=2**31 - 1)
    debug: bool = settings.setting(False, 'Show tracebacks.')
    data: data_sections.Data = dataclasses.field(default_factory=data_sections.Data)
    input: data_sections.Input = dataclasses.field(default_factory=data_sections.Input)
    network: sections.Network = dataclasses.field(default_factory=sections.Network)
    training: sections.Training = dataclasses.field(default_factory=sections.Training)
    evaluation: use_sections.Evaluation = dataclasses.field(default_factory=use_sections.Evaluation)
    predict: use_sections.Predict = dataclasses.field(default_factory=use_sections.Predict)
    report: use_sections.Report = dataclasses.field(default_factory=use_sections.Report)
    draw: use_sections.Draw = dataclasses.field(default_factory=use_sections.Draw)
    retrieve: use_sections.Retrieve = dataclasses.field(default_factory=use_sections.Retrieve)
    export: use_sections.Export = dataclasses.field(default_factory=use_sections.Export)
    benchmark: use_sections.Benchmark = dataclasses.field(default_factory=use_sections.Benchmark)
    verify: use_sections.Verify = dataclasses.field(default_factory=use_sections.Verify)
    experiment: use_sections.Experiment = dataclasses.field(default_factory=use_sections.Experiment)

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


def _check_ensemble(asked: use_sections.Evaluation) -> None:
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


def _check_devices(network: sections.Network) -> None:
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
    return settings.build(Config, values)


def to_settings(config: Config) -> dict[str, Any]:
    """Every setting by flag name: the inverse of `from_settings`."""
    return settings.values(config)


def to_json(config: Config) -> str:
    """Every setting as one JSON object, in the order of the fields."""
    return json.dumps(to_settings(config), indent=2) + '\n'


def flags(config: Config, mode: str) -> list[str]:
    """The fewest flags for a mode with these settings."""
    found = [f'--mode={mode}']
    default = to_settings(Config())
    for name, value in to_settings(config).items():
        if name != 'mode' and value != default[name]:
            found.append(f'--{name}={settings.written(value)}')
    return found


def command(config: Config, mode: str) -> str:
    """The same as a command line."""
    return ' '.join(['python -m alexnet_tf.main', *map(shlex.quote, flags(config, mode))])


def changed(config: Config, texts: typing.Mapping[str, str]) -> Config:
    """A config with some settings as a command line would give them.

    Raises:
        UsageError: No such setting, or no such value.
    """
    values = {name: settings.read(Config, name, text) for name, text in texts.items()}
    return from_settings(to_settings(config) | values)


def from_json(text: str) -> Config:
    """The config that `to_json` wrote."""
    return from_settings(json.loads(text))
