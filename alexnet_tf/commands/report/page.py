"""The blocks of `report.html`."""

from collections.abc import Mapping, Sequence

import tensorflow as tf

from alexnet_tf.commands.evaluate import error_report
from alexnet_tf.commands.report import validation
from alexnet_tf.plots import kernels
from alexnet_tf.reports import html, model_card, tables
from alexnet_tf.runs import loading

Epochs = Sequence[Mapping[str, str]]  # rows of summary.csv
_MAX_ROWS = 20  # of a table
_MAX_PLOTTED_CLASSES = 1000  # a pixel each in the confusion matrix
_EPOCH_COLUMNS = (
    *('epoch', 'learning_rate', 'train_loss', 'train_top1_error'),
    *('validation_loss', 'validation_top1_error', 'images_per_sec'),
)


def build_page(
    card: model_card.ModelCard, analysis: validation.ValidationAnalysis, epochs: Epochs, plots
) -> str:
    """Builds the page.

    Args:
        card: The model card.
        analysis: Of the validation records.
        epochs: Rows of `summary.csv`.
        plots: What `availability.load_plots` returns; None leaves out the plots.
    """
    blocks = [
        html.paragraph(card.architecture),
        html.paragraph(card.data),
        html.paragraph(card.training),
        html.heading('Results'),
        html.table(model_card.RESULTS_HEADER, card.results)
        if card.results
        else html.paragraph('None yet. Run --mode=evaluate.'),
        html.paragraph(card.calibration, note=True),
        *_build_training(epochs, plots),
        html.heading('Kernels of the first layer'),
        html.image(_encode_kernels(analysis.trained), 'kernels of conv1', kind='kernels'),
        html.paragraph('Column a above column b; all on one scale.', note=True),
        *_build_validation(analysis, plots),
        html.heading('How to reproduce it'),
        *(html.paragraph(what) + html.code(command) for what, command in card.commands.items()),
        html.table(('', ''), card.environment.items()),
    ]
    return html.document(card.name, blocks)


def _build_training(epochs: Epochs, plots) -> list[str]:
    blocks = [html.heading('Training')]
    if plots:
        blocks += [
            _embed(plots, plots.plot_curves(epochs), 'training and validation error by epoch'),
            html.paragraph('Dotted lines: the learning rate was divided.', note=True),
        ]
    half = _MAX_ROWS // 2
    if len(epochs) > _MAX_ROWS:
        note = f'The first and the last {half} of {len(epochs)} epochs.'
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
        note = f'Above each image its class, whose bar is orange; {tables.format_views(views)}.'
        blocks.append(_embed(plots, figure, 'validation images above bars', kind='wide'))
        blocks.append(html.paragraph(note, note=True))
    blocks.append(html.heading('Confused classes'))
    if plots and len(names) <= _MAX_PLOTTED_CLASSES:
        figure = plots.plot_confusion(errors.confusion, names)
        blocks.append(_embed(plots, figure, 'confusion matrix'))
    header = ('class', 'images', 'top-1 error', 'top-5 error', 'most often predicted instead')
    blocks += [
        html.table(('class', 'predicted', 'images', 'share'), _top(errors.rank_confusions(), 3)),
        html.heading('Errors by class'),
        html.table(header, _top(errors.rank_classes(), 2, 3)),
    ]
    if plots and errors.rank_mistakes():
        figure = error_report.plot_mistakes(plots, errors, analysis.manifest, validation.SPLIT)
        blocks.append(html.heading('The most confident mistakes'))
        blocks.append(_embed(plots, figure, 'misclassified images', kind='wide'))
    if plots:
        figure = plots.plot_calibration(errors.compute_calibration())
        blocks.append(html.heading('Calibration'))
        blocks.append(_embed(plots, figure, 'share of correct predictions by confidence'))
    return blocks


def _embed(plots, figure, alt: str, *, kind: str = '') -> str:
    return html.image(plots.encode_png(figure), alt, kind=kind)


def _encode_kernels(trained: loading.TrainedRun) -> bytes:
    columns = kernels.get_kernels(trained.model, trained.recipe.columns)
    return tf.io.encode_png(kernels.render_kernels(list(columns.values()))).numpy()


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
