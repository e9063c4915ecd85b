"""The blocks of `report.html`."""

import tensorflow as tf

from alexnet_tf.commands.evaluate import scoring
from alexnet_tf.commands.report import examination
from alexnet_tf.reports import html, model_card, tables

_ROWS = 20  # of a table
_DRAWN_CLASSES = 1000  # a pixel each is the least


def of(card: model_card.Card, examined: examination.Examination, epochs, figures) -> str:
    """The page.

    Args:
        card: What is known in words.
        examined: What the records show.
        epochs: Rows of `summary.csv`.
        figures: The module that draws, or None.
    """
    blocks = [
        html.paragraph(card.architecture),
        html.paragraph(card.data),
        html.paragraph(card.training),
        html.heading('Scores'),
        html.table(card.header, card.results)
        if card.results
        else html.paragraph('None yet: --mode=evaluate measures them.'),
        html.paragraph(card.calibration, note=True),
        *_curves(epochs, figures),
        html.heading('Kernels of the first layer'),
        html.picture(
            _png(examined.kernels()), 'the kernels of conv1 as small pictures', kind='kernels'
        ),
        html.paragraph('Column a above column b; one scale for all.', note=True),
        *(_pictures(examined, figures) if examined.found else _without(examined.missing)),
        html.heading('Made by'),
        *(html.paragraph(what) + html.code(command) for what, command in card.use.items()),
        html.table(('', ''), card.made_with.items()),
    ]
    return html.document(card.name, blocks)


def _curves(epochs, figures) -> list[str]:
    header = ('epoch', 'learning_rate', 'train_loss', 'train_top1_error', 'validation_loss')
    header = (*header, 'validation_top1_error', 'images_per_sec')
    rows = [[_short(row.get(name, '')) for name in header] for row in epochs]
    blocks = [html.heading('Learning')]
    if figures:
        drawn = figures.png(figures.curves(epochs))
        blocks.append(html.picture(drawn, 'training and validation error by epoch'))
        blocks.append(html.paragraph('Dotted: the learning rate was divided.', note=True))
    shown = rows if len(rows) <= _ROWS else [*rows[: _ROWS // 2], *rows[-_ROWS // 2 :]]
    if shown is not rows:
        said = f'The first and the last {_ROWS // 2} of {len(rows)} epochs.'
        blocks.append(html.paragraph(said, note=True))
    return [*blocks, html.table([name.replace('_', ' ') for name in header], shown)]


def _pictures(examined: examination.Examination, figures) -> list[str]:
    found, manifest = examined.found, examined.manifest
    views = tables.views(examined.views)
    blocks = [html.heading('Answers to held-out pictures')]
    if figures:
        drawn = figures.png(figures.predictions(examined.samples))
        blocks.append(html.picture(drawn, 'held-out pictures over bars', kind='wide'))
        said = f'Above each its true class, whose bar is orange; {views}.'
        blocks.append(html.paragraph(said, note=True))
    blocks.append(html.heading('What is taken for what'))
    names = examined.trained.names
    if figures and len(names) <= _DRAWN_CLASSES:
        drawn = figures.png(figures.confusion(found.confusion(), names))
        blocks.append(html.picture(drawn, 'the confusion matrix'))
    blocks += [
        html.table(('class', 'taken for', 'pictures', 'share'), _first(found.confused(), 3)),
        html.heading('Classes'),
        html.table(
            ('class', 'pictures', 'top-1 error', 'top-5 error', 'most often taken for'),
            _first(found.by_class(), 2, 3),
        ),
    ]
    if figures and found.mistakes():
        sheet = scoring.sheet_of_mistakes(figures, found, manifest, examination.SPLIT)
        blocks.append(html.heading('The most confident mistakes'))
        blocks.append(html.picture(figures.png(sheet), 'pictures taken for others', kind='wide'))
    blocks.append(html.heading('Calibration'))
    if figures:
        drawn = figures.png(figures.reliability(found.calibration()))
        blocks.append(html.picture(drawn, 'the share that was right by confidence'))
    return blocks


def _without(missing: str) -> list[str]:
    return [html.heading('Answers to held-out pictures'), html.paragraph(f'None: {missing}')]


def _first(rows, *shares: int) -> list[list]:
    """The first rows, with the cells at some places in percent."""
    return [
        [tables.percent(cell) if at in shares else cell for at, cell in enumerate(row)]
        for row in rows[:_ROWS]
    ]


def _short(cell: str) -> str:
    try:
        return f'{float(cell):.4g}'
    except ValueError:
        return cell


def _png(picture) -> bytes:
    return tf.io.encode_png(picture).numpy()
