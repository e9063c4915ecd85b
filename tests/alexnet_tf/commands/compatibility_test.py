"""A run and records of an earlier version still evaluate, predict, export and resume."""

import csv
import json
import pathlib
import shutil
import tarfile

import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf import main

SAVED = pathlib.Path(__file__).parents[2] / 'data' / 'run_a61adb2'
SETTINGS = (  # of the run
    '--recipe=source2012',
    '--width=0.021',
    '--crop_size=67',
    '--batch_size=3',
    '--schedule=list',
    '--drop_epochs=1',
    '--learning_rate=0.003',
    '--epochs=2',
    '--eval_batch_size=10',
    '--initial_sd=0.03',
    '--initial_sd_middle=0.15',
    '--initial_sd_hidden=0.15',
)


@pytest.fixture(scope='module')
def unpacked(tmp_path_factory):
    """The folder of the run and the records; tests must not change the run."""
    directory = tmp_path_factory.mktemp('a61adb2')
    with tarfile.open(SAVED / 'run_and_records.tar.xz') as archive:
        archive.extractall(directory, filter='data')
    return directory


@pytest.fixture
def run_mode(unpacked, tmp_path):
    """Runs a mode on a copy of the run, whose directory it returns."""

    def run(mode, *flags):
        run_dir = tmp_path / 'run'
        shutil.copytree(unpacked / 'run', run_dir)
        where = (f'--data_dir={unpacked / "records"}', f'--run_dir={run_dir}')
        assert main.main(['alexnet_tf', f'--mode={mode}', *where, *flags]) == 0
        return run_dir

    return run


def read_rows(path):
    with open(path, newline='') as file:
        return list(csv.DictReader(file))


def check_rows(path, expected_path, names):
    rows, expected = read_rows(path), read_rows(expected_path)
    assert len(rows) == len(expected)
    for row, expected_row in zip(rows, expected, strict=True):
        for name in names:
            value = float(expected_row[name])
            assert float(row[name]) == pytest.approx(value, rel=1e-5), name


def read_predictions():
    """Reads the probabilities of each image by class label."""
    lines = (SAVED / 'predictions.jsonl').read_text().splitlines()
    predictions = [json.loads(line) for line in lines]
    return {
        prediction['file']: dict(
            zip(prediction['classes'], prediction['probabilities'], strict=True)
        )
        for prediction in predictions
    }


def check_prediction(file, classes, probabilities):
    prediction = dict(zip(classes, map(float, probabilities), strict=True))
    assert prediction == pytest.approx(read_predictions()[file], abs=1e-5)


def test_the_run_has_the_same_errors(run_mode):
    run_dir = run_mode('evaluate', '--views=1,10', '--eval_batch_size=10')
    names = ('step', 'examples', 'views', 'loss', 'top1_error', 'top5_error')
    check_rows(run_dir / 'results.csv', SAVED / 'results.csv', names)


def test_the_run_predicts_the_same_probabilities(run_mode, tmp_path):
    file = tmp_path / 'predictions.jsonl'
    run_mode('predict', f'--inputs={SAVED / "images"}', '--output=json', f'--output_file={file}')
    predictions = [json.loads(line) for line in file.read_text().splitlines()]
    assert len(predictions) == 3
    for prediction in predictions:
        name = pathlib.Path(prediction['file']).name
        check_prediction(name, prediction['classes'], prediction['probabilities'])


@pytest.mark.slow
def test_the_run_is_exported_and_serves_the_same_probabilities(run_mode, export_little):
    run_dir = run_mode('export')
    served = tf.saved_model.load(str(run_dir / 'export' / '1'))
    for file in read_predictions():
        image = (SAVED / 'images' / file).read_bytes()
        prediction = served.signatures['serving_default'](images=tf.constant([image]))
        classes = [label.decode() for label in prediction['classes'].numpy()[0]]
        check_prediction(file, classes, prediction['probabilities'].numpy()[0])


def test_the_run_resumes_to_the_same_variables(run_mode):
    run_dir = run_mode('train', *SETTINGS)
    newest = max((run_dir / 'checkpoints').glob('step-*'))
    assert newest.name == 'step-00000006.epoch-0002'
    with (
        np.load(newest / 'variables.npz') as variables,
        np.load(SAVED / 'resumed_variables.npz') as expected,
    ):
        assert variables.files == expected.files
        for name in expected.files:
            # Processors round sums differently.
            np.testing.assert_allclose(
                variables[name], expected[name], rtol=1e-4, atol=1e-6, err_msg=name
            )
    names = [
        name for name in read_rows(SAVED / 'resumed_summary.csv')[0] if name != 'images_per_sec'
    ]
    check_rows(run_dir / 'summary.csv', SAVED / 'resumed_summary.csv', names)
