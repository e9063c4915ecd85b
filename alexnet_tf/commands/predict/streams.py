"""The input files of a command, and the rows that it writes for them."""

import contextlib
import glob
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TextIO

from alexnet_tf.config import fields, schema
from alexnet_tf.reports import progress
from input_pipeline import errors, files
from input_pipeline.sources import listing


def list_inputs(inputs: Sequence[str]) -> list[str]:
    """Lists the files that `--inputs` names.

    Args:
        inputs: Files; folders, for all files below them; patterns, as 'DIR/*.jpg' or '**/*.png';
            '-' for paths on stdin, one a line.

    Raises:
        UsageError: A name does not exist, a pattern matches nothing, or there are no files.
    """
    paths: list[str] = []
    for name in inputs:
        if name == '-':
            lines = sys.stdin.buffer.read().splitlines()  # a path may be any bytes
            paths += [os.fsdecode(line) for line in lines if line.strip()]
            continue
        matches = _match_names(name)
        if not matches:
            raise fields.UsageError(_describe_missing(name, is_one_of_several=len(inputs) > 1))
        paths += dict.fromkeys(path for match in matches for path in _list_files(match))
    if not paths:
        raise fields.UsageError(
            f'--inputs={",".join(inputs)} names no files. Name images, or a folder with images.'
        )
    return paths


def _match_names(name: str) -> list[str]:
    """Lists the files and folders that a name or a pattern stands for."""
    if files.exists(name):
        return [name]
    return sorted(glob.glob(name, recursive=True))


def _list_files(name: str) -> list[str]:
    path = files.as_path(name)
    return list(map(os.fspath, listing.list_files(path))) if path.is_dir() else [name]


def _describe_missing(name: str, *, is_one_of_several: bool) -> str:
    reason = 'no file matches' if glob.has_magic(name) else 'no such file or folder'
    advice = (
        ' Commas separate inputs: give a file with a comma in its name alone, or after the flags.'
    )
    return f'--inputs={name}: {reason}.{advice if is_one_of_several else ""}'


def write_rows(
    config: schema.Config,
    entries: Iterable[tuple],
    total: int,
    *,
    create_writer: Callable[[str, TextIO], Callable],
    limit: int,
) -> list[tuple]:
    """Writes a row for each file to `--output_file`, or to stdout.

    Args:
        config: Of the command.
        entries: (row, ...) of each file; the row of an unreadable file has the key 'error'.
        total: Number of files.
        create_writer: Takes `--output` and a text stream, and returns a function that writes a row.
        limit: Number of entries to return.

    Returns:
        The first entries of readable files.

    Raises:
        DataError: None of the files could be read.
    """
    output_file, readable, returned = config.predict.output_file, 0, []
    with _open_output(output_file) as stream:
        write_row = create_writer(config.predict.output, stream)
        for entry in _show_progress(entries, total, output_file):
            write_row(entry[0])
            if 'error' not in entry[0]:
                readable += 1
                returned += [entry] if readable <= limit else []
    if not readable:
        raise errors.DataError(f'--inputs: none of the {total:,} files could be read as an image.')
    if unreadable := total - readable:
        message = f'{unreadable:,} of {total:,} files could not be read'
        print(f'{config.mode}: {message}', file=sys.stderr)
    if output_file:
        print(f'{config.mode}: wrote {output_file}', file=sys.stderr)
    return returned


@contextlib.contextmanager
def _open_output(path: str) -> Iterator[TextIO]:
    """Opens stdout for '', else a file that appears once it is complete."""
    if not path:
        yield sys.stdout
        return
    with (
        files.output_file(path) as temporary,
        open(temporary, 'w', newline='', encoding='utf-8', errors='backslashreplace') as file,
    ):
        yield file


def _show_progress(entries: Iterable[tuple], total: int, output_file: str) -> Iterator[tuple]:
    """Shows progress, unless the rows themselves scroll by on the terminal."""
    if sys.stdout.isatty() and not output_file:
        yield from entries
        return
    with progress.Progress('files') as bar:
        for done, entry in enumerate(entries, 1):
            yield entry
            bar.update(done, total)
