"""What to do next, as a section of the page and as lines of the terminal."""

import dataclasses
import textwrap
from collections.abc import Sequence

from alexnet_tf.reports import html

_WIDTH = 100


@dataclasses.dataclass(frozen=True)
class Step:
    """Something to do next.

    Attributes:
        title: A few words.
        text: Sentences.
        detail: Sentences that only the page has.
        images: (encoded JPEG, caption) each, to look at.
    """

    title: str
    text: str
    detail: str = ''
    images: Sequence[tuple[bytes, str]] = ()


def to_text(steps: Sequence[Step]) -> str:
    """Formats steps for the terminal.

    >>> print(to_text([Step('Classes', 'Add images of roses first.')]))
    report: what to do next
      - Classes: Add images of roses first.
    """
    wrapper = textwrap.TextWrapper(
        _WIDTH,
        initial_indent='  - ',
        subsequent_indent='    ',
        break_long_words=False,
        break_on_hyphens=False,
    )
    lines = [wrapper.fill(f'{step.title}: {step.text}') for step in steps]
    return '\n'.join(['report: what to do next', *lines])


def to_blocks(steps: Sequence[Step]) -> list[str]:
    """Formats steps as elements of the page."""
    blocks = [html.heading('What to do next')] if steps else []
    for step in steps:
        blocks += [html.heading(step.title, 3), html.paragraph(step.text)]
        blocks += [html.paragraph(step.detail, note=True)] if step.detail else []
        blocks += [html.gallery(step.images)] if step.images else []
    return blocks
