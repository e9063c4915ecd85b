"""What evaluation and ensembles share: a run's network, rows of results, their table."""

import datetime
import pathlib
from collections.abc import Sequence

from alexnet_tf.commands.plot import availability
from alexnet_tf.config import schema
from alexnet_tf.evaluation import error_analysis, metrics, prediction_cache
from alexnet_tf.models import outputs
from alexnet_tf.reports import intervals, progress, provenance, tables
from alexnet_tf.runs import run as runs
from alexnet_tf.training import checkpoint, evaluator
from input_pipeline import errors, files
from input_pipeline.batches import datasets
from input_pipeline.records import checking

RESULTS = 'results.csv'  # of a run's directory
JOINED = ' + '  # between the runs of an ensemble
_SHOWN = 24  # mistakes
_ROUNDING = 1e-3  # of scores: a graph's and NumPy's


def views_of(config: schema.Config, default: Sequence[str] = ('1', '10')) -> list[int]:
    """Numbers of views that are asked for, each once; those of `default` where none are."""
    return [outputs.VIEWS[name] for name in dict.fromkeys(config.evaluation.views or default)]


def weights_of(config: schema.Config) -> list[float]:
    """Of the networks asked for, as they are given; equal where they are not."""
    asked = config.evaluation
    return [float(each) for each in asked.ensemble_weights] or [1.0] * max(len(asked.ensemble), 1)


def check_split(manifest, split: str, flag: str) -> None:
    """Refuses a split that the records do not have.

    Raises:
        UsageError: As said; `flag` named it.
    """
    if split not in manifest.splits:
        raise schema.UsageError(
            f'{flag}={split}: {manifest.directory} has {", ".join(manifest.splits)}.'
        )


class Network:
    """The network of one run, as it is scored. It is built when it is first needed.

    Args:
        config: Of the command; its `run_dir` names the run.
        manifest: Of the records.

    Attributes:
        step: Steps that it was trained for.

    Raises:
        DataError: There is no such run, or it was trained on other classes.
    """

    def __init__(self, config: schema.Config, manifest):
        self._config, self._manifest, self._loaded = config, manifest, None
        self._directory = pathlib.Path(config.run_dir)
        # Chosen and read once: a training that goes on has a newer one soon, and removes this.
        self._checkpoint = runs.checkpoint_in(
            self._directory, config.evaluation.checkpoint, '--run_dir'
        )
        self.step = checkpoint.read_state(self._checkpoint)['step']
        self._variables_sha256 = runs.variables_sha256(self._checkpoint)
        if manifest.classes != runs.classes_of(self._directory):
            raise errors.DataError(
                f'--data_dir={config.data.data_dir} has other classes than the network in '
                f'--run_dir={config.run_dir} was trained on.'
            )

    def trained(self) -> runs.Run:
        """The run, with its network."""
        if self._loaded is None:
            self._loaded = runs.load(self._config, path=self._checkpoint, compiled=True)
        return self._loaded

    def score(self, split: str, views: int) -> dict[str, float]:
        """METRICS of a split; with `--save_probabilities`, its probabilities are kept, too."""
        if not self._config.evaluation.save_probabilities:
            return self._scored(split, views)
        result = self._scored_and_kept(self._kept(split, views), split, views)
        analyse(
            [self.remembered(split, views)], [1.0], self._manifest, self._directory, split, views
        )
        return result

    def entered(self, split: str, views: int) -> tuple[prediction_cache.Split, dict]:
        """The answers to a split, and their row of `results.csv`, which has it from now on."""
        kept = self.remembered(split, views)
        result = metrics.score([kept.probabilities], kept.labels)
        made = row(self._manifest, split, views, result, of=self._config.run_dir, step=self.step)
        if not any(_alike(each, made) for each in newest_results(self._directory)):
            tables.append_csv(self._directory / RESULTS, made)
        return kept, made

    def remembered(self, split: str, views: int) -> prediction_cache.Split:
        """The answers to a split: those kept, or made and kept now."""
        asked = self._config.evaluation.save_probabilities
        for dtype in (asked,) if asked else ('float32', 'float16'):
            kept = self._kept(split, views, dtype)
            if kept.stand():
                return kept.read()
        kept = self._kept(split, views)
        self._scored_and_kept(kept, split, views)
        return kept.read()

    def _kept(self, split: str, views: int, dtype: str = '') -> prediction_cache.Kept:
        identity = prediction_cache.Identity(
            manifest_sha256=self._manifest.sha256,
            split=split,
            views=views,
            variables_sha256=self._variables_sha256,
            dtype=dtype or self._config.evaluation.save_probabilities or 'float32',
        )
        return prediction_cache.Kept(self._directory / 'probabilities', identity)

    def _scored_and_kept(self, kept: prediction_cache.Kept, split: str, views: int):
        ids = checking.ids(self._manifest.shards(split))
        with kept.write(ids, len(self._manifest.classes)) as rows:
            return self._scored(split, views, rows.add)

    def _scored(self, split: str, views: int, keep=lambda *_: None) -> dict[str, float]:
        trained = self.trained()
        score = evaluator.Scorer(
            trained.model,
            trained.mean_image,
            crop_size=trained.recipe.crop_size,
            views=views,
            batch_size=self._config.evaluation.eval_batch_size,
        )
        bar = progress.Progress(f'pictures, {tables.views(views)} each')
        result = score(self._manifest, split, bar.show, keep)
        bar.close()
        return result


