"""What predict and retrieve read from and write to: files, folders, lists; a stream of rows."""

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence

from alexnet_tf.config import schema
from alexnet_tf.reports import progress
from input_pipeline import files
from input_pipeline.sources import folder as folder_lib


def paths_of(inputs: Sequence[str]) -> list[str]:
    """The files named, all files below the folders named, and for - those that stdin names.

    Raises:
        UsageError: There are none.
    """
    paths: list[str] = []
    for name in inputs:
        if name == '-':
            paths += _listed()
            continue
        each = files.at(name)
        if not each.exists():
            raise schema.UsageError(f'--inputs={name}: no such file or folder.')
        paths += _below(each) if each.is_dir() else [name]
    if not paths:
        raise schema.UsageError(f'--inputs={",".join(inputs)}: no files there.')
    return paths


def _below(folder) -> list[str]:
    return [os.fspath(each) for each in folder_lib.files_below(folder)]


def _listed() -> list[str]:
    """A name a line, as find prints them; any bytes, as names may be."""
    lines = sys.stdin.buffer.read().splitlines()
    return [os.fsdecode(line) for line in lines if line.strip()]


@contextlib.contextmanager
def output(path: str):
    """A stream to write rows to: the file, which is whole or not there, or standard output."""
    if not path:
        yield sys.stdout
        return
    if os.path.isdir(path):
        raise schema.UsageError(f'--output_file={path} is a directory; name a file.')
    with (
        files.atomic_file(path) as aside,
        open(aside, 'w', newline='', encoding='utf-8', errors='backslashreplace') as file,
    ):
        yield file


def counted(answers: Iterator, total: int, path: str) -> Iterator:
    """The answers, their number shown where they do not scroll past on the terminal themselves.

    Args:
        answers: Passed on.
        total: Their number.
        path: Of what they are written to, as of `output`.
    """
    if sys.stdout.isatty() and not path:
        yield from answers
        return
    bar = progress.Progress('files')
    for done, answer in enumerate(answers, 1):
        yield answer
        bar.show(done, total)
    bar.close()
