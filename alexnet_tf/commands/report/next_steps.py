"""Finds out what to do next: about minutes, images, classes, labels and copies."""

from collections.abc import Sequence

import numpy as np

from alexnet_tf.commands.report import advice, examples, step, validation
from alexnet_tf.commands.report import findings as findings_lib
from alexnet_tf.evaluation import error_analysis, label_errors, near_duplicates, trends
from alexnet_tf.reports import tables
from input_pipeline.prepare import outcomes
from input_pipeline.records import manifests

LABEL_ERRORS, NEAR_DUPLICATES = 'errors/label_errors.csv', 'errors/near_duplicates.csv'
_LABEL_ERRORS_HEADER = ('split', 'example', 'class', 'probably', 'probability')
_NEAR_DUPLICATES_HEADER = ('example', 'class', 'other', 'class_of_other', 'correlation')
_MAX_SHOWN = 12  # images of a step

Findings, ErrorRate, Step = findings_lib.Findings, advice.ErrorRate, step.Step


def collect(findings: Findings) -> list[Step]:
    """Collects the steps that the findings ask for; writes the lists of images as CSV."""
    steps = (
        compare_minutes_and_images(findings),
        find_weak_classes(findings),
        find_confusions(findings),
        find_label_errors(findings),
        find_duplicates(findings),
    )
    return list(filter(None, steps))


def compare_minutes_and_images(findings: Findings) -> Step | None:
    """Finds out whether more minutes or more images would help; None without training."""
    if not findings.epochs:
        return None
    steps, curve, learning_rates = (
        np.array([float(epoch[name]) for epoch in findings.epochs])
        for name in ('step', 'validation_top1_error', 'learning_rate')
    )
    error, decayed = findings.error, bool((learning_rates[-1:] < learning_rates).any())
    predicted = trends.extrapolate_error(steps, curve, now=error.error, images=error.images)
    extrapolation, doubt = advice.describe_extrapolation(predicted, decayed=decayed)
    if not findings.training:
        return Step('More minutes', extrapolation, doubt)
    training = error_analysis.analyse([findings.training.predictions], [1.0], findings.names)
    comparison = advice.compare_errors(findings_lib.measure(training), error)
    detail = f'{doubt} One run cannot show how much more images would help.'.lstrip()
    return Step('More minutes or more images', f'{comparison} {extrapolation}', detail)


def find_weak_classes(findings: Findings) -> Step | None:
    """Finds the classes that need images first."""
    weak = advice.list_weak_classes(findings.analysis.errors.rank_classes(), findings.error)
    if not weak:
        return None
    return Step('Classes', advice.describe_weak_classes(weak, _count_training_images(findings)))


def _count_training_images(findings: Findings) -> dict[str, int]:
    """Counts the training images by class; {} if not all were read."""
    training, names = findings.training, findings.names
    if not training or not training.is_complete:
        return {}
    counts = np.bincount(training.predictions.labels, minlength=len(names))
    return dict(zip(names, counts.tolist(), strict=True))


def find_confusions(findings: Findings) -> Step | None:
    """Finds the classes that are confused most, and more than once; shows the first pair's."""
    errors = findings.analysis.errors
    pairs = [pair for pair in errors.rank_confused_pairs() if sum(pair[2:]) > 1]
    if not pairs:
        return None
    sizes = {name: images for name, images, *_ in errors.rank_classes()}
    mistakes = [
        mistake
        for mistake in errors.rank_mistakes()
        if {mistake.label, mistake.predicted} == set(pairs[0][:2])
    ]
    texts = advice.describe_confusions(pairs, sizes)
    return Step('Confused classes', *texts, _show_mistakes(findings, mistakes))


def find_label_errors(findings: Findings) -> Step | None:
    """Finds labels to check, and lists them in a file."""
    predictions = {validation.SPLIT: findings.analysis.predictions}
    if findings.training:
        predictions[manifests.TRAIN] = findings.training.predictions
    suspects = {
        split: label_errors.find_label_errors(predictions[split], findings.names)
        for split in predictions
    }
    rows = [(split, *suspect[:-1]) for split in suspects for suspect in suspects[split]]
    path = findings.directory / LABEL_ERRORS
    tables.write_csv(path, _LABEL_ERRORS_HEADER, rows)
    if not rows:
        return None
    held_out, training = suspects[validation.SPLIT], suspects.get(manifests.TRAIN, ())
    text = advice.describe_label_errors(len(held_out), len(training), findings.error)
    detail = f'{path} lists them, the most suspicious first.'
    if (looked_at := findings.training) and not looked_at.is_complete:
        seen = len(looked_at.predictions.ids)
        detail += f' {seen:,} of {looked_at.total:,} training images were looked at.'
    return Step('Labels to check', text, detail, _show_mistakes(findings, held_out))


