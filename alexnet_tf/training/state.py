"""Where a run stands, beside its variables."""

import dataclasses
import math

from alexnet_tf.models import outputs


def _nothing() -> list[float]:
    return [0.0] * len(outputs.METRICS)


@dataclasses.dataclass
class State:
    """Where a run stands; with the variables, all that a checkpoint needs.

    Attributes:
        step: Steps done.
        epoch: Epochs done.
        examples: Examples of the epoch under way that have gone by.
        counted: How many of those were learned from.
        unreadable: How many could not be read.
        sums: Of METRICS over those counted.
        validation_errors: Top-1, after each epoch.
        train_error: Top-1, of the last epoch; None before its end.
        overflows: Steps left out because float16 was too narrow for their gradients.
        passed_over: [epoch, examples] where batches begin whose loss was no number.
    """

    step: int = 0
    epoch: int = 0
    examples: int = 0
    counted: int = 0
    unreadable: int = 0
    sums: list[float] = dataclasses.field(default_factory=_nothing)
    validation_errors: list[float] = dataclasses.field(default_factory=list)
    train_error: float | None = None
    overflows: int = 0
    passed_over: list[list[int]] = dataclasses.field(default_factory=list)

    def begin_epoch(self) -> None:
        """Forgets what was counted of the epoch under way."""
        self.examples = self.counted = self.unreadable = 0
        self.sums = _nothing()

    def end_epoch(self, train_error: float, validation_error: float) -> None:
        """Counts an epoch and keeps its top-1 errors."""
        self.epoch += 1
        self.train_error = train_error
        self.validation_errors.append(validation_error)
        self.begin_epoch()

    def means(self) -> dict[str, float]:
        """METRICS of the epoch so far; no numbers where nothing was learned from."""
        number = self.counted or math.nan
        pairs = zip(outputs.METRICS, self.sums, strict=True)
        return {name: total / number for name, total in pairs}
