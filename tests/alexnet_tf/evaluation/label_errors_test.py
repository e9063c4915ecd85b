"""Wrong labels are found in predictions whose wrong labels are known."""

import numpy as np
import pytest

from alexnet_tf.evaluation import ensembles, label_errors, prediction_cache

CLASSES = ('ant', 'bee', 'cat', 'dog', 'eel')
IDS = [f'{at}.jpg' for at in range(2000)]


def predict(seed, sharpness):
    """Predictions of a network that is right about most classes; 5 % of the labels are wrong."""
    random = np.random.default_rng(seed)
    classes = random.integers(0, 5, 2000)
    logits = random.normal(size=(2000, 5))
    logits[np.arange(2000), classes] += sharpness
    powers = np.exp(1.5 * logits)
    wrong = random.permutation(2000)[:100]
    labels = classes.copy()
    labels[wrong] = (classes[wrong] + random.integers(1, 5, 100)) % 5
    probabilities = (powers / powers.sum(1, keepdims=True)).astype(np.float32)
    accuracy = (probabilities.argmax(1) == classes).mean()
    return prediction_cache.Predictions(probabilities, labels, IDS), set(wrong.tolist()), accuracy


@pytest.mark.parametrize(
    ('sharpness', 'accuracy', 'precision', 'recall', 'of_first'),
    [(5, 1.0, 0.95, 0.9, 1.0), (3, 0.95, 0.8, 0.65, 0.95), (2, 0.79, 0.25, 0.5, 0.8)],
)
def test_flipped_labels_are_found_as_far_as_the_network_is_right(
    sharpness, accuracy, precision, recall, of_first
):
    predictions, wrong, measured = predict(0, sharpness)
    assert measured == pytest.approx(accuracy, abs=0.02)
    positions = [
        suspect.position for suspect in label_errors.find_label_errors(predictions, CLASSES)
    ]
    assert len(wrong & set(positions)) / len(positions) >= precision
    assert len(wrong & set(positions)) / len(wrong) >= recall
    assert len(wrong & set(positions[:20])) / 20 >= of_first


def test_suspects_are_those_with_the_mean_probability_of_another_class(monkeypatch):
    monkeypatch.setattr(ensembles, '_CHUNK', 300)
    predictions, _, _ = predict(1, 2)
    probabilities, labels, _ = predictions
    means = [probabilities[labels == at, at].astype(float).mean() for at in range(5)]
    expected = {}
    for at, row in enumerate(probabilities.astype(float)):
        likely = [k for k in range(5) if row[k] >= means[k]]
        best = max(likely, key=lambda k, row=row: row[k], default=labels[at])
        if row[best] > row[labels[at]]:
            expected[at] = (IDS[at], CLASSES[labels[at]], CLASSES[best], row[best], at)
    suspects = label_errors.find_label_errors(predictions, CLASSES)
    assert {suspect.position: tuple(suspect) for suspect in suspects} == expected
    margins = [row[3] - probabilities[row[4], labels[row[4]]] for row in suspects]
    np.testing.assert_array_less(np.diff(margins), 1e-6)


def test_a_class_without_images_is_no_suspicion_and_nan_is_none():
    probabilities = np.array([[0.6, 0.4, 0.0], [0.2, 0.1, 0.7], [np.nan] * 3])
    predictions = prediction_cache.Predictions(probabilities, np.array([0, 1, 1]), IDS[:3])
    assert label_errors.find_label_errors(predictions, CLASSES[:3]) == []


def test_an_image_that_is_classified_as_its_label_says_is_no_suspect():
    """Of a rare class, a network is never sure: its mean probability is low."""
    probabilities = np.array([[0.97, 0.03]] * 98 + [[0.55, 0.45], [0.6, 0.4], [0.6, 0.4]])
    labels = np.array([0] * 99 + [1, 1])
    predictions = prediction_cache.Predictions(probabilities, labels, IDS[:101])
    suspects = label_errors.find_label_errors(predictions, CLASSES[:2])
    assert 98 not in {suspect.position for suspect in suspects}
