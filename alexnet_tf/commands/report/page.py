"""The blocks of `report.html`."""

from collections.abc import Mapping, Sequence

import tensorflow as tf

from alexnet_tf.commands.evaluate import error_report
from alexnet_tf.commands.report import validation
from alexnet_tf.plots import kernels
from alexnet_tf.reports import html, model_card, tables
from alexnet_tf.runs import loading

_MAX_ROWS = 20  # of a table
_MAX_PLOTTED_CLASSES = 1000  # a pixel each in the confusion matrix
_EPOCH_COLUMNS = (
    'epoch',
    'learning_rate',
    'train_loss',
    'train_top1_error',
    'validation_loss',
    'validation_top1_error',
    'images_per_sec',
)


def build_page(
    card: model_card.ModelCard,
    analysis: validation.ValidationAnalysis,
    epochs: Sequence[Mapping[str, str]],
    plots,
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
        *(
            html.paragraph(purpose) + html.code(command)
            for purpose, command in card.commands.items()
        ),
        html.table(('', ''), card.environment.items()),
    ]
    return html.document(card.name, blocks)


def _build_training(epochs: Sequence[Mapping[str, str]], plots) -> list[str]:
    blocks = [html.heading('Training')]
    if plots:
        png = plots.encode_png(plots.plot_curves(epochs))
        blocks.append(html.image(png, 'training and validation error by epoch'))
        blocks.append(html.paragraph('Dotted lines: the learning rate was divided.', note=True))
    half = _MAX_ROWS // 2
    shown = epochs if len(epochs) <= _MAX_ROWS else [*epochs[:half], *epochs[-half:]]
    if len(shown) < len(epochs):
        note = f'The first and the last {half} of {len(epochs)} epochs.'
        blocks.append(html.paragraph(note, note=True))
    rows = [[_shorten(epoch.get(name, '')) for name in _EPOCH_COLUMNS] for epoch in shown]
    header = [name.replace('_', ' ') for name in _EPOCH_COLUMNS]
    return [*blocks, html.table(header, rows)]


def _build_validation(analysis: validation.ValidationAnalysis, plots) -> list[str]:
    blocks = [html.heading('Predictions for validation images')]
    if not analysis.errors:
        return [*blocks, html.paragraph(f'None: {analysis.skipped}')]
    errors, names = analysis.errors, analysis.trained.names
    if plots:
        png = plots.encode_png(plots.plot_predictions(analysis.samples))
        blocks.append(html.image(png, 'validation images above bars', kind='wide'))
        note = f'Above each image its class, whose bar is orange; {tables.views(analysis.views)}.'
        blocks.append(html.paragraph(note, note=True))
    blocks.append(html.heading('Confused classes'))
    if plots and len(names) <= _MAX_PLOTTED_CLASSES:
        png = plots.encode_png(plots.plot_confusion(errors.confusion, names))
        blocks.append(html.image(png, 'confusion matrix'))
    blocks += [
        html.table(('class', 'predicted', 'images', 'share'), _top(errors.rank_confusions(), 3)),
        html.heading('Errors by class'),
        html.table(
            ('class', 'images', 'top-1 error', 'top-5 error', 'most often predicted instead'),
            _top(errors.rank_classes(), 2, 3),
        ),
    ]
    if plots and errors.rank_mistakes():
        figure = error_report.plot_mistakes(plots, errors, analysis.manifest, validation.SPLIT)
        blocks.append(html.heading('The most confident mistakes'))
        blocks.append(html.image(plots.encode_png(figure), 'misclassified images', kind='wide'))
    if plots:
        png = plots.encode_png(plots.plot_calibration(errors.compute_calibration()))
        blocks.append(html.heading('Calibration'))
        blocks.append(html.image(png, 'share of correct predictions by confidence'))
    return blocks


def _encode_kernels(trained: loading.TrainedRun) -> bytes:
    columns = kernels.get_kernels(trained.model, trained.recipe.columns)
    return tf.io.encode_png(kernels.render_kernels(list(columns.values()))).numpy()


def _top(rows: Sequence[Sequence], *shares: int) -> list[list]:
    """Returns the first rows; the columns with the indices `shares` in percent."""
    return [
        [tables.percent(cell) if at in shares else cell for at, cell in enumerate(row)]
        for row in rows[:_MAX_ROWS]
    ]


def _shorten(cell: str) -> str:
    try:
        return f'{float(cell):.4g}'
    except ValueError:
        return cell
