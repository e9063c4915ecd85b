"""A model card: what a trained network is, what it was measured to do, what it was not."""

import dataclasses
import re
from collections.abc import Mapping, Sequence

_SPECIAL = re.compile(r'([\\`*_{}\[\]<>#|~!&])')


@dataclasses.dataclass(frozen=True)
class Card:
    """What is known of a trained network; nothing is left to be filled in by hand.

    Attributes:
        name: Of the run.
        architecture: A sentence.
        classes: Names in label order.
        data: What it was trained on, a sentence.
        training: How, a sentence.
        header, results: The table of its scores.
        calibration: What its confidence is worth, a sentence; '' where it was not measured.
        use: Commands by what they are for.
        made_with: Versions and commit by name.
    """

    name: str
    architecture: str
    classes: Sequence[str]
    data: str
    training: str
    header: Sequence[str]
    results: Sequence[Sequence[str]]
    calibration: str
    use: Mapping[str, str]
    made_with: Mapping[str, object]


def text(card: Card) -> str:
    """The card in Markdown."""
    named = ', '.join(_plain(each) for each in card.classes[:20])
    more = f' and {len(card.classes) - 20:,} more' if len(card.classes) > 20 else ''
    lines = [
        f'# Model card: {_plain(card.name)}',
        '## Network',
        card.architecture,
        f'It tells {len(card.classes):,} classes apart: {named}{more}.',
        '## What it is for',
        'Photographs that each show one thing, and that resemble those it was trained on. It '
        'always names one of its classes, whatever a picture shows.',
        '## Training data',
        _plain(card.data),
        '## Training',
        _plain(card.training),
        '## Scores',
        *_scores(card),
        '## What was not measured',
        'Pictures from other sources than its records, other lighting, cameras or places, altered '
        'pictures, and differences between groups of people, if any are shown. It sees the central '
        'square of a picture and nothing outside it.',
        '## Use',
        *(f'{what}:\n\n{_code(command)}' for what, command in card.use.items()),
        '## Made with',
        '\n'.join(f'- {_plain(name)}: {_plain(value)}' for name, value in card.made_with.items()),
    ]
    return '\n\n'.join(lines) + '\n'


def _scores(card: Card) -> list[str]:
    if not card.results:
        return ['None yet: `--mode=evaluate` measures them.']
    rows = [card.header, ['---'] * len(card.header), *card.results]
    table = '\n'.join(f'| {" | ".join(map(_cell, row))} |' for row in rows)
    said = 'Intervals are 95 % ones of a binomial share: they tell of the number of pictures only.'
    return [table, f'{said} {card.calibration}'.rstrip()]


def _cell(value: object) -> str:
    return value if value == '---' else _plain(value)


def _code(command: str) -> str:
    """A block that nothing in it ends."""
    fence = '`' * (1 + max(2, *map(len, re.findall('`+', command)), 2))
    return f'{fence}\n{" ".join(command.splitlines())}\n{fence}'


def _plain(value: object) -> str:
    """A text that Markdown and HTML show as it is."""
    one_line = ' '.join(str(value).encode(errors='backslashreplace').decode().split())
    return _SPECIAL.sub(r'\\\1', one_line)
