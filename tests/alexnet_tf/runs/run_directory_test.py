"""What is read from a run directory without its network."""

import json
import types

import numpy as np
import pytest

from alexnet_tf.config import flags
from alexnet_tf.runs import run_directory
from input_pipeline import errors


@pytest.fixture
def create_run(tmp_path):
    """Writes the data file of a run, and returns its directory."""

    def create(name, sha256):
        directory = tmp_path / name
        directory.mkdir()
        data = {'manifest_sha256': sha256, 'classes': ['cat', 'dog']}
        (directory / 'data.json').write_text(json.dumps(data))
        return directory

    return create


def test_class_labels_are_read_in_label_order(create_run):
    assert run_directory.read_classes(create_run('run', 'a')) == ('cat', 'dog')


def test_a_directory_without_a_run_is_refused(tmp_path):
    with pytest.raises(errors.DataError, match=r'is not a run directory: it has no data\.json'):
        run_directory.read_data(tmp_path)
    with pytest.raises(errors.DataError, match=r'--run_dir=.* holds no trained network'):
        run_directory.find_checkpoint(tmp_path, 'best', '--run_dir')


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('{"crop_size": 2', r'config\.json is not valid JSON \(Expecting'),
        ('[1]', r'config\.json holds no JSON object'),
        ('{"crop_size": "abc"}', r'config\.json: --crop_size=abc: expected an integer'),
        ('{"seed": null}', r'config\.json: --seed=None: expected an integer'),
        ('{"crop_sise": 224}', r'config\.json: unknown settings: crop_sise'),
    ],
)
def test_a_damaged_config_is_named_with_its_setting(create_run, text, message):
    directory = create_run('run', 'a')
    (directory / 'config.json').write_text(text)
    with pytest.raises(errors.DataError, match=f'{message}.*Restore the file from a copy'):
        run_directory.read_config(directory)


@pytest.mark.parametrize(
    ('content', 'message'),
    [(b'{"classes": ["\xff', 'is not valid JSON'), (b'{}', 'has no valid manifest_sha256')],
)
def test_damaged_data_of_a_run_are_named(create_run, content, message):
    directory = create_run('run', 'a')
    (directory / 'data.json').write_bytes(content)
    with pytest.raises(errors.DataError, match=rf'run/data\.json {message}.*Restore the file'):
        run_directory.read_data(directory)


@pytest.mark.parametrize(
    ('change', 'name'),
    [
        ({'recipe': None}, 'recipe'),
        ({'recipe': {'name': [1]}}, 'recipe'),
        ({'classes': 5}, 'classes'),
        ({'classes': ['cat', None]}, 'classes'),
        ({'words': None}, 'words'),
        ({'words': ['a cat']}, 'words'),
        ({'manifest_sha256': 7}, 'manifest_sha256'),
    ],
)
def test_a_damaged_entry_of_the_data_is_named(create_run, change, name):
    path = create_run('run', 'a') / 'data.json'
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    (path.parent / 'config.json').write_text('{}')
    for read in (run_directory.read_data, run_directory.read_config):
        with pytest.raises(errors.DataError, match=rf'run/data\.json has no valid {name}\.'):
            read(path.parent)


def test_runs_on_different_records_are_refused(create_run):
    first, same, other = create_run('1', 'a'), create_run('2', 'a'), create_run('3', 'b')
    run_directory.check_same_data([str(first), str(same)], reads_files=True)
    with pytest.raises(errors.DataError, match=r'3 was trained on other records than .*1'):
        run_directory.check_same_data([str(first), str(same), str(other)], reads_files=True)


@pytest.mark.parametrize(('export_dir', 'expected'), [('', 'runs/a/export'), ('served', 'served')])
def test_exports_are_in_the_run_directory_unless_a_flag_says_otherwise(export_dir, expected):
    config = flags.parse(
        ['alexnet_tf', '--mode=export', '--run_dir=runs/a', f'--export_dir={export_dir}']
    )
    assert str(run_directory.get_export_dir(config)) == expected


@pytest.mark.parametrize(
    ('change', 'reads_files', 'message'),
    [
        ({}, True, ''),
        ({'classes': ['cat', 'eel']}, False, '2 has other classes than .*1'),
        ({'warp': True}, True, '2 preprocesses image files differently than .*1'),
        ({'warp': True}, False, ''),  # records are squares already
    ],
)
def test_imported_weights_need_the_same_classes_in_an_ensemble(
    create_run, change, reads_files, message
):
    first, imported = create_run('1', 'a'), create_run('2', '')
    path = imported / 'data.json'
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    if not message:
        return run_directory.check_same_data([str(first), str(imported)], reads_files=reads_files)
    with pytest.raises(errors.DataError, match=message):
        run_directory.check_same_data([str(first), str(imported)], reads_files=reads_files)


@pytest.mark.parametrize('content', [b'', b'\x93NUMPY\x01\x00'])
def test_a_damaged_mean_image_is_named(create_run, content):
    directory = create_run('run', 'a')
    (directory / 'mean_image.npy').write_bytes(content)
    with pytest.raises(errors.DataError, match=r'mean_image\.npy cannot be read .*Restore'):
        run_directory.read_mean_image(directory)


def test_records_of_another_size_are_refused(create_run):
    directory = create_run('run', 'a')
    np.save(directory / 'mean_image.npy', np.zeros((32, 32, 3), np.float32))
    manifest = types.SimpleNamespace(
        classes=('cat', 'dog'), directory='d', layout=types.SimpleNamespace(square_size=256)
    )
    with pytest.raises(errors.DataError, match=r'256 x 256, but the network .* 32 x 32'):
        run_directory.check_same_classes(directory, manifest)
    manifest.layout.square_size = 32
    run_directory.check_same_classes(directory, manifest)
