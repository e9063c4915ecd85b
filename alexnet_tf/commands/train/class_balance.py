"""Class weights of the loss and balanced sampling, for classes of unequal size."""

import csv
import dataclasses
import io
import math
import pathlib
import unicodedata
from collections.abc import Sequence

import numpy as np

from alexnet_tf.config import fields, schema
from input_pipeline import errors, escaping, files
from input_pipeline.records import checking, manifests

BALANCED = 'balanced'  # value of --class_weights
WEIGHTS_FILE = 'class_weights.csv'  # in the run directory
_HEADER = ('class', 'images', 'weight')


@dataclasses.dataclass(frozen=True, eq=False)
class ClassBalance:
    """How much the examples of each class count in training.

    Attributes:
        classes: Class labels, in label order.
        counts: (classes,) int64, numbers of training images.
        weights: The factor of the loss of each class, whose mean over the examples of an epoch is
            1; () for a factor of 1.
        sampled_labels: (examples,) int64, in the order of the files, if every class is drawn
            equally often in an epoch; else None.
    """

    classes: Sequence[str] = ()
    counts: np.ndarray | None = None
    weights: tuple[float, ...] = ()
    sampled_labels: np.ndarray | None = None

    @property
    def example_weights(self) -> np.ndarray | None:
        """(classes,) float64: mean draws of an image in an epoch, times its weight; None for 1."""
        weights = np.array(self.weights) if self.weights else None
        if self.sampled_labels is None:
            return weights
        draws = compute_balanced_weights(self.counts)
        return draws if weights is None else draws * weights

    def describe(self) -> list[str]:
        """Returns lines for the log; none if all images have the same weight."""
        lines, shown = [], self._describe_extremes
        if self.sampled_labels is not None:
            lines.append(
                'train: balanced sampling: an epoch draws every class equally often, images of '
                f'{shown(compute_balanced_weights(self.counts))} times on average'
            )
        if self.weights:
            lines.append(f'train: weights of the loss by class: {shown(np.array(self.weights))}')
        return lines

    def _describe_extremes(self, values: np.ndarray) -> str:
        low, high = (
            f'{self.classes[at]} ({self.counts[at]:,} images) {values[at]:.3g}'
            for at in (values.argmin(), values.argmax())
        )
        return escaping.to_printable(f'{low}, {high}')

    def keep_or_check(self, directory: pathlib.Path) -> None:
        """Stores the weights in the directory of a new run; checks that a resumed run has the same.

        Raises:
            UsageError: The run was started with other weights.
        """
        if not self.weights:
            return
        rows = [
            (name, count, repr(weight))
            for name, count, weight in zip(
                self.classes, self.counts.tolist(), self.weights, strict=True
            )
        ]
        buffer = io.StringIO()
        csv.writer(buffer, lineterminator='\n').writerows([_HEADER, *rows])
        path, content = directory / WEIGHTS_FILE, buffer.getvalue().encode()
        if not path.exists():
            files.write_atomically(path, content)
        elif path.read_bytes() != content:
            raise fields.UsageError(
                f'--class_weights: the run was started with other weights, see {path}. Give the '
                'same file as then, or another --run_dir to start a new run.'
            )


def load(config: schema.Config, manifest: manifests.Manifest) -> ClassBalance:
    """Loads what `--class_weights` and `--balanced_sampling` need; without them, nothing.

    The labels of all training records are read, which takes as long as reading their files.

    Raises:
        UsageError: The weights do not fit the classes.
        DataError: A record cannot be read.
    """
    training = config.training
    if not (training.class_weights or training.balanced_sampling):
        return ClassBalance()
    labels = checking.read_labels(manifest.list_shards(manifests.TRAIN), manifest.layout)
    counts = np.bincount(labels, minlength=len(manifest.classes))
    weights = np.array([])
    if training.class_weights == BALANCED:
        weights = compute_balanced_weights(counts)
    elif training.class_weights:
        source = pathlib.Path(training.class_weights)
        kept = pathlib.Path(config.run_dir, WEIGHTS_FILE)
        if kept.exists() and not source.exists():  # resumed after the file was moved
            weights = read_weights(kept, manifest.classes)
        else:
            weights = read_weights(source, manifest.classes)
            drawn = np.sign(counts) if training.balanced_sampling else counts
            weights = _normalize(weights, drawn)
    sampled = labels if training.balanced_sampling else None
    return ClassBalance(manifest.classes, counts, tuple(weights.tolist()), sampled)


def compute_balanced_weights(counts: np.ndarray) -> np.ndarray:
    """Computes weights that give all classes the same total, with a mean of 1 over the examples.

    >>> compute_balanced_weights(np.array([30, 10])).tolist()
    [0.6666666666666666, 2.0]
    """
    return _normalize(1.0 / np.maximum(counts, 1), counts)


def _normalize(weights: np.ndarray, counts: np.ndarray) -> np.ndarray:
    return weights * (counts.sum() / (counts * weights).sum())


def read_weights(path: pathlib.Path, classes: Sequence[str]) -> np.ndarray:
    """Reads a file of lines CLASS,WEIGHT, one for each class, in any order.

    The file in a run directory has CLASS,IMAGES,WEIGHT.

    Returns:
        (classes,) float64, as they stand in the file.

    Raises:
        UsageError: The file cannot be read, or does not fit the classes.
    """
    places = {unicodedata.normalize('NFC', name): at for at, name in enumerate(classes)}
    weights = np.full(len(classes), np.nan)
    for number, row in enumerate(_read_rows(path), 1):
        if not row or (number == 1 and row in (['class', 'weight'], list(_HEADER))):
            continue
        where = f'--class_weights={path}, line {number}'
        name = unicodedata.normalize('NFC', row[0].strip())
        if len(row) not in (2, 3) or not _is_weight(row[-1]):
            raise fields.UsageError(f'{where}: expected CLASS,WEIGHT with a number of at least 0.')
        if name not in places:
            hint = errors.suggest(name, places)
            raise fields.UsageError(f'{where}: the records have no class {name}.{hint}')
        if not math.isnan(weights[places[name]]):
            raise fields.UsageError(f'{where}: a second weight of {name}. Give one.')
        weights[places[name]] = float(row[-1])
    if missing := [name for name, at in places.items() if math.isnan(weights[at])]:
        raise fields.UsageError(
            f'--class_weights={path}: there is no weight of {", ".join(missing[:5])}. Give each of '
            f'the {len(classes)} classes a line CLASS,WEIGHT.'
        )
    if not weights.any():
        raise fields.UsageError(f'--class_weights={path}: all weights are 0.')
    return weights


def _read_rows(path: pathlib.Path) -> list[list[str]]:
    try:
        return list(csv.reader(io.StringIO(path.read_text(encoding='utf-8-sig'))))
    except (OSError, UnicodeError, csv.Error) as error:
        raise fields.UsageError(
            f'--class_weights={path}: {errors.describe(error)}. Expected {BALANCED} or a CSV file '
            'of CLASS,WEIGHT.'
        ) from error


def _is_weight(text: str) -> bool:
    try:
        return 0 <= float(text) < math.inf
    except ValueError:
        return False
