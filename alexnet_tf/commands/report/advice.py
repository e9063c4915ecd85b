"""What the findings about a run mean, in sentences for people who know their images."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from alexnet_tf.evaluation import error_analysis, trends
from alexnet_tf.reports import intervals, tables

_UNFINISHED, _MEMORISED = 0.7, 0.3  # training error, as a share of that of held-out images
_UNSURE = 0.15  # error above which most suspicious labels are right
_MAX_LISTED = 3


class ErrorRate(NamedTuple):
    """An error rate and what it was measured on.

    Attributes:
        error: In [0, 1].
        images: Number of images.
    """

    error: float
    images: int

    @property
    def accuracy(self) -> str:
        """The accuracy in percent."""
        return tables.format_accuracy(self.error)


def compare_errors(training: ErrorRate, held_out: ErrorRate) -> str:
    """Says whether more minutes or more images would help.

    Args:
        training: Error rate on training images, preprocessed like held-out ones.
        held_out: Error rate on held-out images.
    """
    measured = (
        f'The network recognises {training.accuracy} of the images that it learnt from and '
        f'{held_out.accuracy} of {held_out.images:,} held-out images. '
    )
    if not held_out.error:
        return measured + 'Only more held-out images could show what is left to gain.'
    # At both ends of the interval of the held-out error.
    ends = intervals.compute_wilson_interval(held_out.error, held_out.images)
    texts = {_advise(training.error / end) for end in ends}
    too_few = 'These are too few to tell whether longer training or more images would help more.'
    return measured + (texts.pop() if len(texts) == 1 else too_few)


def _advise(share: float) -> str:
    """Says what helps, by the training error as a share of that of held-out images."""
    if share >= _UNFINISHED:
        return (
            'It has not finished learning: longer training (--minutes or --epochs, with another '
            '--run_dir) should help most, then a wider network (--width); more images of the same '
            'kind should help less.'
        )
    if share <= _MEMORISED:
        return (
            'It has nearly memorised its images: more images should help most, longer training '
            'less.'
        )
    return 'More images should help, and longer training (--minutes or --epochs) as well.'


def describe_extrapolation(predicted: trends.Interval | None, *, decayed: bool) -> tuple[str, str]:
    """Says which accuracy twice the epochs might reach; and why that is doubtful.

    Args:
        predicted: From `trends.extrapolate_error`.
        decayed: Whether the learning rate has fallen.
    """
    if predicted is None:
        return 'After so few epochs, the curve cannot tell what more of them would bring.', ''
    accuracies = [tables.format_accuracy(error) for error in predicted[::-1]]
    low, middle, high = (text.removesuffix(' %') for text in accuracies)
    text = (
        f'Twice the epochs would give an accuracy of about {middle} % ({low} to {high} by the '
        'number of images alone) if the error kept falling as in this run.'
    )
    if not decayed:
        return text, ''
    doubt = (
        'The learning rate fell during the run, which alone makes the error fall towards the end.'
    )
    return f'{text} That is rough: three estimates were off by -3.6, 0.0 and +5.3 points.', doubt


def list_weak_classes(ranked: error_analysis.Rows, held_out: ErrorRate) -> error_analysis.Rows:
    """Lists those rows of `ErrorAnalysis.rank_classes` that are surely worse than the mean.

    With many classes, some are worse by chance, so all intervals must hold together.
    """

    def is_weak(images: int, error: float) -> bool:
        interval = intervals.compute_wilson_interval(1 - error, images, comparisons=len(ranked))
        return error > held_out.error and interval[1] < 1 - held_out.error

    return [row for row in ranked if is_weak(row[1], row[2])]


def describe_weak_classes(weak: error_analysis.Rows, counts: Mapping[str, int]) -> str:
    """Says which classes need more images first.

    Args:
        weak: From `list_weak_classes`.
        counts: Training images by class; those of missing classes are left out.
    """
    parts = []
    for name, images, error, *_ in weak[:_MAX_LISTED]:
        learnt = f', learnt from {counts[name]:,}' if name in counts else ''
        accuracy = tables.format_accuracy(error)
        parts.append(f'{name} ({accuracy} of {images:,} recognised{learnt})')
    return f'Recognised less well than the rest: {_join(parts)}. Add images of these classes first.'


def describe_confusions(pairs: error_analysis.Rows, sizes: Mapping[str, int]) -> tuple[str, str]:
    """Says which classes are confused most, and what to do; and how often each way.

    Args:
        pairs: From `ErrorAnalysis.rank_confused_pairs`.
        sizes: Held-out images by class.
    """
    most, ways = [], []
    for first, second, there, back in pairs[:_MAX_LISTED]:
        images = sizes.get(first, 0) + sizes.get(second, 0)
        most.append(f'{first} with {second} (in {there + back:,} of {images:,} images)')
        ways.append(f'{there:,} {first} as {second}, {back:,} {second} as {first}')
    text = (
        f'It most often confuses {_join(most)}. If people can tell them apart, add images that '
        'show the difference; if not, merge the classes.'
    )
    return text, f'Predicted: {"; ".join(ways)}.'


def describe_label_errors(suspects: int, training: int, held_out: ErrorRate) -> str:
    """Says how many labels to check, and how far to trust that.

    Args:
        suspects: Held-out images with a suspicious label.
        training: Training images with one.
        held_out: The error rate on held-out images.
    """
    reason = 'most of them are' if held_out.error > _UNSURE else 'some of them are'
    texts = []
    if suspects:
        texts.append(
            f'Check the labels of {suspects:,} of {held_out.images:,} held-out images: the network '
            'is sure of another class. Since its overall error is '
            f'{tables.format_percent(held_out.error)}, {reason} its own mistakes; start with the '
            'first, the most suspicious.'
        )
    if training:
        texts.append(
            f'{"It" if suspects else "The network"} doubts {training:,} training labels'
            f'{", too" if suspects else ""}, although it learnt from them; it may have memorised '
            'other wrong labels.'
        )
    return ' '.join(texts)


def describe_copies(counts: Mapping[str, int]) -> str:
    """Says how many images are exact copies; '' if none is.

    Args:
        counts: Number of images by what they are copies of, in words.
    """
    if not counts:
        return ''
    copies = _join([f'{number:,} {kind}' for kind, number in counts.items()])
    return f'Exact copies among all prepared images: {copies}.'


def describe_near_duplicates(
    held_out: ErrorRate, *, images: int, leaked: int, differing: int, without: ErrorRate | None
) -> str:
    """Says how many images occur nearly twice, and what that means.

    Args:
        held_out: The error rate on held-out images, and how many of them were compared.
        images: Held-out images that look nearly like another image.
        leaked: Those of them whose other image is a training image.
        differing: Those of them whose other image has another label.
        without: The error rate without the leaked ones, if it is known.
    """
    look = 'looks' if images == 1 else 'look'
    parts = [f'{images:,} of {held_out.images:,} held-out images {look} nearly like another image.']
    if leaked:
        rest = f': without them it is {without.accuracy}' if without else ''
        parts.append(
            f'{leaked:,} like a training image, which may make the accuracy of '
            f'{held_out.accuracy} look too good{rest}.'
        )
    if differing:
        parts.append(f'{differing:,} with another label than the other image: check both labels.')
    return ' '.join(parts)


def _join(parts: Sequence[str]) -> str:
    return ' and '.join(filter(None, [', '.join(parts[:-1]), parts[-1]]))
