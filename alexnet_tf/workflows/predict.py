"""Pictures -> the five likeliest classes of each."""

import contextlib
import dataclasses
import os
import pathlib
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import input_pipeline
from alexnet_tf import config as configs
from alexnet_tf.reporting import prediction_files, progress
from alexnet_tf.workflows import drawing, judging, predictor, submission
from alexnet_tf.workflows import run as runs

TOP = 5
_DRAWN = 8


def run(config: configs.Config) -> None:
    """Writes a row for each picture, with its classes or with what is wrong with it."""
    figures = drawing.needed('--draw') if config.predict.draw else None
    views = _views(config)
    paths = _paths(config.predict.inputs)
    directories = config.evaluation.ensemble or (config.run_dir,)
    runs.check_same_data(directories)
    networks = [
        runs.load(dataclasses.replace(config, run_dir=each), compiled=True) for each in directories
    ]
    answered = predictor.Predictor(
        networks,
        judging.weights_of(config),
        views=views,
        batch_size=config.evaluation.eval_batch_size,
    )
    if config.predict.submission:
        said = submission.write(config.predict.submission, networks[0], paths, answered)
        print(f'predict: {said}')
        return
    drawn, good = _write(config, networks[0].names, _counted(config, answered(paths), len(paths)))
    if figures and drawn:
        figures.save(figures.predictions(drawn), pathlib.Path(config.predict.draw))
        print(f'predict: drew {len(drawn)} pictures in {config.predict.draw}', file=sys.stderr)
    if not good:
        raise input_pipeline.errors.DataError(
            f'none of the {len(paths)} files could be read as a picture.'
        )
    if good < len(paths):
        unread = len(paths) - good
        print(f'predict: {unread:,} of {len(paths):,} files could not be read', file=sys.stderr)


def _write(config, names, answers):
    """Writes all answers; gives the first pictures with their rows, and the number of good ones."""
    good, drawn = 0, []
    with _output(config.predict.output_file) as stream:
        write = prediction_files.writer(config.predict.output, stream, min(TOP, len(names)))
        for answer in answers:
            row = _row(answer, names)
            write(row)
            if not answer.error:
                good += 1
                drawn += [(row, answer.square)] if len(drawn) < _DRAWN else []
    return drawn, good


def _counted(config, answers, total: int) -> Iterator[predictor.Answer]:
    """The answers, their number shown where they do not scroll past on the terminal themselves."""
    if sys.stdout.isatty() and not config.predict.output_file:
        yield from answers
        return
    bar = progress.Progress('files')
    for done, answer in enumerate(answers, 1):
        yield answer
        bar.show(done, total)
    bar.close()


def _row(answer: predictor.Answer, names: Sequence[str]) -> dict[str, Any]:
    if answer.error:
        return {'file': answer.path, 'error': answer.error}
    best = predictor.best(answer.scores, TOP)
    return {
        'file': answer.path,
        'classes': [names[each] for each in best],
        'probabilities': [float(answer.scores[each]) for each in best],
    }


def _views(config: configs.Config) -> int:
    views = judging.views_of(config, default=('1',))
    if len(views) > 1:
        raise configs.UsageError(
            f'--views={",".join(config.evaluation.views)}: predict takes one of 1, 10 and nine.'
        )
    return views[0]


def _paths(inputs: Sequence[str]) -> list[str]:
    """The files named, all files below the folders named, and for - those that stdin names."""
    paths: list[str] = []
    for name in inputs:
        if name == '-':
            paths += _listed()
            continue
        each = input_pipeline.files.at(name)
        if not each.exists():
            raise configs.UsageError(f'--inputs={name}: no such file or folder.')
        paths += _below(each) if each.is_dir() else [name]
    if not paths:
        raise configs.UsageError(f'--inputs={",".join(inputs)}: no files there.')
    return paths


def _below(folder) -> list[str]:
    return [os.fspath(each) for each in input_pipeline.sources.folder.files_below(folder)]


def _listed() -> list[str]:
    """A name a line, as find prints them; any bytes, as names may be."""
    lines = sys.stdin.buffer.read().splitlines()
    return [os.fsdecode(line) for line in lines if line.strip()]


@contextlib.contextmanager
def _output(path: str):
    if not path:
        yield sys.stdout
        return
    with (
        input_pipeline.files.atomic_file(path) as aside,
        open(aside, 'w', newline='', encoding='utf-8', errors='backslashreplace') as file,
    ):
        yield file
