"""The checkpoints of a training run: when they are saved, and what all workers resume from."""

import dataclasses
import pathlib
import time

from alexnet_tf.config import schema
from alexnet_tf.runs import build, creation, run_directory
from alexnet_tf.training import checkpoint, distribution
from alexnet_tf.training import state as state_lib
from input_pipeline.records import manifests


class Checkpointer:
    """Saves, finds and restores the checkpoints of a run.

    Args:
        config: Settings of the command.
        manifest: Of the training records.
        learner: Whose variables are saved and restored.
        replicas: Of all workers; only the chief saves.
    """

    def __init__(
        self,
        config: schema.Config,
        manifest: manifests.Manifest,
        learner: build.Learner,
        replicas: distribution.SingleReplica,
    ):
        self._config, self._manifest = config, manifest
        self._learner, self._replicas = learner, replicas
        self._directory = pathlib.Path(config.run_dir) / run_directory.CHECKPOINTS
        self._saved_at = time.monotonic()

    @property
    def is_due(self) -> bool:
        """Whether `--checkpoint_secs` have passed since the last checkpoint."""
        return time.monotonic() - self._saved_at > self._config.training.checkpoint_secs

    def find_newest(self) -> pathlib.Path | None:
        """Finds the newest intact checkpoint, the same for all workers; None if there are none.

        Raises:
            DataError: All are corrupt, or the workers were started differently.
        """
        newest = checkpoint.find_newest(self._directory)
        identity = creation.compute_identity(self._config, self._manifest, newest)
        distribution.check_same_everywhere(self._replicas, identity)
        return newest

    def restore(self, path: pathlib.Path) -> state_lib.TrainingState:
        """Restores the variables of a checkpoint, and returns its state."""
        checkpoint.restore(path, self._learner.variables)
        return self._restart_unknown_order(state_lib.TrainingState(**checkpoint.read_state(path)))

    def save(self, state: state_lib.TrainingState, *, ends_epoch: bool = False) -> None:
        """Saves variables and state."""
        if self._replicas.is_chief:
            self._directory.mkdir(exist_ok=True)
            checkpoint.save(
                self._directory,
                self._learner.variables,
                dataclasses.asdict(self._restart_unknown_order(dataclasses.replace(state))),
                ends_epoch=ends_epoch,
                keep_every_epochs=self._config.training.keep_every_epochs,
            )
        self._saved_at = time.monotonic()

    def _restart_unknown_order(self, state: state_lib.TrainingState) -> state_lib.TrainingState:
        if self._config.input.data_service:
            state.restart_epoch()  # its order is random: which examples were read is unknown
        return state
