"""A model card: what a trained network is, how well it does, what was not measured."""

import dataclasses
import re
from collections.abc import Mapping, Sequence

from alexnet_tf.reports import result_tables

_SPECIAL = re.compile(r'([\\`*_{}\[\]<>#|~!&])')
_MAX_CLASSES = 20  # that are listed


@dataclasses.dataclass(frozen=True)
class ModelCard:
    """The contents of a model card; nothing is left to fill in by hand.

    Attributes:
        name: Of the run.
        architecture: A sentence.
        classes: Names in label order.
        data: Sentences about the training records.
        view: Which part of an image it sees.
        training: A sentence.
        results: Rows of the table under `results_header`.
        calibration: A sentence about the confidence; '' if it was not measured.
        commands: Shell commands by their purpose.
        environment: Versions by the name of the package, and the commit.
    """

    name: str
    architecture: str
    classes: Sequence[str]
    data: str
    view: str
    training: str
    results: Sequence[Sequence[str]]
    calibration: str
    commands: Mapping[str, str]
    environment: Mapping[str, object]

    @property
    def results_header(self) -> tuple[str, ...]:
        """Names of the columns of `results`."""
        return 'split', *result_tables.list_columns(len(self.classes)), 'step'


def to_markdown(card: ModelCard) -> str:
    """Renders a card in Markdown; names in it cannot add markup."""
    names = ', '.join(_escape(name) for name in card.classes[:_MAX_CLASSES])
    more = len(card.classes) - _MAX_CLASSES
    blocks = [
        f'# Model card: {_escape(card.name)}',
        '## Network',
        card.architecture,
        f'It distinguishes {len(card.classes):,} classes: {names}'
        + (f' and {more:,} more.' if more > 0 else '.'),
        '## Intended use',
        'Photos that show one object each and resemble the training images. The network always '
        'predicts one of its classes, whatever an image shows.',
        '## Training data',
        _escape(card.data),
        '## Training',
        _escape(card.training),
        '## Results',
        *_format_results(card),
        '## Limitations',
        'Not measured: accuracy on images from other sources, in other lighting, from other '
        'cameras or places, on manipulated images, and differences between groups of people, if '
        f'any are shown. It sees {card.view}.',
        '## Commands',
        *(f'{purpose}:\n\n{_fence(command)}' for purpose, command in card.commands.items()),
        '## Environment',
        '\n'.join(f'- {_escape(key)}: {_escape(value)}' for key, value in card.environment.items()),
    ]
    return '\n\n'.join(blocks) + '\n'


def _format_results(card: ModelCard) -> list[str]:
    if not card.results:
        return ['None yet. Run `--mode=evaluate`.']
    header = card.results_header
    rows = [map(_escape, row) for row in (header, *card.results)]
    lines = [f'| {" | ".join(row)} |' for row in rows]
    lines.insert(1, f'| {" | ".join(["---"] * len(header))} |')
    note = (
        'The intervals are 95 % binomial confidence intervals. They account for the number of '
        'images only, not for differences between seeds.'
    )
    return ['\n'.join(lines), f'{note} {card.calibration}'.rstrip()]


def _fence(command: str) -> str:
    """Puts a command in a code block whose fence is longer than any backticks in it."""
    fence = '`' * (1 + max([2, *map(len, re.findall('`+', command))]))
    return f'{fence}\n{command}\n{fence}'


def _escape(value: object) -> str:
    """Escapes a text so that Markdown and HTML show it as it is, in one line."""
    return _SPECIAL.sub(r'\\\1', ' '.join(str(value).split()))
