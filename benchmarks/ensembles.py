"""Estimates what averaging networks and averaging views gain, with intervals over seeds and images.

    python benchmarks/ensembles.py RUN_1 RUN_2 RUN_3 --views 1 10

The runs differ in their seed alone, and were evaluated with `--save_probabilities` before. For each
number of views and of networks, prints the top-1 error of averaged probabilities, as a mean over
all choices of that many runs, and its difference from one network on the first number of views.
The variance of the difference is that over images plus that of a jackknife over runs. The sum is
conservative, since both contain the interaction of runs and images. A bootstrap would draw some
runs twice, and ensembles of equal runs gain less. `--csv FILE` keeps the error of each choice,
`--wrong FILE` the images it misclassifies (`np.packbits`), and `--figure FILE` plots errors.
"""

import collections
import functools
import itertools
import pathlib
import statistics

import measuring
import numpy as np

from alexnet_tf.evaluation import trends
from alexnet_tf.plots import charts
from alexnet_tf.reports import tables


class Errors:
    """The images that averages of some runs' probabilities misclassify.

    Args:
        runs: Run directories.
        split: Of the records.
        views: Numbers of views.
    """

    def __init__(self, runs: list[str], split: str, views: list[int]):
        folders = [pathlib.Path(run) / 'probabilities' for run in runs]
        self._labels = np.load(folders[0] / f'{split}-{views[0]}.labels.npy')
        self._probabilities = {
            number: np.stack([np.load(folder / f'{split}-{number}.npy') for folder in folders])
            for number in views
        }

    def list_all(self, number: int) -> list[tuple[int, tuple[int, ...], np.ndarray]]:
        """Lists (views, members, which images are wrong) of every choice among `number` runs."""
        runs = range(number)
        choices = [c for size in runs for c in itertools.combinations(runs, size + 1)]
        return [
            (views, members, self._find(views, members))
            for views in self._probabilities
            for members in choices
        ]

    def average(self, views: int, size: int, runs: tuple[int, ...]) -> np.ndarray:
        """Averages the errors of all ensembles of `size` of the runs, (images,) in [0, 1]."""
        chosen = itertools.combinations(runs, min(size, len(runs)))
        return np.mean([self._find(views, members) for members in chosen], axis=0)

    @functools.cache  # noqa: B019 - one object, as long as the process
    def _find(self, views: int, members: tuple[int, ...]) -> np.ndarray:
        mean = self._probabilities[views][list(members)].astype(np.float64).mean(0)
        return mean.argmax(1) != self._labels


def estimate_gain(errors: Errors, views: int, size: int, *, first: int, number: int) -> np.ndarray:
    """Estimates the error of ensembles, and its difference from one network with an interval.

    Args:
        errors: Of the runs.
        views: Of an image.
        size: Number of networks in an ensemble.
        first: Number of views that the one network sees.
        number: Of runs.

    Returns:
        (4,) shares: error, difference, lower and upper end.
    """

    def subtract(runs):
        return errors.average(views, size, runs) - errors.average(first, 1, runs)

    every = tuple(range(number))
    differences = subtract(every)
    without_one = [subtract(every[:at] + every[at + 1 :]).mean() for at in every]
    of_runs = (number - 1) * np.var(without_one)
    of_images = differences.var(ddof=1) / len(differences)
    width = trends.compute_t_quantile(number - 1) * np.sqrt(of_runs + of_images)
    middle = differences.mean()
    return np.array(
        [errors.average(views, size, every).mean(), middle, middle - width, middle + width]
    )


def plot(choices: list[tuple[int, tuple[int, ...], np.ndarray]]) -> charts.Figure:
    """Plots the error of each choice of networks, a dot, and their means, by number of networks."""
    figure = charts.Figure(figsize=(6, 4), layout='constrained')
    axes = figure.subplots()
    percent = collections.defaultdict(lambda: collections.defaultdict(list))
    for views, members, wrong in choices:
        percent[views][len(members)].append(100 * wrong.mean())
    for (views, errors), colour in zip(percent.items(), charts.COLOURS, strict=False):
        for size, values in errors.items():
            axes.plot([size] * len(values), values, '.', color=colour, alpha=0.5)
        name = 'single-crop' if views == 1 else f'{views} crops'
        means = list(map(statistics.mean, errors.values()))
        axes.plot(list(errors), means, color=colour, label=name)
    axes.set(xlabel='networks', ylabel='top-1 error, %', xticks=list(errors))
    axes.set_title('Dots: each choice of the networks; lines: their means')
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def main() -> None:
    """Estimates the errors, and prints a table."""
    parser = measuring.create_parser(__doc__)
    parser.add_argument('runs', nargs='+', help='run directories, at least two')
    parser.add_argument('--views', type=int, nargs='+', default=[1, 10], help='views of an image')
    parser.add_argument('--split', default='validation', help='of the records')
    parser.add_argument('--csv', type=pathlib.Path, help='file to write')
    parser.add_argument('--wrong', help='.npz file to write')
    parser.add_argument('--figure', help='file to write, .svg or .png')
    args = parser.parse_args()
    if len(args.runs) < 2:
        parser.error('at least two runs are needed')
    errors, number, rows = Errors(args.runs, args.split, args.views), len(args.runs), []
    for views, size in itertools.product(args.views, range(1, number + 1)):
        values = estimate_gain(errors, views, size, first=args.views[0], number=number)
        rows.append((views, size, *(f'{100 * value:.2f}' for value in values)))
    choices = errors.list_all(number)
    names = [(views, '+'.join(str(run + 1) for run in runs)) for views, runs, _ in choices]
    wrong = [wrong for *_, wrong in choices]
    if args.csv:
        rates = [(*name, is_wrong.mean()) for name, is_wrong in zip(names, wrong, strict=True)]
        tables.write_csv(args.csv, ('views', 'runs', 'top1_error'), rates)
    if args.wrong:
        bits = map(np.packbits, wrong)
        arrays = dict(zip((f'{views}_{runs}' for views, runs in names), bits, strict=True))
        np.savez_compressed(args.wrong, **arrays)
    if args.figure:
        plot(choices).savefig(args.figure)
    header = ('views', 'networks', 'top-1 error, %', 'difference, points', '95 % from', 'to')
    print(tables.format_table(header, rows))


if __name__ == '__main__':
    main()
