"""Settings that do not go together; each check names the flags and what to give instead."""

import pathlib
from collections.abc import Iterator
from typing import Any

from alexnet_tf.config import fields

# In modes that do not read them, these settings would silently have no effect.
EXCLUSIVE = (
    *('dry_run', 'verify_only', 'submission', 'paper_tables', 'compare_runs', 'ensemble'),
    *('features', 'inputs', 'search_weights', 'export_also', 'grid'),
    *('weights', 'class_names', 'mean_image', 'output_file', 'draw'),
)
_KEPT = ('inputs', 'output_file', 'draw')  # in stored settings of older versions


def check(config: Any) -> None:
    """Checks a whole `schema.Config`.

    Raises:
        UsageError: Settings that do not go together, or one that the mode requires is missing.
    """
    for find_problems in (
        _check_mode,
        _check_required,
        _check_records,
        _check_splits,
        _check_paths,
        _check_training,
        _check_data_service,
        _check_devices,
        _check_ensemble,
        _check_outputs,
        _check_benchmark,
    ):
        for problem in find_problems(config):
            raise fields.UsageError(problem)


def _check_mode(config) -> Iterator[str]:
    for section in fields.get_sections(config).values():
        for field in fields.list_settings(section):
            name, modes = field.name, fields.get_modes(section, field)
            if name in _KEPT and name not in config.given:
                continue
            if name in EXCLUSIVE and getattr(section, name) and config.mode not in modes:
                yield f'--{name} belongs to --mode={" or ".join(modes)}, not to {config.mode}.'


def _check_required(config) -> Iterator[str]:
    """Finds a setting that the mode requires but lacks, or cannot use."""
    mode, data, inputs = config.mode, config.data, config.predict.inputs
    if mode in ('prepare', 'all') and not data.verify_only:
        if data.source == 'tfds' and not data.dataset:
            yield '--source=tfds needs --dataset=NAME.'
        if data.source not in ('auto', 'sample', 'tfds') and not data.source_dir:
            yield f'--source={data.source} needs --source_dir.'
    if mode == 'import' and not config.weights.weights:
        yield '--mode=import needs --weights=FILE.'
    if mode != 'import' and config.network.recipe == 'auto':
        yield f'--recipe=auto belongs to --mode=import, not to {mode}.'
    if mode == 'predict' and not inputs:
        yield '--mode=predict needs --inputs=FILE_OR_FOLDER,...'
    if mode == 'retrieve' and config.retrieve.retrieve == 'query' and not inputs:
        yield '--retrieve=query needs --inputs=FILE_OR_FOLDER,...'
    if mode == 'plot' and config.plot.figure in ('activations', 'gradient') and not inputs:
        yield f'--figure={config.plot.figure} needs --inputs=IMAGE.'
    if mode == 'experiment' and bool(config.experiment.grid) == bool(config.training.minutes):
        yield (
            '--mode=experiment needs either --grid=SETTING=VALUE|VALUE;..., which names the runs, '
            'or --minutes, which limits a search, but not both.'
        )


def _check_records(config) -> Iterator[str]:
    data = config.data
    if data.record_encoding == 'reference' and data.engine == 'beam':
        yield (
            '--engine=beam converts images, and --record_encoding=reference leaves them as they '
            'are. Leave one of the two out.'
        )
    default = type(data)
    is_default = (data.record_quality, data.record_subsampling) == (
        default.record_quality,
        default.record_subsampling,
    )
    if data.record_encoding != 'jpeg' and not is_default:
        yield (
            f'--record_quality and --record_subsampling apply to JPEGs, but --record_encoding='
            f'{data.record_encoding} stores none. Leave them out.'
        )


