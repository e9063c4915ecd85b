"""Suspicious labels, copies and weak classes of a small set, with files and images."""

import csv
import dataclasses
import io
import types

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from alexnet_tf.commands.report import examples, findings, next_steps, validation
from alexnet_tf.evaluation import error_analysis
from input_pipeline.records import manifests

CLASSES = ('cat', 'dog')
COPY = 'validation/cat/copy.jpg'


def paint(seed):
    """An image of blobs whose mean is unlike that of other seeds."""
    random = np.random.default_rng(seed)
    small = random.uniform(0, 40 + 12 * seed, (6, 6, 3)).astype(np.uint8)
    return PIL.Image.fromarray(small).resize((256, 256), PIL.Image.Resampling.NEAREST)


def write_images(root):
    for seed in range(16):
        split, label = ('train', 'validation')[seed % 2], CLASSES[seed // 2 % 2]
        (root / split / label).mkdir(parents=True, exist_ok=True)
        paint(seed).save(root / split / label / f'{seed}.png')
    paint(2).resize((200, 200)).save(root / COPY, quality=60)  # of train/dog/2.png


@pytest.fixture(scope='module')
def manifest(command, tmp_path_factory):
    root = tmp_path_factory.mktemp('copies')
    write_images(root / 'images')
    where, source = f'--data_dir={root / "records"}', f'--source_dir={root / "images"}'
    assert command('prepare', where, '--source=folder', source, '--shard_examples=3') == 0
    return manifests.load(root / 'records')


def predict_red(squares):
    """The mean of the red channel as the probability of the first class."""
    red = tf.reduce_mean(tf.cast(squares[..., 0], tf.float32), [1, 2]) / 255
    return tf.stack([red, 1 - red], 1)


@pytest.fixture(scope='module')
def training(manifest):
    return examples.read_examples(manifest, 'train', predict=predict_red, batch_size=4)


@pytest.fixture
def network_findings(manifest, training, tmp_path):
    """Findings of a network that is right but for one image, of whose label it is sure."""
    held_out = examples.read_examples(manifest, 'validation', batch_size=4)
    _, labels, ids = held_out.predictions
    probabilities = np.where(np.arange(2) == labels[:, None], 0.9, 0.1)
    probabilities[ids.index('validation/cat/1.png')] = 0.01, 0.99
    predictions = held_out.predictions._replace(probabilities=probabilities)
    analysis = validation.ValidationAnalysis(
        trained=types.SimpleNamespace(names=CLASSES),
        manifest=manifest,
        predictions=predictions,
        errors=error_analysis.analyse([predictions], [1.0], CLASSES),
    )
    right = training.predictions._replace(probabilities=np.eye(2)[training.predictions.labels])
    training = dataclasses.replace(training, predictions=right)
    epoch = {'step': '4', 'validation_top1_error': '0.1', 'learning_rate': '0.1'}
    return findings.Findings(tmp_path, analysis, [epoch], held_out, training)


def read_rows(path):
    with path.open(newline='') as file:
        return list(csv.reader(file))[1:]


def test_examples_have_their_names_labels_and_predictions(training):
    _, labels, ids = training.predictions
    assert sorted(ids) == sorted(f'train/{CLASSES[n // 2 % 2]}/{n}.png' for n in range(0, 16, 2))
    assert training.is_complete
    for name, label, row in zip(ids, labels, training.predictions.probabilities, strict=True):
        assert name.split('/')[1] == CLASSES[label]
        red = np.asarray(paint(int(name.split('/')[2].removesuffix('.png'))))[..., 0].mean() / 255
        assert row == pytest.approx([red, 1 - red], abs=0.01)


def test_of_a_large_split_some_shards_are_read(manifest, monkeypatch):
    monkeypatch.setattr(examples, 'MAX_EXAMPLES', 7)
    part = examples.read_examples(manifest, 'train', batch_size=4)
    assert not part.is_complete
    assert part.total == 8
    assert 0 < len(part.predictions.ids) == len(part.edges) <= 7


def test_a_suspicious_label_is_listed_and_shown(network_findings):
    step = next_steps.find_label_errors(network_findings)
    row = ['validation', 'validation/cat/1.png', 'cat', 'dog', '0.99']
    assert read_rows(network_findings.directory / next_steps.LABEL_ERRORS) == [row]
    ((jpeg, caption),) = step.images
    assert caption == 'validation/cat/1.png\nlabel: cat\nnetwork: dog, 99.0 %'
    shown = np.asarray(PIL.Image.open(io.BytesIO(jpeg)), float)
    original = np.asarray(paint(1).resize(shown.shape[1::-1], PIL.Image.Resampling.BOX), float)
    assert np.abs(shown - original).mean() < 5


def test_a_copy_with_another_label_is_listed_and_shown(network_findings):
    step = next_steps.find_duplicates(network_findings)
    ((first, label, second, other, correlation),) = read_rows(
        network_findings.directory / next_steps.NEAR_DUPLICATES
    )
    assert (first, label, second, other) == (COPY, 'cat', 'train/dog/2.png', 'dog')
    assert float(correlation) > 0.9
    assert '1 of 9 held-out images looks nearly like another image' in step.text
    assert '1 with another label' in step.text
    assert 'without them it is 87.5 %' in step.text  # 7 of 8, and 8 of 9 with the copy
    ((jpeg, caption),) = step.images
    assert caption == f'{COPY} (cat)\ntrain/dog/2.png (dog)'
    width, height = PIL.Image.open(io.BytesIO(jpeg)).size
    assert height == 2 * width


def test_exact_copies_that_prepare_found_are_counted(network_findings, monkeypatch):
    outcome = types.SimpleNamespace(files={'copied: equal to x': (3, 'a'), 'ignored: y': (9, 'b')})
    monkeypatch.setattr(next_steps.outcomes, 'read', lambda directory: outcome)
    assert '3 equal to x' in next_steps.find_duplicates(network_findings).text


def test_without_training_images_less_is_said(network_findings):
    steps = next_steps.collect(dataclasses.replace(network_findings, training=None))
    titles = [step.title for step in steps]
    assert titles == ['More minutes', 'Labels to check']  # one mistake is no confusion
    assert not (network_findings.directory / next_steps.NEAR_DUPLICATES).read_text().count('copy')


def test_what_is_perfect_needs_no_steps_about_errors(network_findings):
    right = network_findings.analysis.predictions._replace(
        probabilities=np.eye(2)[network_findings.analysis.predictions.labels]
    )
    errors = error_analysis.analyse([right], [1.0], CLASSES)
    analysis = dataclasses.replace(network_findings.analysis, predictions=right, errors=errors)
    steps = next_steps.collect(dataclasses.replace(network_findings, analysis=analysis))
    assert [step.title for step in steps] == ['More minutes or more images', 'Duplicates']


def test_records_that_the_network_did_not_learn_from_are_no_training_images(
    network_findings, manifest, monkeypatch
):
    other = {'manifest_sha256': 'other'}
    monkeypatch.setattr(findings.run_directory, 'read_data', lambda directory: other)
    config = types.SimpleNamespace(
        run_dir='run', evaluation=types.SimpleNamespace(eval_batch_size=4)
    )
    gathered = findings.gather(config, network_findings.analysis, [])
    assert gathered.training is None
    assert gathered.held_out.is_complete


def test_images_of_the_pair_that_is_confused_most_are_shown(network_findings):
    _, labels, ids = network_findings.analysis.predictions
    wrong = network_findings.analysis.predictions._replace(probabilities=np.eye(2)[1 - labels])
    errors = error_analysis.analyse([wrong], [1.0], CLASSES)
    analysis = dataclasses.replace(network_findings.analysis, predictions=wrong, errors=errors)
    step = next_steps.find_confusions(dataclasses.replace(network_findings, analysis=analysis))
    assert 'cat with dog (in 9 of 9 images)' in step.text
    assert '5 cat as dog, 4 dog as cat' in step.detail
    assert sorted(caption.split('\n')[0] for _, caption in step.images) == sorted(ids)
