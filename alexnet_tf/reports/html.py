"""One self-contained HTML page: no script, no network, every text escaped."""

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
    """The page, of blocks made by the functions below."""
    body = '\n'.join(blocks)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<title>{_text(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n'
        f'<h1>{_text(title)}</h1>\n{body}\n</body>\n</html>\n'
    )


def heading(text: str) -> str:
    """Of a section."""
    return f'<h2>{_text(text)}</h2>'


def paragraph(text: str, *, note: bool = False) -> str:
    """Plain text; a note is paler."""
    kind = ' class="note"' if note else ''
    return f'<p{kind}>{_text(text)}</p>'


def code(text: str) -> str:
    """A command or a file, in its own lines."""
    return f'<pre><code>{_text(text)}</code></pre>'


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table, which scrolls where the window is narrow."""
    head = ''.join(f'<th>{_text(each)}</th>' for each in header)
    lines = (''.join(f'<td>{_text(each)}</td>' for each in row) for row in rows)
    body = '\n'.join(f'<tr>{line}</tr>' for line in lines)
    return (
        f'<div class="scroll"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>'
        '</table></div>'
    )


def picture(png: bytes, alt: str, *, kind: str = '') -> str:
    """An encoded PNG inside the page.

    Args:
        png: It.
        alt: What it shows, for those who do not see it.
        kind: 'kernels': enlarged without smoothing; 'wide': scrolls where the window is narrow.
    """
    data = base64.b64encode(png).decode()
    named = f' class="{kind}"' if kind else ''
    image = f'<img{named} src="data:image/png;base64,{data}" alt="{_text(alt)}">'
    return f'<div class="scroll">{image}</div>'


def gallery(pictures: Iterable[tuple[bytes, str]]) -> str:
    """Pictures side by side as the window allows, each over its caption.

    Args:
        pictures: (encoded JPEG, caption) each.
    """
    shown = ''.join(
        f'<figure><img src="data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}" '
        f'alt="{_text(caption)}"><figcaption>{_text(caption)}</figcaption></figure>'
        for jpeg, caption in pictures
    )
    return f'<div class="gallery">{shown}</div>'


def _text(value: object) -> str:
    # A file's name may hold bytes of no encoding.
    return html.escape(str(value).encode(errors='backslashreplace').decode())
