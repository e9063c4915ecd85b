"""Settings that do not go together; each check names the flags and what to give instead."""

from typing import Any

from alexnet_tf.config import fields

# Given in another mode than the ones that read them, these would be silently without effect.
_EXCLUSIVE = (
    'dry_run',
    'verify_only',
    'submission',
    'paper_tables',
    'compare_runs',
    'ensemble',
    'search_weights',
    'export_also',
    'grid',
)


def check(config: Any) -> None:
    """Checks a whole `schema.Config`.

    Raises:
        UsageError: Settings that do not go together, or one that the mode requires is missing.
    """
    for check_some in (
        _check_mode,
        _check_required,
        _check_local_directories,
        _check_training,
        _check_data_service,
        _check_devices,
        _check_ensemble,
        _check_outputs,
        _check_benchmark,
    ):
        check_some(config)


def _check_mode(config) -> None:
    for section in fields.get_sections(config).values():
        for field in fields.list_settings(section):
            modes = fields.get_modes(section, field)
            is_given = field.name in _EXCLUSIVE and getattr(section, field.name)
            if is_given and config.mode not in modes:
                raise fields.UsageError(
                    f'--{field.name} belongs to --mode={" or ".join(modes)}, not to {config.mode}.'
                )


def _check_required(config) -> None:
    """Refuses a mode without the setting that it cannot do without."""
    mode, data, inputs = config.mode, config.data, config.predict.inputs
    if mode in ('prepare', 'all') and not data.verify_only:
        if data.source == 'tfds':
            _require(data.dataset, '--source=tfds needs --dataset=NAME.')
        elif data.source not in ('auto', 'sample'):
            _require(data.source_dir, f'--source={data.source} needs --source_dir.')
    if mode == 'predict':
        _require(inputs, '--mode=predict needs --inputs=FILE_OR_FOLDER,...')
    if mode == 'retrieve' and config.retrieve.retrieve == 'query':
        _require(inputs, '--retrieve=query needs --inputs=FILE_OR_FOLDER,...')
    if mode == 'plot' and config.plot.figure in ('activations', 'gradient'):
        _require(inputs, f'--figure={config.plot.figure} needs --inputs=IMAGE.')
    if mode == 'experiment':
        _require(config.experiment.grid, '--mode=experiment needs --grid=SETTING=VALUE|VALUE;...')


def _require(value: Any, message: str) -> None:
    if not value:
        raise fields.UsageError(message)


def _check_local_directories(config) -> None:
    for name, value in (
        ('run_dir', config.run_dir),
        ('export_dir', config.export.export_dir),
        ('index_dir', config.retrieve.index_dir),
        ('experiment_dir', config.experiment.experiment_dir),
    ):
        if '://' in value:
            raise fields.UsageError(
                f'--{name}={value}: expected a directory on a local disk. Only images and records '
                '(--source_dir, --data_dir, --inputs) may be in an object store.'
            )


def _check_training(config) -> None:
    training, lrn_n = config.training, config.network.lrn_n
    if lrn_n is not None and lrn_n % 2 == 0:
        raise fields.UsageError(f'--lrn_n={lrn_n}: expected an odd number of channels.')
    if training.init_layers and not training.init_weights:
        raise fields.UsageError('--init_layers needs --init_weights=RUN_OR_FILE.')
    steps = training.profile_steps
    if len(steps) not in (0, 2) or list(steps) != sorted(steps):
        raise fields.UsageError(
            f'--profile_steps={",".join(map(str, steps))}: expected a first and a last step, '
            'as 10,20.'
        )


def _check_data_service(config) -> None:
    if not config.input.data_service:
        return
    if config.training.on_nonfinite == 'rollback':
        raise fields.UsageError(
            '--on_nonfinite=rollback cannot find a batch again with --data_service, whose order '
            'is not deterministic. Leave one of the two out.'
        )
    if config.input.cache != 'none':
        raise fields.UsageError(
            f"--cache={config.input.cache}: the workers of --data_service cannot read this host's "
            'copy. Leave one of the two out.'
        )


