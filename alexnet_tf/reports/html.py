"""One self-contained HTML page: no script, no network, every text escaped.

Each function returns the HTML element that it is named after.
"""

import base64
import html
from collections.abc import Iterable, Sequence

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff;
       max-width: 60rem; margin: 0 auto; padding: 1rem; overflow-wrap: anywhere; }
h1 { line-height: 1.2; } h2 { margin-top: 2.5rem; border-bottom: 1px solid #ccc; }
img { max-width: 100%; height: auto; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .25rem .8rem .25rem 0; border-bottom: 1px solid #ddd;
         vertical-align: top; overflow-wrap: normal; }
pre { background: #f4f4f4; padding: .8rem; white-space: pre-wrap; }
.note { color: #555; }
.kernels { image-rendering: pixelated; }
.wide { min-width: 44rem; }
.gallery { display: flex; flex-wrap: wrap; gap: .6rem; }
.gallery figure { margin: 0; width: 8rem; }
.gallery figcaption { font-size: .8rem; line-height: 1.3; white-space: pre-line; }
"""


def document(title: str, blocks: Iterable[str]) -> str:
    """Returns the page.

    Args:
        title: Of the page, and its first heading.
        blocks: Elements from the functions below.
    """
    body = '\n'.join(blocks)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<title>{_escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n'
        f'<h1>{_escape(title)}</h1>\n{body}\n</body>\n</html>\n'
    )


def heading(text: str, level: int = 2) -> str:
    """Returns the heading of a section, or with level 3 of a subsection."""
    return f'<h{level}>{_escape(text)}</h{level}>'


def paragraph(text: str, *, note: bool = False) -> str:
    """Returns a paragraph of plain text; a note is paler."""
    attribute = ' class="note"' if note else ''
    return f'<p{attribute}>{_escape(text)}</p>'


def code(text: str) -> str:
    """Returns a block of code."""
    return f'<pre><code>{_escape(text)}</code></pre>'


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Returns a table, which scrolls in a narrow window."""
    head = ''.join(f'<th>{_escape(name)}</th>' for name in header)
    lines = (''.join(f'<td>{_escape(cell)}</td>' for cell in row) for row in rows)
    body = '\n'.join(f'<tr>{line}</tr>' for line in lines)
    return (
        f'<div class="scroll"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>'
        '</table></div>'
    )


def image(png: bytes, alt: str, *, kind: str = '') -> str:
    """Returns an image that is embedded in the page.

    Args:
        png: Encoded image.
        alt: Text for readers who do not see it.
        kind: 'kernels' to enlarge without smoothing, 'wide' to scroll in a narrow window.
    """
    data = base64.b64encode(png).decode()
    attribute = f' class="{kind}"' if kind else ''
    element = f'<img{attribute} src="data:image/png;base64,{data}" alt="{_escape(alt)}">'
    return f'<div class="scroll">{element}</div>'


def gallery(images: Iterable[tuple[bytes, str]]) -> str:
    """Returns images side by side, as many in a row as fit, each above its caption.

    Args:
        images: (encoded JPEG, caption) each.
    """
    figures = ''.join(
        f'<figure><img src="data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}" '
        f'alt="{_escape(caption)}"><figcaption>{_escape(caption)}</figcaption></figure>'
        for jpeg, caption in images
    )
    return f'<div class="gallery">{figures}</div>'


def _escape(value: object) -> str:
    # A file name may hold bytes that are not valid in any encoding.
    return html.escape(str(value).encode(errors='backslashreplace').decode())
