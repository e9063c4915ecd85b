"""Searches hyperparameters by successive halving (Jamieson and Talwalkar, 2016).

Many short runs come first; the best third of each rung is trained again, from scratch and three
times as long. A schedule depends on its length: runs can be compared only once their learning rate
has decayed, and a run whose learning rate has reached 0 cannot continue. Reusing the runs of the
rung before would save at most a third of the time.
"""

import dataclasses
import math
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np

from alexnet_tf.commands.experiment import grid, processes, trials
from alexnet_tf.commands.train import budget, fine_tuning
from alexnet_tf.config import environment, fields, schema, serialization
from alexnet_tf.models import recipes
from alexnet_tf.plots import availability
from alexnet_tf.reports import experiment_tables, tables
from alexnet_tf.runs import build, image_index, run_directory, training_data
from input_pipeline import files, locks
from input_pipeline.records import manifests

TABLE, FIGURE = 'table.txt', 'search.svg'
# What is searched, and the factor by which it may be larger or smaller than the budget's choice.
RANGES = {'learning_rate': 4.0, 'width': 2.0, 'crop_size': 1.5, 'weight_decay': 5.0}
_SIZES = ('crop_size', 'training_crop_size')  # grow together
_CROP_STEP = 16  # pixels
_FACTOR = 3
_MOST_RUNS = 27  # of the first rung
_LEAST_MINUTES = 2.0  # of a run
_SKIPPED_EXITS = (2, 137)  # settings that do not fit, or memory that does not suffice
_END_MINUTES = 0.1  # for table and figure

Candidate = dict[str, float]  # settings that differ from the budget's choice, by name


@dataclasses.dataclass(frozen=True)
class Rung:
    """Runs of equal length.

    Attributes:
        number: From 0.
        runs: Number of runs.
        minutes: Of each run.
    """

    number: int
    runs: int
    minutes: float


@dataclasses.dataclass
class Clock:
    """Counts what is left of `--minutes`, over all commands that continued a search.

    Attributes:
        minutes: Of the search.
        spent: By earlier commands.
    """

    minutes: float
    spent: float = 0.0

    def compute_left(self) -> float:
        """Computes the minutes that are left for the last run."""
        return self.minutes - self.spent - environment.measure_age() / 60 - _END_MINUTES


def run(config: schema.Config) -> None:
    """Searches, then writes the table and the figure, and names the best run.

    Raises:
        UsageError: There are too few minutes, or the schedule has no given end.
        TrialFailedError: A run failed for another reason than a non-finite loss.
    """
    rungs = plan_rungs(config.training.minutes)
    manifest = image_index.load_manifest(config)
    # In a directory that holds no run yet.
    first = dataclasses.replace(config, run_dir=config.experiment.experiment_dir)
    first = fine_tuning.choose_settings(first)
    recipe = build.resolve_recipe(first)
    budget.check_schedule(recipe, '--mode=experiment without --grid')
    budget.check_open_end(config)
    training_data.check_settings(first, recipe, manifest, 1)
    for rung in rungs:
        print(f'experiment: rung {rung.number}: {_describe_rung(rung)}', flush=True)
    directory = pathlib.Path(config.experiment.experiment_dir)
    with locks.acquire(directory):
        rows = _run_rungs(config, rungs, manifest)
        best = _write_results(directory, rows)
    print(f'experiment: the best run is in {best}')
    evaluation = dataclasses.replace(config.evaluation, checkpoint=trials.find_checkpoint(best))
    evaluated = dataclasses.replace(config, run_dir=best, evaluation=evaluation)
    print(f'experiment: next: {serialization.to_command(evaluated, "evaluate")}')


