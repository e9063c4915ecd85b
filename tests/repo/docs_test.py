"""The documentation: its links lead somewhere, and its flags, modes and flagfiles exist."""

import pathlib
import re

import pytest

from alexnet_tf.config import fields, schema

ROOT = pathlib.Path(__file__).parents[2]
PAGES = sorted(ROOT.glob('*.md')) + sorted((ROOT / 'docs').rglob('*.md'))
OTHER_PROGRAMS = {
    # Docker, Beam and its runners, TensorFlow Serving, TensorBoard, pip, pytest, jupytext, ...
    'runner', 'flink_master', 'project', 'region', 'temp_location', 'environment_type',
    'enable_batching', 'batching_parameters_file', 'logdir', 'server', 'slow', 'work', 'chain',
    'points', 'torch_python', 'dali_python', 'rounds', 'out', 'raw_dir', 'images_dir', 'times',
    'members', 'bits', 'openvino_python', 'as_imagenet', 'peer', 'help', 'helpfull', 'flagfile',
    'to', 'findings', 'corpus', 'measured', 'port', 'nworkers', 'nthreads', 'dask_client_address',
    'dask_partition_size', 'dask_npartitions', 'seeds', 'images', 'error', 'disagreement',
    'output_dir',
}  # fmt: skip


def prose_of(page):
    """A page without its code blocks."""
    return re.sub(r'```.*?```', '', page.read_text(), flags=re.DOTALL)


def slug_of(heading):
    """GitHub's anchor of a heading."""
    text = re.sub(r'[^\w\- ]', '', heading.strip().lower().replace('`', ''))
    return text.replace(' ', '-')


def anchors_of(page):
    return {slug_of(line.lstrip('#')) for line in page.read_text().splitlines() if line[:1] == '#'}


@pytest.mark.parametrize('page', PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_and_headings(page):
    for target in re.findall(r'\]\(([^)]+)\)', prose_of(page)):
        if target.startswith(('http://', 'https://')):
            continue
        path, _, anchor = target.partition('#')
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f'{page}: {target}'
        if anchor:
            assert anchor in anchors_of(file), f'{page}: {target}'


@pytest.mark.parametrize('page', PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_flags_exist(page):
    known = set(fields.map_settings(schema.Config)) | OTHER_PROGRAMS
    text = page.read_text()
    for name in re.findall(r'(?<![\w-])--([a-z][a-z0-9_]+)', text):
        assert name in known or name.removeprefix('no') in known, f'{page}: --{name}'


@pytest.mark.parametrize('page', PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_flagfiles_exist(page):
    for name in re.findall(r'flags/(\w+\.cfg)', page.read_text()):
        assert (ROOT / 'flags' / name).exists(), f'{page}: flags/{name}'


@pytest.mark.parametrize('page', PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_of_the_packages_exist(page):
    for name in re.findall(
        r'`((?:alexnet_tf|input_pipeline|tests|benchmarks|examples)/[\w/.]+)`', page.read_text()
    ):
        assert (ROOT / name).exists(), f'{page}: {name}'
