"""The input files of a command, and the stream that its rows are written to."""

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from typing import TextIO, TypeVar

from alexnet_tf.config import fields
from alexnet_tf.reports import progress
from input_pipeline import files
from input_pipeline.sources import folder

T = TypeVar('T')


def list_inputs(inputs: Sequence[str]) -> list[str]:
    """Lists the files that `--inputs` names.

    Args:
        inputs: Files; folders, for all files below them; '-' for paths on stdin, one a line.

    Raises:
        UsageError: A name does not exist, or there are no files.
    """
    paths: list[str] = []
    for name in inputs:
        if name == '-':
            paths += _read_stdin()
            continue
        path = files.as_path(name)
        if not path.exists():
            raise fields.UsageError(f'--inputs={name}: no such file or folder.')
        paths += map(os.fspath, folder.list_files(path)) if path.is_dir() else [name]
    if not paths:
        raise fields.UsageError(
            f'--inputs={",".join(inputs)} names no files. Name images, or a folder with images.'
        )
    return paths


def _read_stdin() -> list[str]:
    """Reads a path a line, as `find` prints them; a path may be any bytes."""
    lines = sys.stdin.buffer.read().splitlines()
    return [os.fsdecode(line) for line in lines if line.strip()]


@contextlib.contextmanager
def open_output(path: str) -> Iterator[TextIO]:
    """Opens a text stream: stdout for '', else a file that appears once it is complete.

    Raises:
        UsageError: `path` is a directory.
    """
    if not path:
        yield sys.stdout
        return
    if os.path.isdir(path):
        raise fields.UsageError(f'--output_file={path} is a directory. Name a file.')
    with (
        files.atomic_file(path) as temporary,
        open(temporary, 'w', newline='', encoding='utf-8', errors='backslashreplace') as file,
    ):
        yield file


def show_progress(predictions: Iterator[T], total: int, output_file: str) -> Iterator[T]:
    """Shows progress, unless the predictions themselves scroll by on the terminal.

    Args:
        predictions: Passed on.
        total: Their number.
        output_file: What they are written to; '' for stdout.
    """
    if sys.stdout.isatty() and not output_file:
        yield from predictions
        return
    with progress.Progress('files') as bar:
        for done, prediction in enumerate(predictions, 1):
            yield prediction
            bar.update(done, total)
