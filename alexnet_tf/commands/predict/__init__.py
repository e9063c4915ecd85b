"""Pictures -> the five likeliest classes of each."""

import dataclasses
import pathlib
import sys
from collections.abc import Sequence
from typing import Any

from alexnet_tf.commands.evaluate import scoring
from alexnet_tf.commands.plot import availability
from alexnet_tf.commands.predict import predictor, streams, submission
from alexnet_tf.config import schema
from alexnet_tf.models import outputs
from alexnet_tf.reports import prediction_writers
from alexnet_tf.runs import run as runs
from input_pipeline import errors

_DRAWN = 8


def run(config: schema.Config) -> None:
    """Writes a row for each picture, with its classes or with what is wrong with it."""
    figures = availability.needed('--draw') if config.predict.draw else None
    views = scoring.views_of(config, default=('1',))[0]
    paths = streams.paths_of(config.predict.inputs)
    directories = config.evaluation.ensemble or (config.run_dir,)
    runs.check_same_data(directories)
    networks = [
        runs.load(dataclasses.replace(config, run_dir=each), compiled=True) for each in directories
    ]
    answered = predictor.Predictor(
        networks[0],
        predictor.probabilities(networks, scoring.weights_of(config), views),
        batch_size=max(1, config.evaluation.eval_batch_size // views),
    )
    if config.predict.submission:
        said = submission.write(config.predict.submission, networks[0], paths, answered)
        print(f'predict: {said}')
        return
    answers = streams.counted(answered(paths), len(paths), config.predict.output_file)
    drawn, good = _write(config, networks[0].names, answers)
    if figures and drawn:
        figures.save(figures.predictions(drawn), pathlib.Path(config.predict.draw))
        print(f'predict: drew {len(drawn)} pictures in {config.predict.draw}', file=sys.stderr)
    if not good:
        raise errors.DataError(f'none of the {len(paths)} files could be read as a picture.')
    if good < len(paths):
        unread = len(paths) - good
        print(f'predict: {unread:,} of {len(paths):,} files could not be read', file=sys.stderr)


def _write(config, names, answers):
    """Writes all answers; gives the first pictures with their rows, and the number of good ones."""
    good, drawn = 0, []
    with streams.output(config.predict.output_file) as stream:
        write = prediction_writers.writer(
            config.predict.output, stream, min(outputs.TOP_K, len(names))
        )
        for answer in answers:
            row = _row(answer, names)
            write(row)
            if not answer.error:
                good += 1
                drawn += [(row, answer.square)] if len(drawn) < _DRAWN else []
    return drawn, good


def _row(answer: predictor.Answer, names: Sequence[str]) -> dict[str, Any]:
    if answer.error:
        return {'file': answer.path, 'error': answer.error}
    return predictor.row(answer.path, answer.values, names)