def plan_rungs(minutes: float) -> list[Rung]:
    """Divides minutes evenly among rungs, each with a third of the runs of the one before it.

    Raises:
        UsageError: The runs would be too short.

    >>> [(rung.runs, round(rung.minutes, 1)) for rung in plan_rungs(120)]
    [(9, 4.4), (3, 13.3), (1, 40.0)]
    """
    plans = [
        [
            Rung(number, runs, minutes / rungs / runs)
            for number in range(rungs)
            for runs in [_FACTOR ** (rungs - 1 - number)]
        ]
        for rungs in range(2, 2 + round(math.log(_MOST_RUNS, _FACTOR)))
    ]
    fitting = [plan for plan in plans if plan[0].minutes >= _LEAST_MINUTES]
    if not fitting:
        least = 2 * _FACTOR * _LEAST_MINUTES
        raise fields.UsageError(
            f'--minutes={minutes:g}: a search needs at least {least:g}. For fewer give '
            '--mode=train, which chooses settings without a search.'
        )
    return fitting[-1]


def sample_candidates(
    centre: recipes.Recipe, number: int, *, seed: int, largest_crop: int
) -> list[Candidate]:
    """Samples settings around those of a recipe: on a log scale, one in each of `number` strata.

    Args:
        centre: The recipe.
        number: How many to sample.
        seed: Seed of the sampling.
        largest_crop: Side of the images.

    Returns:
        Values by the names in RANGES, and `training_crop_size` if the recipe sets it.
    """
    random = np.random.default_rng(seed)
    exponents = {
        name: 2 * (random.permutation(number) + random.random(number)) / number - 1
        for name in RANGES
    }
    candidates = []
    for at in range(number):
        values = {
            name: getattr(centre, name) * factor ** exponents[name][at]
            for name, factor in RANGES.items()
        }
        rounded = {name: float(f'{value:.2g}') for name, value in values.items()}
        sizes = {
            name: min(_round_size(values['crop_size'] * size / centre.crop_size), largest_crop)
            for name in _SIZES
            if (size := getattr(centre, name))
        }
        candidates.append(rounded | sizes)
    return candidates


def _round_size(pixels: float) -> int:
    return _CROP_STEP * round(pixels / _CROP_STEP)


def _run_rungs(
    config: schema.Config, rungs: Sequence[Rung], manifest: manifests.Manifest
) -> list[dict[str, str]]:
    """Runs the trials of all rungs that are not done, and returns their rows in order."""
    clock, rows = Clock(config.training.minutes), []
    candidates: list[Candidate] = [{}]  # first the budget's own choice
    for rung in rungs:
        errors = []
        for place in range(rung.runs):
            if place == len(candidates):
                candidates += _sample_others(config, rungs, manifest)
            trial = create_trial(config, candidates[place], rung)
            row = _run_or_read(trial, rung, clock, manifest, title=f'{place + 1}/{rung.runs}')
            rows.append(row | _describe_trial(trial, rung))
            errors.append(_read_error(row))
        order = sorted(range(rung.runs), key=errors.__getitem__)
        candidates = [candidates[place] for place in order]
    return rows


def _sample_others(
    config: schema.Config, rungs: Sequence[Rung], manifest: manifests.Manifest
) -> list[Candidate]:
    """Samples all candidates of the first rung but one, around the budget's choice for that one.

    A setting that the command gives holds for all runs.
    """
    first = create_trial(config, {}, rungs[0])
    centre = build.resolve_recipe(run_directory.read_config(pathlib.Path(first.config.run_dir)))
    settings = serialization.to_settings(config)
    fixed = {name for name in (*RANGES, *_SIZES) if settings[name] is not None}
    fixed |= set(_SIZES) if fixed & set(_SIZES) else set()
    fixed |= {'width', *_SIZES} if config.training.init_weights else set()  # of its network
    sampled = sample_candidates(
        centre,
        rungs[0].runs - 1,
        seed=config.seed,
        largest_crop=max(manifest.layout.square_size, centre.crop_size),
    )
    return [
        {name: value for name, value in candidate.items() if name not in fixed}
        for candidate in sampled
    ]


