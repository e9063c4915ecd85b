"""The notebooks of docs/tutorials run, and their pages get the outputs."""

import importlib.util
import pathlib

import pytest

DOCS = pathlib.Path(__file__).parents[2] / 'docs'
EXAMPLE = """# Title

Text.

```python
print('one')
print('two')
```
"""


@pytest.fixture(scope='module')
def notebooks():
    for package in ('jupytext', 'nbclient', 'mkdocs'):
        pytest.importorskip(package, reason='needs the extra [docs]')
    spec = importlib.util.spec_from_file_location('notebooks', DOCS / '_site' / 'notebooks.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_outputs_follow_their_cell_in_one_block_without_noise(notebooks):
    import jupytext
    import nbformat

    notebook = jupytext.reads(EXAMPLE, fmt='md')
    (cell,) = (cell for cell in notebook.cells if cell.cell_type == 'code')
    cell.outputs = [
        nbformat.v4.new_output('stream', text='1 %\r'),
        nbformat.v4.new_output('stream', text='one\n'),
        nbformat.v4.new_output('stream', name='stderr', text='I0000 00:00:1 port.cc:1] hello\n'),
        nbformat.v4.new_output('stream', text='two\n'),
        nbformat.v4.new_output('display_data', data={'image/png': 'AAEC'}),
    ]
    page, images = notebooks.render(notebook, 'title')
    assert '```text\none\ntwo\n```' in page
    assert '](title/1.png)' in page
    assert '[download it](title.ipynb)' in page
    assert images == {'1.png': bytes([0, 1, 2])}


def test_every_notebook_is_a_page(notebooks):
    assert all((DOCS / source).exists() for source in notebooks.NOTEBOOKS)


@pytest.mark.slow
def test_every_notebook_runs(notebooks):
    for source in notebooks.NOTEBOOKS:
        notebook = notebooks.execute(DOCS / source)
        assert any(cell.get('outputs') for cell in notebook.cells), source