def _show_mistakes(findings: Findings, mistakes: Sequence[error_analysis.Mistake]):
    """Encodes the images of the first mistakes in the validation records."""
    manifest, shown = findings.analysis.manifest, mistakes[:_MAX_SHOWN]
    positions = [mistake.position for mistake in shown]
    shards = manifest.list_shards(validation.SPLIT)
    thumbnails = examples.read_thumbnails(shards, manifest.layout, positions)
    captions = [
        f'{mistake.id}\nlabel: {mistake.label}\n'
        f'network: {mistake.predicted}, {tables.format_percent(mistake.probability)}'
        for mistake in shown
    ]
    return list(zip(map(examples.encode, thumbnails), captions, strict=True))


def find_duplicates(findings: Findings) -> Step | None:
    """Finds held-out images that look nearly like another image; lists them in a file."""
    sets = [part for part in (findings.held_out, findings.training) if part]
    number = len(findings.held_out.edges)
    edges = np.concatenate([part.edges for part in sets])
    pairs = near_duplicates.find_near_duplicates(edges, number)
    images = [
        (name, findings.names[label])
        for part in sets
        for name, label in zip(part.predictions.ids, part.predictions.labels, strict=True)
    ]
    rows = [(*images[pair.first], *images[pair.second], pair.correlation) for pair in pairs]
    path = findings.directory / NEAR_DUPLICATES
    tables.write_csv(path, _NEAR_DUPLICATES_HEADER, rows)
    leaked = [pair.first for pair in pairs if pair.second >= number]
    texts = [advice.describe_copies(_count_copies(findings))]
    if pairs:
        near = advice.describe_near_duplicates(
            ErrorRate(findings.error.error, number),
            images=_count_held_out(pairs, number),
            leaked=len(leaked),
            differing=_count_held_out(
                [pair for pair, row in zip(pairs, rows, strict=True) if row[1] != row[3]], number
            ),
            without=_measure_without(findings, leaked),
        )
        texts.append(near)
    compared = ' and '.join(f'{len(part.edges):,} of {part.total:,}' for part in sets)
    kinds = 'held-out and training' if findings.training else 'held-out'
    detail = f'{path} lists pairs; {compared} {kinds} images were compared.'
    text = ' '.join(filter(None, texts))
    return Step('Duplicates', text, detail, _show_pairs(findings, pairs, rows)) if text else None


def _count_held_out(pairs: Sequence[near_duplicates.NearDuplicate], number: int) -> int:
    """Counts the held-out images in some pairs: the images with an index below `number`."""
    images = {image for pair in pairs for image in (pair.first, pair.second)}
    return sum(image < number for image in images)


def _count_copies(findings: Findings) -> dict[str, int]:
    """Counts the exact copies that prepare found, by what they are copies of."""
    outcome = outcomes.read(findings.analysis.manifest.directory)
    kinds = outcome.files.items() if outcome else ()
    return {
        kind.removeprefix(outcomes.COPIED): number
        for kind, (number, _) in kinds
        if kind.startswith(outcomes.COPIED)
    }


def _measure_without(findings: Findings, leaked: Sequence[int]) -> ErrorRate | None:
    """Measures the error on held-out images without some; None if not all were read."""
    probabilities, labels, _ = findings.analysis.predictions
    keep = np.setdiff1d(np.arange(len(labels)), leaked)
    if not findings.held_out.is_complete or not len(keep):
        return None
    is_wrong = np.argmax(probabilities, 1) != labels
    return ErrorRate(float(is_wrong[keep].mean()), len(keep))


def _show_pairs(findings: Findings, pairs, rows):
    """Encodes pairs, one image above the other; those with different labels come first."""
    order = sorted(range(len(pairs)), key=lambda at: (rows[at][1] == rows[at][3], at))[:_MAX_SHOWN]
    sets = [part for part in (findings.held_out, findings.training) if part]
    shards = [shard for part in sets for shard in part.shards]
    layout = findings.held_out.layout
    first, second = (
        examples.read_thumbnails(shards, layout, [pairs[at][side] for at in order])
        for side in (0, 1)
    )
    captions = ['{} ({})\n{} ({})'.format(*rows[at]) for at in order]
    images = (examples.encode(np.concatenate(both)) for both in zip(first, second, strict=True))
    return list(zip(images, captions, strict=True))
