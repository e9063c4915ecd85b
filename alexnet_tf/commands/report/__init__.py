"""What a run has come to: lines, a page, a model card; or the paper's tables."""

import dataclasses
import json
import pathlib
import shlex

from alexnet_tf.commands.evaluate import scoring
from alexnet_tf.commands.plot import availability
from alexnet_tf.commands.report import examination, paper_comparison
from alexnet_tf.commands.report import page as page_lib
from alexnet_tf.config import schema
from alexnet_tf.export import saved_model
from alexnet_tf.reports import model_card, tables
from alexnet_tf.runs import run as runs
from input_pipeline import errors as errors_lib
from input_pipeline import files


def run(config: schema.Config) -> None:
    """Prints the summary of a run; writes `report.html`, `MODEL_CARD.md` and `curves.png`."""
    if config.report.paper_tables:
        return paper_comparison.run(config)
    directory = pathlib.Path(config.run_dir)
    epochs = tables.read_csv(directory / 'summary.csv')
    if not epochs:
        raise errors_lib.DataError(
            f'--run_dir={directory} holds no finished epoch. Run --mode=train first.'
        )
    examined = examination.of(config)
    results = scoring.newest_results(directory)
    print(_summary(config, directory, epochs, results, len(examined.trained.classes)))
    if examined.missing:
        print(f'report: without pictures: {examined.missing}')
    figures = availability.at_hand()
    if figures:
        figures.save(figures.curves(epochs), directory / 'curves.png')
    else:
        print('report: without curves: pip install "alexnet_tf[plots]" draws them')
    card = _card(directory, examined, epochs, results)
    page = page_lib.of(card, examined, epochs, figures)
    for name, text in (('MODEL_CARD.md', model_card.text(card)), ('report.html', page)):
        files.write_atomically(directory / name, text.encode())
    print(f'  page, card        {directory / "report.html"}, {directory / "MODEL_CARD.md"}')


def _summary(config, directory: pathlib.Path, epochs, results, classes: int) -> str:
    last = epochs[-1]
    lines = [
        f'report: {directory}: {last["epoch"]} epochs, {last["step"]} steps',
        f'  training error    {tables.percent(float(last["train_top1_error"]))} top-1 '
        '(last epoch, cropped, with dropout)',
    ]
    ours = runs.data_of(directory)['manifest_sha256']
    for row in results:
        of_it = row['manifest_sha256'] == ours and not row['weights']
        if row['split'] == examination.SPLIT and of_it:
            lines.append(
                f'  validation error  {tables.percent(float(row["top1_error"]))} top-1, '
                f'{tables.percent(float(row["top5_error"]))} top-5, {tables.views(row["views"])}, '
                f'{row["examples"]} pictures'
            )
    lines.append(f'  chance            {tables.percent(1 - 1 / classes)} top-1')
    if export := _newest_export(runs.export_dir(config)):
        lines.append(f'  SavedModel        {export}')
    lines.append(f'  TensorBoard       tensorboard --logdir {directory / "tensorboard"}')
    return '\n'.join(lines)


def _newest_export(directory: pathlib.Path) -> pathlib.Path | None:
    versions = saved_model.versions(directory)
    return directory / str(versions[-1]) if versions else None


def _card(directory, examined, epochs, results) -> model_card.Card:
    trained, asked = examined.trained, schema.from_json((directory / runs.CONFIG).read_text())
    asked = dataclasses.replace(asked, run_dir=str(directory))
    kept = runs.data_of(directory)
    numbers = trained.recipe
    network = 'A small network of the AlexNet paper' if numbers.layers else 'AlexNet'
    width = '' if asked.network.width == 1 else f', {asked.network.width:g} of its width'
    columns = 'two columns' if numbers.columns == 2 else 'one column'
    use = {
        'It was made by': schema.command(asked, asked.mode),
        'Classes of new pictures': 'python -m alexnet_tf.main --mode=predict '
        f'--run_dir={shlex.quote(str(directory))} --inputs=FOLDER',
    }
    return model_card.Card(
        name=directory.resolve().name,
        architecture=f'{network} (Krizhevsky, Sutskever and Hinton, 2012), {columns}{width}, '
        f'{trained.model.count_params():,} parameters; numbers of the preset {numbers.name}.',
        classes=trained.names,
        data=_data(examined, kept),
        training=f'{trained.epoch} epochs of stochastic gradient descent in batches of '
        f'{numbers.batch_size}, {trained.step:,} steps from seed {asked.seed}; activations in '
        f'{asked.network.precision}.',
        header=(
            *('split', 'pictures', 'views', 'top-1 error (95 %)', 'top-5 error (95 %)', 'loss'),
            'after step',
        ),
        results=[_cells(row, kept) for row in results if not row['weights']],
        calibration=_calibration(examined),
        use=use,
        made_with=json.loads((directory / runs.ENVIRONMENT).read_text()),
    )


def _cells(row, kept) -> tuple[str, ...]:
    split, loss = row['split'], f'{float(row["loss"]):.4f}'
    if row['manifest_sha256'] != kept['manifest_sha256']:
        split = f'{split} of other records ({row["manifest_sha256"][:8]})'
    errors = (scoring.with_interval(row, name) for name in ('top1', 'top5'))
    return split, row['examples'], row['views'], *errors, loss, row['step']


def _data(examined, kept) -> str:
    source = kept.get('source')
    of = f'Source {source}. ' if source else ''
    numbers = ''
    if examined.manifest and examined.manifest.sha256 == kept['manifest_sha256']:
        splits = examined.manifest.splits
        counted = (f'{examined.manifest.examples(each):,} in {each}' for each in splits)
        numbers = f'{", ".join(counted)}. '
    return f'{of}{numbers}Manifest sha256 {kept["manifest_sha256"]}.'


def _calibration(examined) -> str:
    if not examined.found:
        return ''
    error = examined.found.calibration_error()
    return (
        f'The expected calibration error (15 bins, {tables.views(examined.views)}) is {error:.3f}.'
    )
