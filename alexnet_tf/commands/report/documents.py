"""The documents of a run: the contents of its model card, and the blocks of `report.html`."""

import pathlib
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from alexnet_tf.commands.evaluate import scoring
from alexnet_tf.commands.report import step, validation
from alexnet_tf.config import schema, serialization
from alexnet_tf.evaluation import error_analysis
from alexnet_tf.models import outputs
from alexnet_tf.plots import kernels
from alexnet_tf.reports import html, model_card, result_tables, tables
from alexnet_tf.runs import loading, run_directory

_Epochs = Sequence[Mapping[str, str]]  # rows of summary.csv
_MAX_ROWS = 20  # of a table
_MAX_PLOTTED_CLASSES = 1000  # a pixel each in the confusion matrix
_CONFUSED = 'Confused classes'  # a heading that needs errors
_EPOCH_COLUMNS = (
    *('epoch', 'learning_rate', 'train_loss', 'train_top1_error'),
    *('validation_loss', 'validation_top1_error', 'images_per_sec'),
)
_CROPPED = 'the central square of an image and nothing outside it'
_WARPED = 'a whole image, stretched to a square'


def build_card(
    directory: pathlib.Path,
    analysis: validation.ValidationAnalysis,
    rows: Sequence[Mapping[str, str]],
    checkpoint: str = 'newest',
) -> model_card.ModelCard:
    """Collects what is known about a trained network.

    Args:
        directory: The run directory.
        analysis: Analysis of the run.
        rows: Newest rows of its `results.csv`.
        checkpoint: Which one was analysed, as `--checkpoint` names it.
    """
    flag = '' if checkpoint == 'newest' else f' --checkpoint={checkpoint}'
    trained = analysis.trained
    config = run_directory.read_config(directory)
    # Keeps what `--minutes` chose, with 0 minutes, since the flag would choose again.
    config = serialization.replace(config, {'run_dir': f'{directory}-again', 'minutes': 0.0})
    data = run_directory.read_data(directory)
    return model_card.ModelCard(
        name=directory.resolve().name,
        architecture=_describe_network(trained),
        classes=trained.names,
        data=_describe_data(analysis, data),
        view=_WARPED if trained.rendering.warp else _CROPPED,
        training=_describe_training(trained, config, data),
        results=[_format_row(row, data) for row in rows if not row['weights']],
        calibration=_describe_calibration(analysis),
        commands={
            f'{"Import" if config.mode == "import" else "Train"} it again': (
                serialization.to_command(config, config.mode)
            ),
            'Classify new images': 'python -m alexnet_tf.main --mode=predict '
            f'--run_dir={shlex.quote(str(directory))}{flag} --inputs=FOLDER',
        },
        environment=serialization.read_object(directory, run_directory.ENVIRONMENT_FILE),
    )


def shows_errors(page: str) -> bool:
    """Returns whether a page has an error analysis, which needs the records."""
    return html.heading(_CONFUSED) in page


def _describe_network(trained: loading.TrainedRun) -> str:
    recipe, width = trained.recipe, trained.recipe.width
    network = 'A small network of the AlexNet paper' if recipe.layers else 'AlexNet'
    columns = 'two columns' if recipe.columns == 2 else 'one column'
    narrow = '' if width == 1 else f' and {width:g} times its channels'
    return (
        f'{network} (Krizhevsky, Sutskever and Hinton, 2012) with {columns}{narrow}: '
        f'{trained.model.count_params():,} parameters. Hyperparameters of the recipe {recipe.name}.'
    )


def _describe_training(
    trained: loading.TrainedRun, config: schema.Config, data: Mapping[str, Any]
) -> str:
    if origin := data.get(run_directory.IMPORTED_KEY):
        return (
            f'Not trained here: the weights come from {origin["file"]}, {origin["bytes"]:,} bytes, '
            f'SHA-256 {origin["sha256"]}. They were recognised by: '
            f'{"; ".join(origin["recognised"])}.'
        )
    training, lars = config.training, ' with LARS' * (trained.recipe.optimizer == 'lars')
    source = f' from the weights of {training.init_weights}' if training.init_weights else ''
    head = 'The last layer was fitted to features. ' if training.linear_head else ''
    return (
        f'{head}Stochastic gradient descent{lars}{source} to epoch {trained.epoch}, step '
        f'{trained.step:,}, in batches of {trained.recipe.batch_size}, with seed {config.seed} and '
        f'{config.network.precision} activations.'
    )


def _describe_data(analysis: validation.ValidationAnalysis, data: Mapping[str, Any]) -> str:
    source, manifest = data.get('source'), analysis.manifest
    parts = [f'Source {source}.'] if source else []
    if manifest and manifest.sha256 == data['manifest_sha256']:
        counts = [f'{manifest.count_examples(split):,} in {split}' for split in manifest.splits]
        parts.append(f'Images: {", ".join(counts)}.')
    if data['manifest_sha256']:
        parts.append(f'SHA-256 of the manifest: {data["manifest_sha256"]}.')
    return ' '.join(parts)


def _format_row(row: Mapping[str, str], data: Mapping[str, Any]) -> tuple[str, ...]:
    split = row['split']
    if not run_directory.may_be_of(data, row['manifest_sha256']):
        split = f'{split} of other records ({row["manifest_sha256"][:8]})'
    return split, *result_tables.format_cells(row, len(data['classes'])), row['step']


def _describe_calibration(analysis: validation.ValidationAnalysis) -> str:
    if not analysis.errors:
        return ''
    error, views = analysis.errors.compute_calibration_error(), tables.format_views(analysis.views)
    chance = analysis.errors.estimate_chance_calibration_error()
    return (
        f'The expected calibration error (15 bins, {views}) is {error:.3f}; with so few images, a '
        f'perfectly calibrated network would show about {chance:.3f}.'
    )


