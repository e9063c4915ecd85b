"""The file that describes a step whose loss or gradient is not finite."""

import dataclasses
import json
import pathlib
from collections.abc import Mapping, Sequence

from alexnet_tf.config import schema
from alexnet_tf.runs import training_data
from alexnet_tf.training import state as state_lib
from input_pipeline import files
from input_pipeline.batches import datasets
from input_pipeline.records import checking

_FILE = 'nonfinite.json'


def locate(config: schema.Config) -> pathlib.Path:
    """Returns the path of the file in the run directory."""
    return pathlib.Path(config.run_dir) / _FILE


def write(
    config: schema.Config,
    stream: datasets.TrainingDataset,
    state: state_lib.TrainingState,
    learning_rate: float,
    loss: float,
    norms: Mapping[str, float],
    *,
    batch_size: int,
) -> None:
    """Writes where training was, values of the step, and the examples of its batch."""
    content = {
        'step': state.step,
        'epoch': state.epoch,
        'learning_rate': learning_rate,
        'loss': str(loss),
        'norms': {name: str(norm) for name, norm in norms.items()},
        'examples': _name_examples(config, stream, state, batch_size),
    }
    files.write_atomically(locate(config), json.dumps(content, indent=2).encode())


def _name_examples(
    config: schema.Config,
    stream: datasets.TrainingDataset,
    state: state_lib.TrainingState,
    number: int,
) -> Sequence[str] | None:
    """Names the examples of the next batch; None if a data service decides their order."""
    if not training_data.is_order_fixed(config):
        return None
    whole = dataclasses.replace(stream, share=(0, 1), in_place=False)
    chunks = whole.read_chunks(start=state.position, epochs=state.epoch + 1)
    return checking.locate_examples(whole.shards, chunks, number)
