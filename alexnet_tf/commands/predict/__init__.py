"""`--mode=predict`: the five most probable classes of each image."""

import dataclasses
import functools
import pathlib
import sys

from alexnet_tf.commands.evaluate import selection
from alexnet_tf.commands.predict import streams, submission
from alexnet_tf.config import schema
from alexnet_tf.models import outputs
from alexnet_tf.plots import availability
from alexnet_tf.reports import prediction_writers
from alexnet_tf.runs import loading, predictor, run_directory

_PLOTTED = 8


def run(config: schema.Config) -> None:
    """Writes a row for each file: its classes, or why it could not be read.

    Raises:
        DataError: None of the files could be read.
    """
    options = config.predict
    plots = availability.require_plots('--draw') if options.draw else None
    views = selection.select_views(config, default=('1',))[0]
    paths = streams.list_inputs(options.inputs)
    members, weights = _load_members(config), selection.select_ensemble_weights(config)
    predict = predictor.Predictor(
        members[0],
        predictor.build_probability_function(members, weights, views),
        batch_size=max(1, config.evaluation.eval_batch_size // views),
    )
    if options.submission:
        return submission.write(options.submission, members[0], paths, predict)
    names = members[0].names
    k = min(outputs.TOP_K, len(names))
    create_writer = functools.partial(prediction_writers.create_writer, k=k)
    entries = (
        (predictor.build_row(prediction, names), prediction.square) for prediction in predict(paths)
    )
    plotted = streams.write_rows(
        config, entries, len(paths), create_writer=create_writer, limit=_PLOTTED
    )
    if plots:
        plots.save_figure(plots.plot_predictions(plotted), pathlib.Path(options.draw))
        print(f'predict: wrote {options.draw} with {len(plotted)} images', file=sys.stderr)


def _load_members(config: schema.Config) -> list[loading.TrainedRun]:
    directories = config.evaluation.ensemble or (config.run_dir,)
    run_directory.check_same_data(directories)
    return [
        loading.load_run(dataclasses.replace(config, run_dir=directory), compiled=True)
        for directory in directories
    ]
