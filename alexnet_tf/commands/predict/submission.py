"""What the ILSVRC server takes: a line a picture with five ids of classes, best first."""

import itertools
import os
from collections.abc import Callable, Iterable, Sequence

from alexnet_tf.commands.predict import predictor
from alexnet_tf.config import schema
from alexnet_tf.reports import progress
from alexnet_tf.runs import run as runs
from input_pipeline import errors
from input_pipeline import files as files_lib

_IDS = 5


def write(
    path: str,
    network: runs.Run,
    files: Sequence[str],
    answered: Callable[[Sequence[str]], Iterable[predictor.Answer]],
) -> str:
    """Writes the file, whole or not at all, its lines in the order of the pictures' names.

    Args:
        path: To write.
        network: Says the classes' ILSVRC ids.
        files: The pictures.
        answered: Gives the answers to them, in their order.

    Returns:
        A sentence about it.

    Raises:
        UsageError: `path` is a directory.
        DataError: The classes have no ILSVRC ids, two pictures have one name, or one cannot be
            read: the server wants a line for each.
    """
    if os.path.isdir(path):
        raise schema.UsageError(f'--submission={path} is a directory; name a file.')
    if len(network.ids) < _IDS or not all(network.ids):
        raise errors.DataError(
            f'--submission: the classes of {network.directory} have no ILSVRC ids. It needs a '
            'network that was trained on records of --source=ilsvrc2012 or ilsvrc2010, prepared '
            'with the development kit, which alone has the ids.'
        )
    ordered = sorted(files, key=os.path.basename)
    for before, after in itertools.pairwise(ordered):
        if os.path.basename(before) == os.path.basename(after):
            raise errors.DataError(
                f'--submission: {before} and {after} have one name, and names order the lines.'
            )
    bar = progress.Progress('pictures')
    with files_lib.atomic_file(path) as aside, aside.open('w') as out:
        for done, answer in enumerate(answered(ordered), 1):
            if answer.error:
                raise errors.DataError(
                    f'--submission: {answer.path}: {answer.error}. A line is needed for each '
                    f'picture, so {path} was not written.'
                )
            ids = (network.ids[each] for each in predictor.best(answer.values, _IDS))
            out.write(' '.join(map(str, ids)) + '\n')
            bar.show(done, len(ordered))
    bar.close()
    return (
        f'{path}: {len(ordered):,} lines, {os.path.basename(ordered[0])} to '
        f'{os.path.basename(ordered[-1])}'
    )
