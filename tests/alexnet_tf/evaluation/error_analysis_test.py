"""Where a network errs, counted by loops."""

import collections

import numpy as np
import pytest

from alexnet_tf.evaluation import ensembles, error_analysis, prediction_cache

CLASSES = ('ant', 'bee', 'cat', 'dog', 'eel', 'fox', 'gnu')
RANDOM = np.random.default_rng(6)
LABELS = RANDOM.integers(0, 6, 400)  # no gnu
POWERS = np.exp(2 * RANDOM.normal(size=(2, 400, 7)))
MEMBERS = (POWERS / POWERS.sum(-1, keepdims=True)).astype(np.float32)
IDS = [f'{at}.jpg' for at in range(400)]
WEIGHTS = (1.0, 3.0)
MEAN = MEMBERS[0].astype(float) * 0.25 + MEMBERS[1].astype(float) * 0.75


@pytest.fixture
def analysis(monkeypatch):
    monkeypatch.setattr(ensembles, '_CHUNK', 64)
    members = [prediction_cache.Predictions(member, LABELS, IDS) for member in MEMBERS]
    return error_analysis.analyse(members, WEIGHTS, CLASSES)


def pairs():
    return [(int(label), int(row.argmax())) for row, label in zip(MEAN, LABELS, strict=True)]


def test_classes_are_ranked_by_their_errors(analysis):
    rows = {row[0]: row[1:] for row in analysis.rank_classes()}
    assert set(rows) == set(CLASSES[:6])
    for at, name in enumerate(CLASSES[:6]):
        predictions = [predicted for label, predicted in pairs() if label == at]
        wrong = collections.Counter(label for label in predictions if label != at)
        top5 = [at not in np.argsort(-MEAN[i])[:5] for i in np.flatnonzero(at == LABELS)]
        examples, top1_error, top5_error, most = rows[name]
        assert examples == len(predictions)
        assert top1_error == pytest.approx(sum(wrong.values()) / len(predictions))
        assert top5_error == pytest.approx(np.mean(top5))
        assert wrong[CLASSES.index(most)] == max(wrong.values())
    errors = [row[2] for row in analysis.rank_classes()]
    assert errors == sorted(errors, reverse=True)


def test_recalls_are_ranked_with_their_counts_the_lowest_first(analysis):
    expected = []
    for at, name in enumerate(CLASSES[:6]):
        predictions = [predicted for label, predicted in pairs() if label == at]
        right = sum(predicted == at for predicted in predictions)
        expected.append((name, len(predictions), right, right / len(predictions)))
    rows = analysis.rank_recalls()
    assert sorted(row[:4] for row in rows) == expected
    assert [row[3] for row in rows] == sorted(recall for *_, recall in expected)
    mean = sum(recall for *_, recall in expected) / 6
    assert analysis.compute_mean_recall() == pytest.approx(mean)


def test_nan_is_wrong_and_has_no_confidence():
    nan = prediction_cache.Predictions(MEMBERS[0][:9] * np.nan, LABELS[:9], IDS[:9])
    analysis = error_analysis.analyse([nan], [1.0], CLASSES)
    assert [mistake.probability for mistake in analysis.rank_mistakes()] == [0] * 9
    assert analysis.compute_mean_recall() == 0
    assert not analysis.confusion.diagonal().any()
    assert analysis.compute_calibration_error() == 0


def test_confused_pairs_are_counted(analysis):
    counts = collections.Counter(pair for pair in pairs() if pair[0] != pair[1])
    rows = analysis.rank_confusions()
    assert {(CLASSES.index(a), CLASSES.index(b)): n for a, b, n, _ in rows} == counts
    assert rows[0][2] == max(counts.values())
    for name, _, number, share in rows:
        assert share == pytest.approx(number / (CLASSES.index(name) == LABELS).sum())


def test_mistakes_are_listed_the_most_confident_first(analysis):
    mistakes = analysis.rank_mistakes()
    wrong = [at for at, (label, predicted) in enumerate(pairs()) if label != predicted]
    assert {mistake.id for mistake in mistakes} == {IDS[at] for at in wrong}
    surest = max(wrong, key=lambda at: MEAN[at].max())
    assert mistakes[0] == (
        IDS[surest],
        CLASSES[LABELS[surest]],
        CLASSES[MEAN[surest].argmax()],
        pytest.approx(MEAN[surest].max()),
        surest,
    )


def test_calibration_compares_confidence_with_the_share_that_is_correct(analysis):
    expected, rows = 0.0, []
    confidence, correct = MEAN.max(1), np.array([a == b for a, b in pairs()])
    for at in range(15):
        inside = (confidence >= at / 15) & (confidence < (at + 1) / 15)
        if inside.any():
            rows.append((inside.sum(), confidence[inside].mean(), correct[inside].mean()))
            expected += inside.mean() * abs(confidence[inside].mean() - correct[inside].mean())
    assert analysis.compute_calibration_error() == pytest.approx(expected)
    np.testing.assert_allclose([row[2:] for row in analysis.compute_calibration()], rows)


def test_a_confidence_of_one_is_in_the_last_bin():
    analysis = error_analysis.ErrorAnalysis(('a', 'b'))
    analysis.add(np.array([[1.0, 0.0]]), np.array([0]), ['x'])
    assert analysis.compute_calibration() == [(pytest.approx(14 / 15), 1.0, 1, 1.0, 1.0)]
    assert analysis.compute_calibration_error() == 0


def test_every_row_of_a_table_has_a_cell_for_each_column(analysis):
    for header, rows in analysis.to_tables().values():
        assert rows
        assert {len(row) for row in rows} == {len(header)}


def test_confused_pairs_are_ranked_by_both_directions(analysis):
    counts = collections.Counter(pairs())
    rows = analysis.rank_confused_pairs()
    for first, second, there, back in rows:
        a, b = CLASSES.index(first), CLASSES.index(second)
        assert a < b
        assert (there, back) == (counts[a, b], counts[b, a])
    totals = [row[2] + row[3] for row in rows]
    assert totals == sorted(totals, reverse=True)
    assert sum(totals) == sum(n for (a, b), n in counts.items() if a != b)


def test_the_calibration_error_of_chance_is_that_of_a_calibrated_network():
    random = np.random.default_rng(6)
    ids, measured = [''] * 400, []
    for _ in range(50):
        confidence = random.uniform(0.5, 1, 400)
        probabilities = np.stack([confidence, 1 - confidence], 1)
        labels = (random.uniform(size=400) > confidence).astype(int)
        analysis = error_analysis.ErrorAnalysis(('a', 'b'))
        analysis.add(probabilities, labels, ids)
        measured.append(analysis.compute_calibration_error())
    chance = analysis.estimate_chance_calibration_error()
    assert chance == pytest.approx(np.mean(measured), rel=0.1)
    assert chance > 0.03
