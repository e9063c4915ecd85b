"""Where a run stands, beside its variables."""

import dataclasses

from alexnet_tf.training import step as steps


@dataclasses.dataclass
class State:
    """Where a run stands; with the variables, all that a checkpoint needs.

    Attributes:
        step: Updates done.
        epoch: Epochs done.
        examples: Examples seen of the epoch under way.
        unreadable: How many of those could not be read.
        sums: Of METRICS over the others.
        validation_errors: Top-1, after each epoch.
    """

    step: int = 0
    epoch: int = 0
    examples: int = 0
    unreadable: int = 0
    sums: list[float] = dataclasses.field(default_factory=lambda: [0.0] * len(steps.METRICS))
    validation_errors: list[float] = dataclasses.field(default_factory=list)
