"""A trained network on the validation records: its errors and some of its predictions."""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from alexnet_tf.commands.evaluate import scoring
from alexnet_tf.config import schema
from alexnet_tf.evaluation import error_analysis, prediction_cache
from alexnet_tf.runs import image_index, loading, predictor, selection
from input_pipeline import errors
from input_pipeline.batches import datasets
from input_pipeline.records import manifests

SPLIT = manifests.VALIDATION
_SAMPLES = 8
_MAX_BYTES = 8e9  # of the probabilities that a report caches


@dataclasses.dataclass(frozen=True)
class ValidationAnalysis:
    """A trained run and, if its validation records can be read, its errors on them.

    Attributes:
        trained: The run.
        manifest: Of the records; None if they were not analysed.
        skipped: Why they were not analysed; '' if they were.
        views: Number of views of an image in `errors` and `samples`.
        predictions: Predictions; None if the records were not analysed.
        errors: Errors of the predictions; None without them.
        samples: (row with file, classes, probabilities and label; square uint8 RGB) each.
    """

    trained: loading.TrainedRun
    manifest: manifests.Manifest | None = None
    skipped: str = ''
    views: int = 1
    predictions: prediction_cache.Predictions | None = None
    errors: error_analysis.ErrorAnalysis | None = None
    samples: tuple = ()


def analyse(config: schema.Config, *, top_k: int = 5) -> ValidationAnalysis:
    """Predicts the validation records, or loads their predictions from the cache.

    Args:
        config: Settings of the command.
        top_k: The number of classes of a sample.

    Raises:
        DataError: There is no trained network.
    """
    try:
        manifest = image_index.load_manifest(config)
        evaluator = scoring.RunEvaluator(config, manifest)
    except errors.DataError as error:
        return ValidationAnalysis(loading.load_run(config, compiled=True), skipped=str(error))
    trained = evaluator.run
    size = 4 * manifest.count_examples(SPLIT) * len(manifest.classes)
    if size > _MAX_BYTES:
        skipped = f'the probabilities of {SPLIT} would take {size / 1e9:,.0f} GB on disk.'
        return ValidationAnalysis(trained, skipped=skipped)
    views = selection.select_views(config, default=('1',))[0]
    try:
        predictions, _ = evaluator.predict_and_record(SPLIT, views, exact=False)
        samples = tuple(_select_samples(predictions, manifest, trained.names, top_k))
    except errors.DataError as error:  # a damaged record
        return ValidationAnalysis(trained, skipped=str(error))
    analysis = error_analysis.analyse([predictions], [1.0], trained.names)
    return ValidationAnalysis(trained, manifest, '', views, predictions, analysis, samples)


def _select_samples(predictions, manifest, names: Sequence[str], top_k: int) -> Iterator[tuple]:
    """Yields the rows and squares of examples that are spread over the split."""
    spread = np.linspace(0, len(predictions.labels) - 1, _SAMPLES).astype(int).tolist()
    positions = list(dict.fromkeys(spread))
    squares = datasets.read_squares(manifest.list_shards(SPLIT), manifest.layout, positions)
    for at, square in zip(positions, squares, strict=True):
        prediction = predictor.ImageOutput(predictions.ids[at], predictions.probabilities[at])
        label = {'label': names[predictions.labels[at]]}
        yield predictor.build_row(prediction, names, top_k) | label, square
