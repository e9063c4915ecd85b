"""Where a network errs: by class, by pair of classes, by how sure it is."""

from collections.abc import Sequence

import numpy as np

from alexnet_tf.evaluation import metrics

_BINS = 15  # as most published calibration errors have

Rows = list[tuple]


class Analysis:
    """Counts of one network's, or an ensemble's, answers to a split.

    Args:
        classes: Names in label order.
    """

    def __init__(self, classes: Sequence[str]):
        number = len(classes)
        self._classes = classes
        self._confusion = np.zeros((number, number), np.int64)
        self._errors = np.zeros((2, number))
        self._bins = np.zeros((3, _BINS))  # examples, sums of confidence, right ones
        self._mistakes: Rows = []
        self._seen = 0

    def add(self, probabilities: np.ndarray, labels: np.ndarray, ids: Sequence[str]) -> None:
        """Counts some examples; `probabilities` is (examples, classes)."""
        predicted = probabilities.argmax(1)
        sure = np.nan_to_num(probabilities.max(1).astype(float))  # of what is no number, 0
        np.add.at(self._confusion, (labels, predicted), 1)
        for sums, each in zip(self._errors, metrics.errors(probabilities, labels), strict=True):
            np.add.at(sums, labels, each)
        bins = np.minimum((sure * _BINS).astype(int), _BINS - 1)
        right = (predicted == labels).astype(float)
        for sums, each in zip(self._bins, (np.ones_like(sure), sure, right), strict=True):
            np.add.at(sums, bins, each)
        for at in np.flatnonzero(predicted != labels):
            names = self._classes[labels[at]], self._classes[predicted[at]]
            self._mistakes.append((ids[at], *names, float(sure[at]), self._seen + int(at)))
        self._seen += len(labels)

    def by_class(self) -> Rows:
        """(class, examples, top1_error, top5_error, most often taken for), worst first."""
        wrong = self._confusion.copy()
        np.fill_diagonal(wrong, 0)
        number = self._confusion.sum(1)
        rows = [
            (
                name,
                int(number[at]),
                *(self._errors[:, at] / number[at]).tolist(),
                self._classes[wrong[at].argmax()] if wrong[at].any() else '',
            )
            for at, name in enumerate(self._classes)
            if number[at]
        ]
        return sorted(rows, key=lambda row: (-row[2], row[0]))

    def confused(self) -> Rows:
        """(class, taken for, examples, share of the class), the most often confused first."""
        number = self._confusion.sum(1)
        rows = [
            (
                self._classes[true],
                self._classes[taken],
                int(self._confusion[true, taken]),
                float(self._confusion[true, taken] / number[true]),
            )
            for true, taken in zip(*np.nonzero(self._confusion), strict=True)
            if true != taken
        ]
        return sorted(rows, key=lambda row: (-row[2], row[:2]))

    def mistakes(self) -> Rows:
        """(example, class, taken for, probability), the most confident first."""
        return [row[:-1] for row in self._sorted_mistakes()]

    def places_of_mistakes(self, number: int) -> list[int]:
        """The first mistakes' places among all examples."""
        return [row[-1] for row in self._sorted_mistakes()[:number]]

    def _sorted_mistakes(self) -> Rows:
        return sorted(self._mistakes, key=lambda row: (-row[3], row[0]))

    def confusion(self) -> np.ndarray:
        """(classes, classes) int64: how many of a row's class were taken for a column's."""
        return self._confusion

    def calibration(self) -> Rows:
        """(from, to, examples, mean confidence, share that was right) of each bin that has any."""
        edges = np.linspace(0, 1, _BINS + 1).tolist()
        return [
            (edges[at], edges[at + 1], int(number), sure / number, right / number)
            for at, (number, sure, right) in enumerate(self._bins.T.tolist())
            if number
        ]

    def calibration_error(self) -> float:
        """The expected calibration error (Guo et al. 2017), over 15 bins of equal width."""
        number, sure, right = self._bins
        return float(np.abs(sure - right).sum() / number.sum())


TABLES = {
    'by_class': ('class', 'examples', 'top1_error', 'top5_error', 'most_often_taken_for'),
    'confused': ('class', 'taken_for', 'examples', 'share'),
    'mistakes': ('example', 'class', 'taken_for', 'probability'),
    'calibration': ('from', 'to', 'examples', 'confidence', 'right'),
}


def analysed(
    members: Sequence[np.ndarray],
    labels: np.ndarray,
    ids: Sequence[str],
    classes: Sequence[str],
    weights: Sequence[float],
) -> Analysis:
    """The analysis of the weighted mean of some networks' probabilities; see `scores.score`."""
    found = Analysis(classes)
    for rows, mean in metrics.means(members, weights):
        found.add(mean, labels[rows], ids[rows])
    return found
