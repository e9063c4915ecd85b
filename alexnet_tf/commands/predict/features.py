"""`--mode=predict --features`: what layers compute for image files, as arrays."""

import pathlib
import sys

from alexnet_tf.commands.predict import feature_files, streams
from alexnet_tf.config import fields, schema
from alexnet_tf.models import features
from alexnet_tf.reports import progress
from alexnet_tf.runs import loading, predictor
from input_pipeline import errors


def run(config: schema.Config) -> None:
    """Writes the features of `--inputs` to `--output_file`, a row for each file, in order.

    Raises:
        UsageError: There is no such layer, or the file cannot hold the features.
        DataError: None of the files could be read; nothing is written.
    """
    layers, path = config.predict.features, pathlib.Path(config.predict.output_file)
    feature_files.check_path(path, layers)
    names = streams.list_inputs(config.predict.inputs)
    trained = loading.load_run(config, compiled=True)
    try:
        extractor = features.build_extractor(trained.model, layers)
    except ValueError as error:
        raise fields.UsageError(str(error).replace('layer=', '--features=', 1)) from error
    function = predictor.build_crop_function(trained, extractor)
    batch_size = config.evaluation.eval_batch_size
    predict = predictor.Predictor(trained, function, batch_size=batch_size)
    shapes = predict.output_shapes
    with (
        feature_files.write(path, shapes, names) as writer,
        progress.Progress('files') as bar,
    ):
        for done, output in enumerate(predict(names), 1):
            writer.add(output.values, output.error)
            bar.update(done, len(names))
        unreadable = sum(map(bool, writer.errors))
        if unreadable == len(names):
            raise errors.DataError(
                f'--inputs: none of the {len(names):,} files could be read as an image.'
            )
    if unreadable:
        print(
            f'predict: {unreadable:,} of {len(names):,} files could not be read; their rows are '
            'NaN',
            file=sys.stderr,
        )
    sizes = ', '.join(f'{name} {(len(names), *shape)}' for name, shape in shapes.items())
    print(f'predict: wrote {path}: {sizes} float32', file=sys.stderr)
