"""Where a network errs, counted by loops."""

import collections

import numpy as np
import pytest

from alexnet_tf.evaluation import error_analysis, metrics

CLASSES = ('ant', 'bee', 'cat', 'dog', 'eel', 'fox', 'gnu')
RANDOM = np.random.default_rng(6)
LABELS = RANDOM.integers(0, 6, 400)  # no gnu
POWERS = np.exp(2 * RANDOM.normal(size=(2, 400, 7)))
MEMBERS = (POWERS / POWERS.sum(-1, keepdims=True)).astype(np.float32)
IDS = [f'{at}.jpg' for at in range(400)]
WEIGHTS = (1.0, 3.0)
MEAN = MEMBERS[0].astype(float) * 0.25 + MEMBERS[1].astype(float) * 0.75


@pytest.fixture
def found(monkeypatch):
    monkeypatch.setattr(metrics, '_CHUNK', 64)
    return error_analysis.analysed(MEMBERS, LABELS, IDS, CLASSES, WEIGHTS)


def pairs():
    return [(int(label), int(row.argmax())) for row, label in zip(MEAN, LABELS, strict=True)]


def test_by_class(found):
    rows = {row[0]: row[1:] for row in found.by_class()}
    assert set(rows) == set(CLASSES[:6])
    for at, name in enumerate(CLASSES[:6]):
        taken = [predicted for label, predicted in pairs() if label == at]
        wrong = collections.Counter(each for each in taken if each != at)
        top5 = [at not in np.argsort(-MEAN[i])[:5] for i in np.flatnonzero(at == LABELS)]
        examples, top1_error, top5_error, most = rows[name]
        assert examples == len(taken)
        assert top1_error == pytest.approx(sum(wrong.values()) / len(taken))
        assert top5_error == pytest.approx(np.mean(top5))
        assert wrong[CLASSES.index(most)] == max(wrong.values())
    assert [row[2] for row in found.by_class()] == sorted(
        (row[2] for row in found.by_class()), reverse=True
    )


def test_what_is_no_number_is_wrong_and_unsure():
    found = error_analysis.analysed([MEMBERS[0][:9] * np.nan], LABELS[:9], IDS[:9], CLASSES, [1.0])
    assert all(sure == 0 for *_, sure in found.mistakes())
    assert found.calibration_error() >= 0


def test_confused_pairs(found):
    counted = collections.Counter(pair for pair in pairs() if pair[0] != pair[1])
    rows = found.confused()
    assert {(CLASSES.index(a), CLASSES.index(b)): n for a, b, n, _ in rows} == counted
    assert rows[0][2] == max(counted.values())
    for name, _, number, share in rows:
        assert share == pytest.approx(number / (CLASSES.index(name) == LABELS).sum())


def test_mistakes(found):
    rows = found.mistakes()
    wrong = [at for at, (label, predicted) in enumerate(pairs()) if label != predicted]
    assert {row[0] for row in rows} == {IDS[at] for at in wrong}
    surest = max(wrong, key=lambda at: MEAN[at].max())
    assert rows[0] == (
        IDS[surest],
        CLASSES[LABELS[surest]],
        CLASSES[MEAN[surest].argmax()],
        pytest.approx(MEAN[surest].max()),
    )


def test_calibration(found):
    expected, rows = 0.0, []
    sure, right = MEAN.max(1), np.array([a == b for a, b in pairs()])
    for at in range(15):
        inside = (sure >= at / 15) & (sure < (at + 1) / 15)
        if inside.any():
            rows.append((inside.sum(), sure[inside].mean(), right[inside].mean()))
            expected += inside.mean() * abs(sure[inside].mean() - right[inside].mean())
    assert found.calibration_error() == pytest.approx(expected)
    np.testing.assert_allclose([row[2:] for row in found.calibration()], rows)


def test_certainty_has_a_bin():
    found = error_analysis.Analysis(('a', 'b'))
    found.add(np.array([[1.0, 0.0]]), np.array([0]), ['x'])
    assert found.calibration() == [(pytest.approx(14 / 15), 1.0, 1, 1.0, 1.0)]
    assert found.calibration_error() == 0