def _check_splits(config) -> Iterator[str]:
    data, mode = config.data, config.mode
    for name in ('train_split', 'validation_split'):
        split = getattr(data, name)
        is_given = split and name in config.given  # older versions kept it, without effect
        if is_given and not data.dataset and not data.data_dir.startswith('tfds:'):
            yield (
                f'--{name}={split} is a split of --dataset, which is not given. For a folder, '
                'give --validation_fraction instead.'
            )
    if config.evaluation.split == 'all' and mode != 'evaluate':
        yield f'--split=all belongs to --mode=evaluate, not to {mode}.'


def _check_paths(config) -> Iterator[str]:
    directories = {
        'run_dir': config.run_dir,
        'export_dir': config.export.export_dir,
        'index_dir': config.retrieve.index_dir,
        'experiment_dir': config.experiment.experiment_dir,
    }
    files = {name: getattr(config.predict, name) for name in ('output_file', 'draw', 'submission')}
    for name, value in (directories | files).items():
        if '://' in value:
            yield (
                f'--{name}={value}: expected a path on a local disk. Only images and records '
                '(--source_dir, --data_dir, --inputs) may be in an object store.'
            )
    for name, value in ({'data_dir': config.data.data_dir} | directories).items():
        # TensorFlow's readers and writers take no other bytes, and a flagfile no second line.
        if value != value.encode(errors='replace').decode() or '\n' in value:
            yield (
                f'--{name}={value!r}: expected a name in UTF-8 and on one line. Rename the '
                'directory, or give another.'
            )


def _check_training(config) -> Iterator[str]:
    training, lrn_n = config.training, config.network.lrn_n
    if lrn_n is not None and lrn_n % 2 == 0:
        yield f'--lrn_n={lrn_n}: expected an odd number of channels.'
    for name in ('init_layers', 'linear_head'):
        if getattr(training, name) and not training.init_weights:
            yield f'--{name} needs --init_weights=RUN_OR_FILE.'
    if training.class_weights == 'balanced' and training.balanced_sampling:
        yield (
            '--class_weights=balanced and --balanced_sampling do the same in two ways. Leave one '
            'of the two out.'
        )
    if training.balanced_sampling and training.lanes > 1:
        yield (
            f'--lanes={training.lanes}: --balanced_sampling samples from all lanes at once. Leave '
            'one of the two out.'
        )
    if training.linear_head and config.network.strategy == 'multi_worker':
        yield '--linear_head is fitted on one host. Leave it or --strategy=multi_worker out.'
    steps = training.profile_steps
    if len(steps) not in (0, 2) or list(steps) != sorted(steps):
        shown = ','.join(map(str, steps))
        yield f'--profile_steps={shown}: expected a first and a last step, such as 10,20.'


def _check_data_service(config) -> Iterator[str]:
    is_ordered = config.training.lanes > 1
    if config.input.data_service and config.training.on_nonfinite == 'rollback' and not is_ordered:
        yield (
            '--on_nonfinite=rollback cannot find a batch again with --data_service, whose order '
            'is not deterministic. Leave one of the two out, or give --lanes.'
        )
    if config.input.data_service and config.input.cache != 'none':
        yield (
            f"--cache={config.input.cache}: the workers of --data_service cannot read this host's "
            'copy. Leave one of the two out.'
        )


def _check_devices(config) -> Iterator[str]:
    strategy, devices = config.network.strategy, config.network.devices
    shown = f'--devices={",".join(devices)}'
    if strategy == 'multi_worker' and config.mode in ('experiment', 'all'):
        yield (
            f'--strategy=multi_worker: --mode={config.mode} runs on one host. Run --mode=train on '
            'each worker.'
        )
    if strategy == 'multi_worker' and devices:
        yield (
            f'{shown}: --strategy=multi_worker has a replica on every GPU of a host, and '
            'TensorFlow would place its columns on the wrong devices. Leave --devices out.'
        )
    if strategy == 'two_columns' and len(devices) != 2:
        yield '--strategy=two_columns needs two --devices, such as /GPU:0,/GPU:1.'
    if strategy == 'mirrored' and len(set(devices)) < len(devices):
        yield f'{shown}: a device has one replica. Name each device once.'
    most = {'one_device': 1, 'mirrored': len(devices)}.get(strategy, 2)
    if len(devices) > most:
        yield (
            f'{shown}: expected one device, or one for each of the two columns. For a replica of '
            'the network on each, give --strategy=mirrored.'
        )


