"""A MkDocs hook that runs the notebooks and shows their outputs.

A notebook is a page of docs/tutorials in jupytext's Markdown format: its python blocks are cells.
The site has the page with the outputs, and the executed notebook to download. SKIP_NOTEBOOKS=1 in
the environment leaves them without outputs, for a quick look at other pages.
"""

import base64
import hashlib
import os
import pathlib
import re
import tempfile

import jupytext
import nbclient
import nbformat
from mkdocs.structure.files import File

NOTEBOOKS = (
    'tutorials/first-classifier-in-python.md',
    'tutorials/alexnet-section-by-section.md',
    'tutorials/known-weights.md',
    'tutorials/your-own-keras-program.md',
)
ROOT = pathlib.Path(__file__).parents[2]
CACHE = ROOT / 'build' / 'notebooks'
SECONDS_PER_CELL = 300


def on_files(files, config):
    """Replaces the page of each notebook by one with outputs; adds its images and the notebook."""
    if os.environ.get('SKIP_NOTEBOOKS'):
        return files
    for source in NOTEBOOKS:
        page = files.get_file_from_path(source)
        notebook = execute(pathlib.Path(page.abs_src_path))
        folder = source.removesuffix('.md')
        markdown, images = render(notebook, folder.rpartition('/')[2])
        contents = {source: markdown, f'{folder}.ipynb': nbformat.writes(notebook)}
        contents |= {f'{folder}/{name}': image for name, image in images.items()}
        files.remove(page)
        for name, content in contents.items():
            files.append(File.generated(config, name, content=content))
    return files


def execute(path: pathlib.Path) -> nbformat.NotebookNode:
    """Runs a notebook in an empty folder, unless this text was run with these packages before."""
    cached = CACHE / f'{path.stem}-{_hash(path)}.ipynb'
    if cached.exists():
        return nbformat.read(cached, as_version=4)
    notebook = jupytext.read(path)
    notebook.metadata['kernelspec'] = {'name': 'python3', 'display_name': 'Python 3'}
    os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')
    with tempfile.TemporaryDirectory() as folder:
        resources = {'metadata': {'path': folder}}
        nbclient.NotebookClient(notebook, timeout=SECONDS_PER_CELL, resources=resources).execute()
    CACHE.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, cached)
    return notebook


def render(notebook: nbformat.NotebookNode, folder: str) -> tuple[str, dict[str, bytes]]:
    """Returns the page as Markdown and its images by name, which the page looks for in `folder`."""
    parts, images = [], {}
    for cell in notebook.cells:
        if cell.cell_type != 'code':
            parts.append(cell.source)
            continue
        parts.append(f'```python\n{cell.source}\n```')
        parts += [_wrap(part) for part in _render_outputs(cell.outputs, folder, images)]
    title, *rest = parts[0].split('\n', 1)
    note = f'!!! note ""\n    This page is a notebook, and was run: [download it]({folder}.ipynb).'
    return '\n\n'.join([title, note, *rest, *parts[1:]]), images


def _render_outputs(outputs, folder: str, images: dict[str, bytes]) -> list[str]:
    """Returns blocks of text, and images, which it adds to `images`."""
    parts, texts = [], []
    for output in [*outputs, {}]:
        data = output.get('data', {})
        is_image = 'image/png' in data
        if not is_image:
            texts.append(output.get('text') or data.get('text/plain', '') + '\n')
        if (is_image or not output) and (text := _clean(''.join(texts))):
            parts.append(f'```text\n{text}\n```')
            texts = []
        if is_image:
            name = f'{len(images) + 1}.png'
            images[name] = base64.b64decode(data['image/png'])
            parts.append(f'![output of the cell above]({folder}/{name})')
    return parts


def _wrap(markdown: str) -> str:
    return f'<div class="cell-output" markdown>\n{markdown}\n</div>'


def _clean(text: str) -> str:
    """Drops colours, noise of TensorFlow and Keras, and what a progress line overwrote."""
    text = re.sub(r'\x1b\[[0-9;]*[A-Za-z]', '', text)
    text = re.sub(r'^([IWE]0000 |WARNING: All log).*\n?', '', text, flags=re.MULTILINE)
    text = re.sub(r'^.*Warning: `shuffle=True` was passed.*\n  .*\n?', '', text, flags=re.MULTILINE)
    lines = [line.rstrip('\r').split('\r')[-1] for line in text.split('\n')]
    return '\n'.join(line for line in lines if line.strip())


def _hash(path: pathlib.Path) -> str:
    sources = [path]
    for package in ('alexnet_tf', 'input_pipeline'):
        sources += (ROOT / package).rglob('*.py')
    return hashlib.sha256(b''.join(file.read_bytes() for file in sorted(sources))).hexdigest()[:16]
