"""`--mode=predict`: the five most probable classes of each image."""

import dataclasses
import pathlib
import sys
from collections.abc import Iterable, Sequence

from alexnet_tf.commands.evaluate import selection
from alexnet_tf.commands.predict import predictor, streams, submission
from alexnet_tf.config import schema
from alexnet_tf.models import outputs
from alexnet_tf.plots import availability
from alexnet_tf.reports import prediction_writers
from alexnet_tf.runs import loading, run_directory
from input_pipeline import errors

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
    predictions = streams.show_progress(predict(paths), len(paths), options.output_file)
    readable, plotted = _write(config, members[0].names, predictions)
    if plots and plotted:
        plots.save_figure(plots.plot_predictions(plotted), pathlib.Path(options.draw))
        print(f'predict: wrote {options.draw}: {len(plotted)} images', file=sys.stderr)
    if not readable:
        raise errors.DataError(
            f'--inputs: none of the {len(paths):,} files could be read as an image.'
        )
    if unreadable := len(paths) - readable:
        print(f'predict: {unreadable:,} of {len(paths):,} files could not be read', file=sys.stderr)
    if options.output_file:
        print(f'predict: wrote {options.output_file}: {len(paths):,} rows', file=sys.stderr)


def _load_members(config: schema.Config) -> list[loading.TrainedRun]:
    directories = config.evaluation.ensemble or (config.run_dir,)
    run_directory.check_same_data(directories)
    return [
        loading.load_run(dataclasses.replace(config, run_dir=directory), compiled=True)
        for directory in directories
    ]


def _write(config, names: Sequence[str], predictions: Iterable[predictor.Prediction]):
    """Writes all rows; returns the number of readable files, and the first rows with images."""
    readable, plotted = 0, []
    with streams.open_output(config.predict.output_file) as stream:
        write_row = prediction_writers.create_writer(
            config.predict.output, stream, min(outputs.TOP_K, len(names))
        )
        for prediction in predictions:
            row = predictor.build_row(prediction, names)
            write_row(row)
            if not prediction.error:
                readable += 1
                plotted += [(row, prediction.square)] if readable <= _PLOTTED else []
    return readable, plotted
