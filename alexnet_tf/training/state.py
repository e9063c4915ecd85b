"""The state of a training run besides its variables."""

import dataclasses
import math

import numpy as np

from alexnet_tf.models import outputs


def _zero_sums() -> list[float]:
    return [0.0] * len(outputs.METRICS)


@dataclasses.dataclass
class TrainingState:
    """How far a run has come; with the variables, all that a checkpoint needs.

    Attributes:
        step: Steps done.
        repeated_steps: Steps of epochs that were restarted, since their order was not fixed.
        epoch: Epochs done.
        examples: Examples of the current epoch that were read.
        counted: How many of them were trained on.
        unreadable: How many of them could not be read.
        sums: Sums of METRICS over the examples counted.
        validation_errors: Top-1 error in [0, 1] after each epoch; NaN after one without validation.
        initial_error: The same before the first step; None if it was not measured.
        train_error: Top-1 error of the last epoch; None in the first one.
        overflows: Steps skipped because their gradients overflowed float16.
        passed_over: The batches to skip, since they gave a non-finite loss or gradient, each as the
            [epoch, examples] where it starts.
    """

    step: int = 0
    repeated_steps: int = 0
    epoch: int = 0
    examples: int = 0
    counted: int = 0
    unreadable: int = 0
    sums: list[float] = dataclasses.field(default_factory=_zero_sums)
    validation_errors: list[float] = dataclasses.field(default_factory=list)
    initial_error: float | None = None
    train_error: float | None = None
    overflows: int = 0
    passed_over: list[list[int]] = dataclasses.field(default_factory=list)

    @property
    def planned_step(self) -> int:
        """Steps done, without repeated ones; the schedule counts these."""
        return self.step - self.repeated_steps

    @property
    def position(self) -> tuple[int, int]:
        """Where the next batch starts: (epoch, examples)."""
        return self.epoch, self.examples

    @property
    def is_passed_over(self) -> bool:
        """Whether the next batch is one to skip."""
        return [self.epoch, self.examples] in self.passed_over

    @property
    def validation_error(self) -> float:
        """The newest top-1 error in validation; NaN before the first one."""
        errors = [error for error in self.validation_errors if not math.isnan(error)]
        return errors[-1] if errors else math.nan

    @property
    def is_validated(self) -> bool:
        """Whether the run is at an epoch's end, or at the start, with a known validation error."""
        first = [] if self.initial_error is None else [self.initial_error]
        return not self.examples and not math.isnan([math.nan, *first, *self.validation_errors][-1])

    @property
    def worse_validations(self) -> int:
        """Validations since the one with the lowest error."""
        errors = [error for error in self.validation_errors if not math.isnan(error)]
        if self.initial_error is not None:
            errors.insert(0, self.initial_error)
        return len(errors) - 1 - errors.index(min(errors)) if errors else 0

    def add_metrics(self, means: np.ndarray, count: int) -> None:
        """Adds METRICS of a batch of `count` examples, given their means, (3,)."""
        self.sums = (np.array(self.sums) + count * np.array(means, float)).tolist()
        self.counted += count

    def restart_epoch(self) -> None:
        """Forgets what was counted in the current epoch."""
        self.examples = self.counted = self.unreadable = 0
        self.sums = _zero_sums()

    def end_epoch(self, train_error: float, validation_error: float) -> None:
        """Counts an epoch, and keeps its top-1 errors."""
        self.epoch += 1
        self.train_error = train_error
        self.validation_errors.append(validation_error)
        self.restart_epoch()

    def compute_means(self) -> dict[str, float]:
        """Computes METRICS of the current epoch so far; NaN if no example was counted."""
        count = self.counted or math.nan
        return {name: total / count for name, total in zip(outputs.METRICS, self.sums, strict=True)}
