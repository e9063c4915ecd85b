"""A submission to the ILSVRC server: a line for each image with five class ids, best first."""

import itertools
import os
from collections.abc import Callable, Iterable, Sequence

from alexnet_tf.config import fields
from alexnet_tf.reports import progress
from alexnet_tf.runs import loading, predictor
from input_pipeline import errors, files

_IDS = 5


def write(
    path: str,
    trained: loading.TrainedRun,
    images: Sequence[str],
    predict: Callable[[Sequence[str]], Iterable[predictor.ImageOutput]],
) -> None:
    """Writes a submission, complete or not at all; lines are in the order of the file names.

    Args:
        path: The file to write.
        trained: Its classes have ILSVRC ids.
        images: Paths of the images.
        predict: Yields the predictions for some paths, in order.

    Raises:
        UsageError: `path` is a directory.
        DataError: The classes have no ILSVRC ids, two images have the same name, or an image
            cannot be read: the server expects a line for each.
    """
    if os.path.isdir(path):
        raise fields.UsageError(f'--submission={path} is a directory. Name a file.')
    if len(trained.ids) < _IDS or not all(trained.ids):
        raise errors.DataError(
            f'--submission: the classes of {trained.directory} have no ILSVRC ids. Train on '
            'records of --source=ilsvrc2012 or ilsvrc2010 that were prepared with the development '
            'kit, which has the ids.'
        )
    ordered = _sort_by_name(images)
    with (
        progress.Progress('images') as bar,
        files.atomic_file(path) as temporary,
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