def _check_ensemble(config) -> Iterator[str]:
    ensemble, search = config.evaluation.ensemble, config.evaluation.search_weights
    weights = config.evaluation.ensemble_weights
    if (weights or search) and not ensemble:
        yield '--ensemble_weights and --search_weights need --ensemble=RUN_A,RUN_B.'
    if weights and (len(weights) != len(ensemble) or not any(map(float, weights))):
        yield (
            f'--ensemble_weights={",".join(weights)}: expected a weight for each of '
            f'{len(ensemble)} networks, at least one of them above 0.'
        )
    if weights and search:
        yield '--search_weights finds what --ensemble_weights gives. Leave one of the two out.'
    if search and config.evaluation.split in (search, 'all'):
        yield (
            f'--search_weights={search}: expected another split than --split, or the errors would '
            'look smaller than they are.'
        )


def _check_outputs(config) -> Iterator[str]:
    mode, views, predict = config.mode, config.evaluation.views, config.predict
    if mode in ('predict', 'report', 'plot') and len(views) > 1:
        yield f'--views={",".join(views)}: --mode={mode} takes one of 1, 2, 10, nine.'
    kinds = {'predict': ('.png', '.svg'), 'retrieve': ('.png', '.svg', '.html', '.htm')}.get(mode)
    path = pathlib.Path(predict.draw)
    if kinds and predict.draw and (path.suffix not in ('', *kinds) or path.is_dir()):
        yield f'--draw={predict.draw}: expected a file that ends in {", ".join(kinds)}.'
    files = {'output_file': ('predict', 'retrieve'), 'submission': ('predict',)}
    for name, modes in files.items():
        value = getattr(predict, name)
        if mode in modes and value and pathlib.Path(value).is_dir():
            yield f'--{name}={value} is a directory. Name a file.'
    is_query = mode == 'retrieve' and config.retrieve.retrieve == 'query'
    if is_query and len(config.retrieve.code_bits) > 1:
        yield '--code_bits: --retrieve=query takes codes of one length.'
    if mode == 'report' and config.report.compare_runs and not config.report.paper_tables:
        yield '--compare_runs needs --paper_tables=NAME in --mode=report.'
    if config.export.export_also and config.export.export_precision not in ('', 'float32'):
        yield '--export_also needs --export_precision=float32.'
    if predict.submission and (predict.draw or predict.output_file):
        yield '--submission is written alone. Leave --draw and --output_file out.'
    if predict.features:
        if not predict.output_file:
            yield '--features needs --output_file=FILE.npy or FILE.npz.'
        others = {'draw': predict.draw, 'submission': predict.submission}
        others |= {'output': predict.output != 'table', 'ensemble': config.evaluation.ensemble}
        others |= {'views': views not in ((), ('1',))}
        for name in (name for name, given in others.items() if given):
            yield f'--features are written alone, for the central crop only. Leave --{name} out.'


def _check_benchmark(config) -> Iterator[str]:
    if config.mode != 'benchmark':
        return
    if config.input.data_service:
        yield '--data_service: --mode=benchmark measures this host alone.'
    if config.predict.output == 'csv':
        yield '--output=csv: --mode=benchmark prints a table or json.'
    if config.network.strategy in ('mirrored', 'multi_worker'):
        yield (
            f'--strategy={config.network.strategy}: --mode=benchmark measures one replica. '
            '--mode=train logs how fast several are.'
        )
    if config.training.accumulate_steps > 1:
        yield '--accumulate_steps: --mode=benchmark measures undivided batches.'
