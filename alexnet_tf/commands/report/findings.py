"""What the advice about a run is made from: its errors, its curve, and its images."""

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence

from alexnet_tf.commands.report import advice, examples, validation
from alexnet_tf.config import schema
from alexnet_tf.evaluation import error_analysis
from alexnet_tf.runs import predictor, run_directory
from input_pipeline import errors
from input_pipeline.records import manifests


@dataclasses.dataclass(frozen=True)
class Findings:
    """What is known about a run.

    Attributes:
        directory: Of the run.
        analysis: On its validation records, which could be read.
        epochs: Rows of `summary.csv`.
        held_out: The validation images.
        training: The training images with predictions; None if they are not at hand.
    """

    directory: pathlib.Path
    analysis: validation.ValidationAnalysis
    epochs: Sequence[Mapping[str, str]]
    held_out: examples.Examples
    training: examples.Examples | None

    @property
    def names(self) -> tuple[str, ...]:
        """Class names for people, in label order."""
        return self.analysis.trained.names

    @property
    def error(self) -> advice.ErrorRate:
        """The error rate on held-out images."""
        return measure(self.analysis.errors)


def measure(errors_of_split: error_analysis.ErrorAnalysis) -> advice.ErrorRate:
    """Returns the error rate of a split."""
    confusion = errors_of_split.confusion
    return advice.ErrorRate(float(1 - confusion.trace() / confusion.sum()), int(confusion.sum()))


def gather(
    config: schema.Config,
    analysis: validation.ValidationAnalysis,
    epochs: Sequence[Mapping[str, str]],
) -> Findings:
    """Reads the validation images, and predicts the training images, once.

    Args:
        config: Settings of the command.
        analysis: Of the run, with errors.
        epochs: Rows of `summary.csv`.

    Raises:
        DataError: A validation record cannot be read.
    """
    batch_size = max(1, config.evaluation.eval_batch_size // analysis.views)
    held_out = examples.read_examples(analysis.manifest, validation.SPLIT, batch_size=batch_size)
    directory = pathlib.Path(config.run_dir)
    training = _read_training(directory, analysis, batch_size)
    return Findings(directory, analysis, epochs, held_out, training)


def _read_training(
    directory: pathlib.Path, analysis: validation.ValidationAnalysis, batch_size: int
) -> examples.Examples | None:
    """Reads the training images of the network, if the records are those of its training."""
    manifest = analysis.manifest
    is_same = manifest.sha256 == run_directory.read_data(directory)['manifest_sha256']
    if not is_same or not manifest.splits.get(manifests.TRAIN):
        return None
    predict = predictor.build_probability_function([analysis.trained], [1.0], analysis.views)
    try:
        return examples.read_examples(
            manifest, manifests.TRAIN, predict=predict, batch_size=batch_size
        )
    except errors.DataError as error:  # a damaged record
        print(f'report: no predictions for training images: {error}')
        return None