def create_trial(config: schema.Config, candidate: Candidate, rung: Rung) -> grid.Trial:
    """Creates the run of a candidate in a rung."""
    changes = candidate | {'mode': 'train', 'minutes': rung.minutes}
    changed = serialization.replace(config, changes)
    group = grid.format_name(candidate) if candidate else grid.BASE
    name = f'minutes={config.training.minutes:g}+rung={rung.number}+{group}'
    run_dir = str(pathlib.Path(config.experiment.experiment_dir) / name)
    return grid.Trial(group, name, dataclasses.replace(changed, run_dir=run_dir))


def _run_or_read(
    trial: grid.Trial, rung: Rung, clock: Clock, manifest: manifests.Manifest, *, title: str
) -> dict[str, str]:
    """Returns the row of a trial; runs the trial first if there is no row."""
    directory = pathlib.Path(trial.config.experiment.experiment_dir)
    title = f'experiment: rung {rung.number}, {title} {trial.group}'
    if (row := trials.find_row(directory, trial, manifest)) is None:
        if rung.runs == 1:  # exactly the time that is left
            minutes = max(clock.compute_left(), 0.5 * rung.minutes)
            training = dataclasses.replace(trial.config.training, minutes=minutes)
            changed = dataclasses.replace(trial.config, training=training)
            trial = dataclasses.replace(trial, config=changed)
        is_resumed, begin = pathlib.Path(trial.config.run_dir).exists(), environment.measure_age()
        print(f'{title} (log: {trials.get_log_path(trial)})', flush=True)
        new_row = _run_trial(trial, manifest)
        if is_resumed:  # an earlier command began it
            minutes = (environment.measure_age() - begin) / 60
            clock.spent += max(rung.minutes - minutes, 0.0)
        tables.append_csv(directory / trials.RUNS, new_row | trials.read_validation(trial, new_row))
        row = trials.find_row(directory, trial, manifest)
    elif row['status'] != experiment_tables.FAILED:  # which took seconds
        clock.spent += rung.minutes
    print(f'{title}: {trials.summarize_row(row)}', flush=True)
    return row


def _run_trial(trial: grid.Trial, manifest: manifests.Manifest) -> dict[str, object]:
    """Trains a trial; if a sampled one cannot be trained, it counts as the worst of its rung."""
    try:
        return trials.run_trial(trial, manifest, modes=['train'])
    except processes.TrialFailedError as error:
        if trial.group == grid.BASE or error.exit_code not in _SKIPPED_EXITS:
            raise
        print(f'experiment: warning: {error}', flush=True)
        return trials.build_row(trial, manifest, experiment_tables.FAILED)


def _read_error(row: Mapping[str, str]) -> float:
    return float(row['top1_error_1'] or math.inf)


def _describe_trial(trial: grid.Trial, rung: Rung) -> dict[str, str]:
    """Describes what the figure and the table show of a trial besides its row."""
    directory = pathlib.Path(trial.config.run_dir)
    was_created = run_directory.holds_run(directory)
    config = run_directory.read_config(directory) if was_created else trial.config
    recipe = build.resolve_recipe(config)
    values = {name: fields.format_value(getattr(recipe, name)) for name in RANGES}
    return values | {'rung': str(rung.number), 'minutes': f'{config.training.minutes:.1f}'}


def _describe_rung(rung: Rung) -> str:
    return f'{rung.runs} {"run" if rung.runs == 1 else "runs"} of {rung.minutes:.1f} minutes'


def _write_results(directory: pathlib.Path, rows: Sequence[dict[str, str]]) -> str:
    """Writes the table and the figure, and returns the directory of the best run."""
    table = experiment_tables.format_search(rows, list(RANGES))
    print(f'\n{table}')
    files.write_atomically(directory / TABLE, f'{table}\n'.encode())
    names = [trials.RUNS, TABLE]
    if charts := availability.load_plots():
        from alexnet_tf.plots import experiments

        charts.save_figure(experiments.plot_search(rows, list(RANGES)), directory / FIGURE)
        names.append(FIGURE)
    print(f'experiment: {directory}: {", ".join(names)}')
    return str(directory / min(rows, key=_read_error)['run'])
