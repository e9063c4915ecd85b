"""What the held-out records show of a trained network: its answers, its errors, its kernels."""

import dataclasses

import numpy as np

from alexnet_tf.commands.evaluate import scoring
from alexnet_tf.commands.predict import predictor
from alexnet_tf.config import schema
from alexnet_tf.evaluation import error_analysis
from alexnet_tf.plots import kernels as kernels_lib
from alexnet_tf.runs import run as runs
from input_pipeline import errors
from input_pipeline.batches import datasets
from input_pipeline.records import manifests

SPLIT = manifests.VALIDATION
_SAMPLES = 8
_MOST_BYTES = 8e9  # of probabilities that a report keeps without being asked to


@dataclasses.dataclass(frozen=True)
class Examination:
    """Of one run.

    Attributes:
        trained: It.
        manifest: Of the records; None where they are not at hand.
        missing: Why they are not.
        views: Number of views that `found` and `samples` are of.
        found: Where the network errs; None without records.
        samples: As `figures.predictions` draws them.
    """

    trained: runs.Run
    manifest: manifests.Manifest | None = None
    missing: str = ''
    views: int = 1
    found: error_analysis.Analysis | None = None
    samples: tuple = ()

    def kernels(self) -> np.ndarray:
        """The first layer's kernels as one picture, uint8 RGB."""
        columns = kernels_lib.of(self.trained.model, self.trained.recipe.columns)
        return kernels_lib.picture(list(columns.values()))


def of(config: schema.Config) -> Examination:
    """Scores the held-out records, or takes the probabilities that are kept.

    Raises:
        DataError: There is no trained network.
    """
    try:
        manifest = manifests.load(config.data.data_dir)
        network = scoring.Network(config, manifest)
    except errors.DataError as error:
        return Examination(runs.load(config, compiled=True), missing=str(error))
    views = scoring.views_of(config, default=('1',))[0]
    size = 4 * manifest.examples(SPLIT) * len(manifest.classes)
    if size > _MOST_BYTES:
        said = f'the probabilities of {SPLIT} would take {size / 1e9:,.0f} GB.'
        return Examination(network.trained(), missing=said)
    trained = network.trained()
    try:
        kept, _ = network.entered(SPLIT, views)
        samples = tuple(_samples(kept, manifest, trained.names))
    except errors.DataError as error:  # of a damaged record
        return Examination(trained, missing=str(error))
    found = error_analysis.analysed(
        [kept.probabilities], kept.labels, kept.ids, trained.names, [1.0]
    )
    return Examination(trained, manifest, '', views, found, samples)


def _samples(kept, manifest, names):
    """Pictures spread over the split, with what the network says to them."""
    places = np.linspace(0, len(kept.labels) - 1, _SAMPLES).astype(int).tolist()
    places = list(dict.fromkeys(places))
    squares = datasets.squares(manifest.shards(SPLIT), manifest.layout, places)
    for at, square in zip(places, squares, strict=True):
        said = predictor.row(kept.ids[at], kept.probabilities[at], names)
        yield said | {'label': names[kept.labels[at]]}, square