def _check_devices(config) -> None:
    strategy, devices = config.network.strategy, config.network.devices
    shown = f'--devices={",".join(devices)}'
    if strategy == 'multi_worker' and config.mode in ('experiment', 'all'):
        raise fields.UsageError(
            f'--strategy=multi_worker: --mode={config.mode} runs on one host. Run --mode=train on '
            'each worker.'
        )
    if strategy == 'multi_worker' and devices:
        raise fields.UsageError(
            f'{shown}: --strategy=multi_worker has a replica on every GPU of a host, and '
            'TensorFlow would place its columns on the wrong devices. Leave --devices out.'
        )
    if strategy == 'two_columns' and len(devices) != 2:
        raise fields.UsageError('--strategy=two_columns needs two --devices, as /GPU:0,/GPU:1.')
    if strategy == 'mirrored' and len(set(devices)) < len(devices):
        raise fields.UsageError(f'{shown}: a device has one replica. Name each device once.')
    most = {'one_device': 1, 'mirrored': len(devices)}.get(strategy, 2)
    if len(devices) > most:
        raise fields.UsageError(
            f'{shown}: expected one device, or one for each of the two columns. For a replica of '
            'the network on each, give --strategy=mirrored.'
        )


def _check_ensemble(config) -> None:
    ensemble, search = config.evaluation.ensemble, config.evaluation.search_weights
    weights = config.evaluation.ensemble_weights
    if (weights or search) and not ensemble:
        raise fields.UsageError(
            '--ensemble_weights and --search_weights need --ensemble=RUN_A,RUN_B.'
        )
    if weights and (len(weights) != len(ensemble) or not any(map(float, weights))):
        raise fields.UsageError(
            f'--ensemble_weights={",".join(weights)}: expected a weight for each of '
            f'{len(ensemble)} networks, at least one of them above 0.'
        )
    if weights and search:
        raise fields.UsageError(
            '--search_weights finds the weights that --ensemble_weights gives. Leave one of the '
            'two out.'
        )
    if search == config.evaluation.split:
        raise fields.UsageError(
            f'--search_weights={search}: expected another split than --split, or the errors would '
            'look smaller than they are.'
        )


def _check_outputs(config) -> None:
    mode, views, predict = config.mode, config.evaluation.views, config.predict
    if mode in ('predict', 'report', 'plot') and len(views) > 1:
        raise fields.UsageError(
            f'--views={",".join(views)}: --mode={mode} takes one of 1, 10, nine.'
        )
    is_query = mode == 'retrieve' and config.retrieve.retrieve == 'query'
    if is_query and len(config.retrieve.code_bits) > 1:
        raise fields.UsageError('--code_bits: --retrieve=query takes codes of one length.')
    if mode == 'report' and config.report.compare_runs and not config.report.paper_tables:
        raise fields.UsageError('--compare_runs needs --paper_tables=NAME in --mode=report.')
    if config.export.export_also and config.export.export_precision != 'float32':
        raise fields.UsageError('--export_also needs --export_precision=float32.')
    if predict.submission and (predict.draw or predict.output_file):
        raise fields.UsageError(
            '--submission is written alone. Leave --draw and --output_file out.'
        )


def _check_benchmark(config) -> None:
    if config.mode != 'benchmark':
        return
    if config.input.data_service:
        raise fields.UsageError('--data_service: --mode=benchmark measures this host alone.')
    if config.predict.output == 'csv':
        raise fields.UsageError('--output=csv: --mode=benchmark prints a table or json.')
    if config.network.strategy in ('mirrored', 'multi_worker'):
        raise fields.UsageError(
            f'--strategy={config.network.strategy}: --mode=benchmark measures one replica. '
            '--mode=train logs how fast several are.'
        )
    if config.training.accumulate_steps > 1:
        raise fields.UsageError('--accumulate_steps: --mode=benchmark measures undivided batches.')
