"""Where a network errs: by class, by pair of classes, by confidence."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from alexnet_tf.evaluation import ensembles, metrics, prediction_cache

_BINS = 15  # as in most published calibration errors
_HEADERS = {
    'by_class': ('class', 'examples', 'top1_error', 'top5_error', 'most_often_taken_for'),
    'confused': ('class', 'taken_for', 'examples', 'share'),
    'mistakes': ('example', 'class', 'taken_for', 'probability'),
    'calibration': ('from', 'to', 'examples', 'confidence', 'right'),
}

Rows = list[tuple]


class Mistake(NamedTuple):
    """An example whose most probable class is wrong.

    Attributes:
        id: The example's name.
        label: The name of its class.
        predicted: The name of the predicted class.
        probability: Probability of the predicted class.
        position: The example's position in its split.
    """

    id: str
    label: str
    predicted: str
    probability: float
    position: int


class ErrorAnalysis:
    """Counts the errors of a network, or of an ensemble, on a split.

    Args:
        classes: Names in label order.

    Attributes:
        confusion: (classes, classes) int32: rows are labels, columns are predictions.
    """

    def __init__(self, classes: Sequence[str]):
        number = len(classes)
        self._classes = classes
        self.confusion = np.zeros((number, number), np.int32)
        self._errors = np.zeros((2, number))  # sums of top-1 and top-5 errors by class
        # Examples, sums of confidence, correct ones, sums of the variance of being correct.
        self._bins = np.zeros((4, _BINS))
        self._mistakes: list[Mistake] = []
        self._examples = 0

    def add(self, probabilities: np.ndarray, labels: np.ndarray, ids: Sequence[str]) -> None:
        """Counts the next examples of the split.

        Args:
            probabilities: (examples, classes). NaN counts as a wrong prediction, of the class after
                the label, with confidence 0.
            labels: (examples,) int.
            ids: Names of the examples.
        """
        is_nan = np.isnan(probabilities).any(1)
        predicted = np.where(is_nan, (labels + 1) % len(self._classes), probabilities.argmax(1))
        confidence = np.nan_to_num(probabilities.max(1).astype(float))
        np.add.at(self.confusion, (labels, predicted), 1)
        errors = metrics.compute_top_k_errors(labels, probabilities)
        np.add.at(self._errors, (slice(None), labels), errors)
        bins = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
        variance = confidence * (1 - confidence)
        counts = np.ones_like(confidence), confidence, predicted == labels, variance
        np.add.at(self._bins, (slice(None), bins), counts)
        for at in np.flatnonzero(predicted != labels).tolist():
            names = self._classes[labels[at]], self._classes[predicted[at]]
            mistake = Mistake(ids[at], *names, float(confidence[at]), self._examples + at)
            self._mistakes.append(mistake)
        self._examples += len(labels)

    def rank_classes(self) -> Rows:
        """Lists (class, examples, top-1 error, top-5 error, most frequent wrong prediction).

        The class with the highest top-1 error comes first; classes without examples are left out.
        """
        examples = self.confusion.sum(1)
        rows = [
            (
                name,
                int(examples[at]),
                *(self._errors[:, at] / examples[at]).tolist(),
                self._find_commonest_mistake(at),
            )
            for at, name in enumerate(self._classes)
            if examples[at]
        ]
        return sorted(rows, key=lambda row: (-row[2], row[0]))

    def rank_recalls(self) -> Rows:
        """Lists (class, examples, correct ones, recall, most frequent wrong prediction).

        Recall is the share of a class's examples that are predicted as that class. The class with
        the lowest recall comes first; classes without examples are left out.
        """
        examples, recognised = self.confusion.sum(1).tolist(), self.confusion.diagonal().tolist()
        rows = [
            (name, number, right, right / number, self._find_commonest_mistake(at))
            for at, (name, number, right) in enumerate(
                zip(self._classes, examples, recognised, strict=True)
            )
            if number
        ]
        return sorted(rows, key=lambda row: (row[3], row[0]))

    def compute_mean_recall(self) -> float:
        """Computes the mean recall over the classes with examples, the balanced accuracy."""
        return float(np.mean([recall for _, _, _, recall, _ in self.rank_recalls()]))

    def _find_commonest_mistake(self, label: int) -> str:
        wrong = self.confusion[label].copy()
        wrong[label] = 0
        return self._classes[wrong.argmax()] if wrong.any() else ''

    def rank_confusions(self) -> Rows:
        """Lists (class, predicted class, examples, share of the class), most examples first."""
        examples = self.confusion.sum(1)
        rows = []
        for label, predicted in np.argwhere(self.confusion).tolist():
            if label != predicted:
                name, count = self._classes[label], self.confusion[label, predicted]
                share = float(count / examples[label])
                rows.append((name, self._classes[predicted], int(count), share))
        return sorted(rows, key=lambda row: (-row[2], row[:2]))

    def rank_confused_pairs(self) -> Rows:
        """Lists (class, other class, how often it was taken for the other, and the reverse).

        The pair that was confused most often, in both directions together, comes first.
        """
        cells = np.argwhere(self.confusion)  # few, where there are many classes
        pairs = {(min(cell), max(cell)) for cell in cells.tolist() if cell[0] != cell[1]}
        counts = {(a, b): tuple(map(int, self.confusion[[a, b], [b, a]])) for a, b in pairs}
        ranked = sorted(pairs, key=lambda pair: (-sum(counts[pair]), pair))
        return [(self._classes[a], self._classes[b], *counts[a, b]) for a, b in ranked]

    def rank_mistakes(self) -> list[Mistake]:
        """Lists the mistakes, the most confident first."""
        return sorted(self._mistakes, key=lambda mistake: (-mistake.probability, mistake.id))

    def compute_calibration(self) -> Rows:
        """Lists (from, to, examples, mean confidence, share correct) of each bin with examples."""
        edges = np.linspace(0, 1, _BINS + 1).tolist()
        return [
            (edges[at], edges[at + 1], int(examples), confidence / examples, correct / examples)
            for at, (examples, confidence, correct, _) in enumerate(self._bins.T.tolist())
            if examples
        ]

    def compute_calibration_error(self) -> float:
        """Computes the expected calibration error (Guo et al. 2017): 15 bins of equal width."""
        examples, confidence, correct, _ = self._bins
        return float(np.abs(confidence - correct).sum() / examples.sum())

    def estimate_chance_calibration_error(self) -> float:
        """Estimates the calibration error that a perfectly calibrated network would show.

        In each bin, the number of correct predictions varies by chance, about normally: few
        examples give a large error, whatever the network.
        """
        examples, _, _, variance = self._bins
        return float(np.sqrt(2 / np.pi * variance).sum() / examples.sum())

    def to_tables(self) -> dict[str, tuple[tuple[str, ...], Rows]]:
        """Returns (header, rows) of every table, by the name that its file name contains."""
        mistakes = [mistake[:-1] for mistake in self.rank_mistakes()]
        tables = self.rank_classes(), self.rank_confusions(), mistakes, self.compute_calibration()
        pairs = zip(_HEADERS.values(), tables, strict=True)
        return dict(zip(_HEADERS, pairs, strict=True))


def analyse(
    members: Sequence[prediction_cache.Predictions],
    weights: Sequence[float],
    classes: Sequence[str],
) -> ErrorAnalysis:
    """Analyses the errors of the weighted mean of some networks' probabilities.

    Args:
        members: Predictions of each network for the same examples.
        weights: One for each member. Only their proportions count.
        classes: Names in label order.
    """
    analysis = ErrorAnalysis(classes)
    for rows, mean in ensembles.average(members, weights):
        analysis.add(mean, members[0].labels[rows], members[0].ids[rows])
    return analysis