def analyse(
    members: Sequence[prediction_cache.Split],
    weights: Sequence[float],
    manifest,
    directory: pathlib.Path,
    split: str,
    views: int,
) -> None:
    """Writes where a network, or an average of several, errs: `<directory>/errors/`."""
    found = error_analysis.analysed(
        [each.probabilities for each in members],
        members[0].labels,
        members[0].ids,
        manifest.classes,
        weights,
    )
    figures = availability.at_hand()
    if figures and found.mistakes():
        path = directory / 'errors' / f'{split}-{views}-mistakes.png'
        figures.save(sheet_of_mistakes(figures, found, manifest, split), path)
    for name, header in error_analysis.TABLES.items():
        rows = [
            [tables.safe_cell(each) if isinstance(each, str) else each for each in row]
            for row in getattr(found, name)()
        ]
        path = directory / 'errors' / f'{split}-{views}-{name}.csv'
        files.write_csv(path, [header, *rows])
    print(
        f'evaluate: {directory / "errors"}: errors by class, pairs, mistakes, calibration; '
        f'expected calibration error {found.calibration_error():.3f}'
    )


def sheet_of_mistakes(figures, found: error_analysis.Analysis, manifest, split: str):
    """A figure of the most confident mistakes; there must be one."""
    places = found.places_of_mistakes(_SHOWN)
    squares = datasets.squares(manifest.shards(split), manifest.layout, places)
    captions = [
        f'{label}\ntaken for {taken}\n{tables.percent(sure)}'
        for _, label, taken, sure in found.mistakes()[:_SHOWN]
    ]
    return figures.sheet(squares, captions)


def row(manifest, split: str, views: int, result, *, of: str, step='', weights='') -> dict:
    """A line of `results.csv`: what was scored, the scores, and by what."""
    number = manifest.examples(split)
    ends = {
        f'{name}_{end}': value
        for name in ('top1', 'top5')
        for end, value in zip(
            ('low', 'high'), intervals.wilson(result[f'{name}_error'], number), strict=True
        )
    }
    return {
        'time': datetime.datetime.now(datetime.UTC).isoformat(timespec='seconds'),
        'run_dir': of,
        'weights': weights,
        'step': step,
        'split': split,
        'examples': number,
        'views': views,
        **result,
        **ends,
        'manifest_sha256': manifest.sha256,
        'commit': provenance.found()['commit'],
    }


def newest_results(directory: pathlib.Path) -> list[dict[str, str]]:
    """The last row of `results.csv` for each split of each records, number of views, ensemble."""
    found = {}
    for row in tables.read_csv(directory / RESULTS):
        ensemble = (row['run_dir'], row['weights']) if row['weights'] else ()
        found[row['manifest_sha256'], row['split'], row['views'], ensemble] = row
    return list(found.values())


def _alike(known: dict[str, str], made: dict) -> bool:
    """Whether a row that was read says what a new one does, but for the time and the rounding."""
    same = ('weights', 'step', 'split', 'views', 'manifest_sha256')
    return all(known[each] == str(made[each]) for each in same) and all(
        abs(float(known[each]) - made[each]) < _ROUNDING for each in outputs.METRICS
    )


def table(rows) -> str:
    """Rows for people."""
    header = (
        'network',
        'views',
        rows[0]['split'],
        'top-1 error (95 %)',
        'top-5 error (95 %)',
        'loss',
    )
    cells = [
        (
            row['run_dir'],
            row['views'],
            row['examples'],
            with_interval(row, 'top1'),
            with_interval(row, 'top5'),
            f'{row["loss"]:.4f}',
        )
        for row in rows
    ]
    return tables.text(header, cells)


def with_interval(row, name: str) -> str:
    """An error of a row, 'top1' or 'top5', for people; older rows have no interval."""
    error = tables.percent(float(row[f'{name}_error']))
    if row[f'{name}_low'] in ('', None):
        return error
    low, high = (f'{100 * float(row[f"{name}_{end}"]):.1f}' for end in ('low', 'high'))
    return f'{error} ({low} to {high})'