def build_page(
    card: model_card.ModelCard,
    analysis: validation.ValidationAnalysis,
    *,
    epochs: _Epochs,
    steps: Sequence[step.Step],
    plots,
) -> str:
    """Builds the page.

    Args:
        card: The model card.
        analysis: Of the validation records.
        epochs: Rows of `summary.csv`.
        steps: What to do next.
        plots: What `availability.load_plots` returns; None leaves out the plots.
    """
    trained = analysis.trained
    image = tf.io.encode_png(kernels.render_first_layer(trained.model)).numpy()
    blocks = [
        *map(html.paragraph, (card.architecture, card.data, card.training)),
        html.heading('Results'),
        html.table(card.results_header, card.results)
        if card.results
        else html.paragraph('None yet. Run --mode=evaluate.'),
        html.paragraph(card.calibration, note=True),
        *step.to_blocks(steps),
        *(_build_training(epochs, plots) if epochs else ()),
        html.heading('Kernels of the first layer'),
        html.image(image, 'kernels of conv1', kind='kernels'),
        html.paragraph(f'{kernels.describe_rows(trained.model)}; all on one scale.', note=True),
        *_build_validation(analysis, plots),
        html.heading('How to reproduce it'),
        *(html.paragraph(what) + html.code(command) for what, command in card.commands.items()),
        html.table(('', ''), card.environment.items()),
    ]
    return html.document(card.name, blocks)


def _build_training(epochs: _Epochs, plots) -> list[str]:
    blocks = [html.heading('Training')]
    if plots:
        blocks += [
            _embed(plots, plots.plot_curves(epochs), 'training and validation error by epoch'),
            html.paragraph('A dotted line is where the learning rate was divided.', note=True),
        ]
    half = _MAX_ROWS // 2
    if len(epochs) > _MAX_ROWS:
        note = f'The first and the last {half} of {len(epochs)} epochs that were validated.'
        blocks.append(html.paragraph(note, note=True))
        epochs = [*epochs[:half], *epochs[-half:]]
    rows = [[_format_epoch(epoch, name) for name in _EPOCH_COLUMNS] for epoch in epochs]
    return [*blocks, html.table([name.replace('_', ' ') for name in _EPOCH_COLUMNS], rows)]


def _build_validation(analysis: validation.ValidationAnalysis, plots) -> list[str]:
    errors, names = analysis.errors, analysis.trained.names
    blocks = [html.heading('Predictions for validation images')]
    if not errors:
        return [*blocks, html.paragraph(f'None: {analysis.skipped}')]
    if plots:
        views, figure = analysis.views, plots.plot_predictions(analysis.samples)
        note = f'Above each image is its class, whose bar is orange; {tables.format_views(views)}.'
        blocks.append(_embed(plots, figure, 'validation images above bars', kind='wide'))
        blocks.append(html.paragraph(note, note=True))
    blocks.append(html.heading(_CONFUSED))
    if plots and len(names) <= _MAX_PLOTTED_CLASSES:
        figure = plots.plot_confusion(errors.confusion, names)
        blocks.append(_embed(plots, figure, 'confusion matrix'))
    blocks += [
        html.table(('class', 'predicted', 'images', 'share'), _top(errors.rank_confusions(), 3)),
        *_build_recalls(errors),
    ]
    if plots and errors.rank_mistakes():
        figure = scoring.plot_mistakes(plots, errors, analysis.manifest, validation.SPLIT)
        blocks.append(html.heading('The most confident mistakes'))
        blocks.append(_embed(plots, figure, 'misclassified images', kind='wide'))
    if plots:
        figure = plots.plot_calibration(errors.compute_calibration())
        blocks.append(html.heading('Calibration'))
        blocks.append(_embed(plots, figure, 'share of correct predictions by confidence'))
    return blocks


def _build_recalls(errors: error_analysis.ErrorAnalysis) -> list[str]:
    """Builds the table of the share of each class's images that are recognised."""
    ranked, top5 = errors.rank_recalls(), {row[0]: row[3] for row in errors.rank_classes()}
    mean = tables.format_percent(errors.compute_mean_recall())
    first = f'; the first {_MAX_ROWS} of {len(ranked):,} classes' if ranked[_MAX_ROWS:] else ''
    header = ['class', 'images', 'recognised', 'recall', 'most often predicted instead']
    rows = _top(ranked, 3)
    if len(errors.confusion) > outputs.TOP_K:
        header.insert(4, 'top-5 error')
        for row in rows:
            row.insert(4, tables.format_percent(top5[row[0]]))
    note = (
        'Recall is the share of the images of a class classified correctly, lowest first'
        f'{first}. Its unweighted mean over the classes is {mean}.'
    )
    return [
        html.heading('Recall by class'),
        html.paragraph(note, note=True),
        html.table(header, rows),
    ]


def _embed(plots, figure, alt: str, *, kind: str = '') -> str:
    return html.image(plots.encode_png(figure), alt, kind=kind)


def _top(rows: Sequence[Sequence], *shares: int) -> list[list]:
    """Returns the first rows; the columns with the indices `shares` in percent."""
    return [
        [tables.format_percent(cell) if at in shares else cell for at, cell in enumerate(row)]
        for row in rows[:_MAX_ROWS]
    ]


def _format_epoch(epoch: Mapping[str, str], name: str) -> str:
    cell = epoch.get(name)
    if not cell:
        return ''
    return tables.format_percent(float(cell)) if name.endswith('_error') else f'{float(cell):.4g}'
