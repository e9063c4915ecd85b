"""What a run has come to, on one page."""

import pathlib

import input_pipeline
from alexnet_tf import config as configs
from alexnet_tf.reporting import tables


def run(config: configs.Config) -> None:
    """Prints the summary of a run and writes it, with its curves, to `report.md`."""
    directory = pathlib.Path(config.run_dir)
    epochs = tables.read_csv(directory / 'summary.csv')
    if not epochs:
        raise input_pipeline.errors.DataError(
            f'--run_dir={directory} holds no finished epoch. Run --mode=train first.'
        )
    text = _summary(config, directory, epochs)
    print(text)
    drawn = _draw(epochs, directory / 'curves.png')
    picture = '\n![errors by epoch](curves.png)\n' if drawn else ''
    page = f'# {directory.name}\n\n```\n{text}\n```\n{picture}'
    input_pipeline.files.write_atomically(directory / 'report.md', page.encode())


def _summary(config: configs.Config, directory: pathlib.Path, epochs) -> str:
    last = epochs[-1]
    lines = [
        f'report: {directory}: {last["epoch"]} epochs, {last["step"]} steps',
        f'  training error    {tables.percent(float(last["train_top1_error"]))} top-1 '
        '(last epoch, cropped, with dropout)',
    ]
    for row in _newest_results(directory):
        lines.append(
            f'  validation error  {tables.percent(float(row["top1_error"]))} top-1, '
            f'{tables.percent(float(row["top5_error"]))} top-5, {row["views"]} '
            f'{"view" if row["views"] == "1" else "views"}, {row["examples"]} pictures'
        )
    chance = _chance(config)
    if chance is not None:
        lines.append(f'  chance            {tables.percent(chance)} top-1')
    exports = pathlib.Path(config.export.export_dir or directory / 'export')
    versions = sorted(exports.glob('[0-9]*'), key=lambda each: int(each.name))
    lines += [f'  SavedModel        {each}' for each in versions[-1:]]
    lines.append(f'  TensorBoard       tensorboard --logdir {directory / "tensorboard"}')
    return '\n'.join(lines)


def _newest_results(directory: pathlib.Path):
    """The last row of validation for each number of views."""
    rows = tables.read_csv(directory / 'results.csv')
    held_out = [row for row in rows if row['split'] == 'validation' and not row['weights']]
    return {row['views']: row for row in held_out}.values()


def _chance(config: configs.Config) -> float | None:
    try:
        manifest = input_pipeline.records.load(config.data.data_dir)
    except input_pipeline.errors.DataError:
        return None
    return 1 - 1 / len(manifest.classes)


def _draw(epochs, path: pathlib.Path) -> bool:
    try:
        from alexnet_tf.reporting import figures
    except ImportError:
        print('report: no curves: pip install "alexnet_tf[plots]" draws them')
        return False
    figures.curves(epochs, path)
    return True
