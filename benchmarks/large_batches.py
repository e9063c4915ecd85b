"""Plots accuracy against batch size, from the runs of flags/large_batch_sizes.cfg.

    python -m alexnet_tf.main --flagfile=flags/large_batch_sizes.cfg
    python benchmarks/large_batches.py --runs runs/large_batches/runs.csv --out docs/results/scaling

Prints the table of docs/results/scaling.md, and writes `large_batches.csv` and `large_batches.svg`.
An optimizer's line goes through its first run at each batch size; others are points.
"""

import pathlib

import measuring

from alexnet_tf.plots import charts
from alexnet_tf.reports import tables
from input_pipeline import files

NAMES = {'sgd': 'momentum (SGD), learning rate in proportion', 'lars': 'LARS'}
HEADER = ('optimizer', 'batch_size', 'learning_rate', 'train_error', 'validation_error')


def read_results(path: pathlib.Path) -> list[dict[str, object]]:
    """Reads the results of runs in their order; the error of one that diverged is 'nan'."""
    results = []
    for row in tables.read_csv(path):
        settings = dict(part.split('=') for part in row['run'].split('+'))
        batch_size, rate = int(settings['batch_size']), float(settings['learning_rate'])
        rate *= batch_size / int(settings.get('base_batch_size', batch_size))
        errors = [float(row[name] or 'nan') for name in ('train_top1_error', 'top1_error_1')]
        values = (settings['optimizer'], batch_size, round(rate, 6), *errors)
        results.append(dict(zip(HEADER, values, strict=True)))
    return results


def format_table(results: list[dict[str, object]]) -> str:
    """Formats the errors, a row for each run, in order of batch sizes."""
    lines = ['| batch | optimizer | learning rate | training error | validation error |']
    lines.append('|---|---|---|---|---|')
    for row in sorted(results, key=lambda row: row['batch_size']):
        errors = ' | '.join(f'{100 * row[name]:.1f} %' for name in HEADER[3:])
        name = {'sgd': 'SGD', 'lars': 'LARS'}[row['optimizer']]
        lines.append(f'| {row["batch_size"]:,} | {name} | {row["learning_rate"]:g} | {errors} |')
    return '\n'.join(lines)


def plot_accuracy(results: list[dict[str, object]]) -> charts.Figure:
    """Plots validation accuracy against batch size, a line for each optimizer."""
    figure = charts.Figure(figsize=(7, 4.2), layout='constrained')
    axes = figure.subplots()
    for (optimizer, name), colour in zip(NAMES.items(), charts.COLOURS, strict=False):
        own = [row for row in results if row['optimizer'] == optimizer]
        first = {row['batch_size']: row for row in reversed(own)}
        for rows, style, label in (
            ([first[size] for size in sorted(first)], 'o-', name),
            (own, 'o', None),
        ):
            accuracies = [100 * (1 - row['validation_error']) for row in rows]
            sizes = [row['batch_size'] for row in rows]
            axes.plot(sizes, accuracies, style, color=colour, label=label, fillstyle='none')
    axes.set_xscale('log', base=2)
    ticks = sorted({row['batch_size'] for row in results})
    axes.set_xticks(ticks, [f'{size:,}' for size in ticks])
    axes.set(xlabel='batch size', ylabel='validation accuracy, %', ylim=(0, 80))
    axes.set_title('Ten epochs at growing batches')
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def main() -> None:
    """Prints the table, and writes the results and the figure."""
    parser = measuring.create_parser(__doc__)
    parser.add_argument('--runs', default='runs/large_batches/runs.csv', help='of the experiment')
    parser.add_argument('--out', default='docs/results/scaling', help='folder for the files')
    args = parser.parse_args()
    results, folder = read_results(pathlib.Path(args.runs)), pathlib.Path(args.out)
    folder.mkdir(parents=True, exist_ok=True)
    rows = [list(result.values()) for result in results]
    files.write_csv(folder / 'large_batches.csv', [HEADER, *rows])
    charts.save_figure(plot_accuracy(results), folder / 'large_batches.svg')
    print(format_table(results))


if __name__ == '__main__':
    main()
