"""`--mode=predict`: the classes of images, what layers compute, or a submission to ILSVRC."""

import dataclasses
import functools
import itertools
import os
import pathlib
import sys
from collections.abc import Sequence

from alexnet_tf.commands.predict import features, streams
from alexnet_tf.config import schema
from alexnet_tf.plots import availability
from alexnet_tf.reports import prediction_writers, progress
from alexnet_tf.runs import loading, predictor, run_directory, selection
from input_pipeline import errors, files

_PLOTTED = 8
_IDS = 5  # in a line of a submission


def run(config: schema.Config) -> None:
    """Writes a row for each file: its classes, or why it could not be read.

    Raises:
        DataError: None of the files could be read.
    """
    options = config.predict
    if options.features:
        return features.run(config)
    plots = availability.require_plots('--draw') if options.draw else None
    views = selection.select_views(config, default=('1',))[0]
    paths = streams.list_inputs(options.inputs)
    members, weights = _load_members(config), selection.select_ensemble_weights(config)
    function = predictor.build_probability_function(members, weights, views)
    batch_size = max(1, config.evaluation.eval_batch_size // views)
    predict = predictor.Predictor(members[0], function, batch_size=batch_size)
    if options.submission:
        return _write_submission(options.submission, members[0], paths, predict)
    names = members[0].names
    k = min(options.top_k, len(names))
    create_writer = functools.partial(prediction_writers.create_writer, k=k)
    entries = (
        (predictor.build_row(prediction, names, k), prediction.square)
        for prediction in predict(paths)
    )
    plotted = streams.write_rows(
        config, entries, len(paths), create_writer=create_writer, limit=_PLOTTED
    )
    if plots:
        plots.save_figure(plots.plot_predictions(plotted), pathlib.Path(options.draw))
        print(f'predict: wrote {options.draw} with {len(plotted)} images', file=sys.stderr)


def _load_members(config: schema.Config) -> list[loading.TrainedRun]:
    directories = config.evaluation.ensemble or (config.run_dir,)
    run_directory.check_same_data(directories, reads_files=True)
    return [
        loading.load_run(dataclasses.replace(config, run_dir=directory), compiled=True)
        for directory in directories
    ]


def _write_submission(
    path: str, trained: loading.TrainedRun, images: Sequence[str], predict: predictor.Predictor
) -> None:
    """Writes a line for each image with five class ids, in the order of the file names, or nothing.

    Raises:
        DataError: The classes have no ILSVRC ids, two images have the same name, or an image
            cannot be read: the server expects a line for each.
    """
    if len(trained.ids) < _IDS or not all(trained.ids):
        raise errors.DataError(
            f'--submission: the classes of {trained.directory} have no ILSVRC ids. Train on '
            'records of --source=ilsvrc2012 or ilsvrc2010 that were prepared with the development '
            'kit, which has the ids.'
        )
    ordered = _sort_by_name(images)
    with (
        progress.Progress('images') as bar,
        files.output_file(path) as temporary,
        temporary.open('w') as out,
    ):
        for done, prediction in enumerate(predict(ordered), 1):
            if prediction.error:
                raise errors.DataError(
                    f'--submission={path} was not written: {prediction.path}: {prediction.error}. '
                    'A line is needed for each image, so repair the file or leave it out.'
                )
            labels = predictor.select_top_k(prediction.values, _IDS)
            out.write(' '.join(str(trained.ids[label]) for label in labels) + '\n')
            bar.update(done, len(ordered))
    first, last = os.path.basename(ordered[0]), os.path.basename(ordered[-1])
    print(f'predict: wrote {path}: {len(ordered):,} lines, {first} to {last}')


def _sort_by_name(images: Sequence[str]) -> list[str]:
    ordered = sorted(images, key=os.path.basename)
    for before, after in itertools.pairwise(ordered):
        if os.path.basename(before) == os.path.basename(after):
            raise errors.DataError(
                f'--submission: {before} and {after} have the same name, but the order of the '
                'lines is that of the names. Rename one of them.'
            )
    return ordered
