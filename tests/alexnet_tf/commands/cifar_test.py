"""The paper's small networks, from records of 32x32 images to served predictions."""

import io
import json
import pathlib

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from alexnet_tf import main
from alexnet_tf.commands import prepare
from alexnet_tf.commands.benchmark import timing
from alexnet_tf.config import flags as flags_lib
from alexnet_tf.plots import availability
from alexnet_tf.reports import tables
from input_pipeline.records import manifests
from input_pipeline.sources import cifar10

SMALL = (
    '--width=0.1',
    '--batch_size=10',
    '--epochs=1',
    '--eval_batch_size=10',
)


def run(mode, *flags):
    return main.main(['alexnet_tf', f'--mode={mode}', *SMALL, *flags])


@pytest.fixture(scope='module')
def small_records(tmp_path_factory):
    """The flag that names records of 20 + 10 images of noise."""
    root, random = tmp_path_factory.mktemp('cifar'), np.random.default_rng(0)
    for split, number in (('train', 2), ('test', 1)):
        for name in cifar10.CLASSES:
            (root / 'source' / split / name).mkdir(parents=True)
            for at in range(number):
                pixels = random.integers(0, 256, (32, 32, 3), np.uint8)
                path = root / 'source' / split / name / f'{at}.png'
                PIL.Image.fromarray(pixels).save(path)
    where = f'--data_dir={root / "records"}'
    assert run('prepare', where, '--source=cifar10', f'--source_dir={root / "source"}') == 0
    return where


LARGER = 'paper --width=0.05 --view_size=28 --crop_size=67'  # than the images of the records


def test_a_small_network_trains_and_evaluates(small_records, tmp_path):
    flags = (small_records, f'--run_dir={tmp_path}', '--recipe=figure1')
    assert run('train', *flags) == run('evaluate', *flags, '--views=1') == 0
    (row,) = tables.read_csv(tmp_path / 'results.csv')
    assert (row['examples'], row['step']) == ('10', '2')


@pytest.mark.slow
@pytest.mark.parametrize('recipe', ['figure1', 'cifar11', LARGER])
def test_a_small_network_trains_evaluates_exports_and_reports(
    recipe, small_records, tmp_path, monkeypatch, export_little
):
    monkeypatch.setattr(availability, 'load_plots', lambda: None)  # report_test has figures
    flags = (small_records, f'--run_dir={tmp_path}', *f'--recipe={recipe}'.split())
    for mode in ('train', 'evaluate', 'export', 'report'):
        assert run(mode, *flags) == 0
    assert json.loads((tmp_path / 'config.json').read_text())['recipe'] == recipe.split()[0]
    served = tf.saved_model.load(str(tmp_path / 'export' / '1'))
    image = tf.io.encode_png(np.zeros((40, 50, 3), np.uint8))
    prediction = served.signatures['serving_default'](images=image[None])
    assert set(prediction['classes'].numpy()[0]) < {name.encode() for name in cifar10.CLASSES}
    is_small = 'A small network of the AlexNet paper' in (tmp_path / 'MODEL_CARD.md').read_text()
    assert is_small == (recipe != LARGER)


@pytest.mark.slow
@pytest.mark.parametrize('kind', ['input', 'end_to_end'])
def test_the_input_of_enlarged_parts_is_measured(kind, small_records, monkeypatch, capsys):
    monkeypatch.setattr(timing, '_SECONDS', 0.05)
    flags = (f'--benchmark={kind}', *f'--recipe={LARGER}'.split(), '--runs=1', '--output=json')
    assert run('benchmark', small_records, *flags) == 0
    stages = json.loads(capsys.readouterr().out)['stages']
    assert min(row['images_per_sec'] for row in stages.values()) > 0


def test_a_network_that_does_not_fit_the_image_size_is_refused(
    small_records, data, tmp_path, capsys
):
    where = f'--run_dir={tmp_path / "run"}'
    assert run('train', small_records, where) == 2
    message = capsys.readouterr().err
    assert '--crop_size=224: the images in' in message
    assert 'are 32 x 32. Give a smaller one, or let --view_size=28 enlarge a part' in message
    assert 'for 32 x 32 there are --recipe=cifar13' in message
    assert run('train', small_records, where, '--recipe=modern', '--crop_size=32') == 2
    assert '--view_size=224: the images in' in capsys.readouterr().err
    assert run('train', data, where, '--recipe=cifar13') == 2
    assert '--recipe=cifar13 is a network for images of 32 x 32' in capsys.readouterr().err
    assert not (tmp_path / 'run').exists()


@pytest.mark.parametrize(('recipe', 'size'), [('modern', 256), ('cifar13', 32)])
def test_for_a_network_that_needs_more_pixels_the_images_are_enlarged(
    recipe, size, small_records, tmp_path, capsys
):
    source = pathlib.Path(small_records.partition('=')[2]).with_name('source')
    arguments = f'--source_dir={source}', f'--data_dir={tmp_path}', f'--recipe={recipe}'
    prepare.run(flags_lib.parse(['alexnet_tf', '--mode=all', *arguments]))
    output = capsys.readouterr().out
    assert '--source=cifar10' in output
    enlarged = '32 x 32 are enlarged to 256 x 256, because --recipe=modern needs 224 x 224'
    assert (enlarged in output) == (size > 32)
    manifest = manifests.load(str(tmp_path))
    shard, _ = manifest.list_shards('validation')[0]
    record = next(iter(tf.data.TFRecordDataset(shard)))
    example = tf.train.Example.FromString(record.numpy()).features.feature
    (encoded,) = example['image/encoded'].bytes_list.value
    pixels = PIL.Image.open(io.BytesIO(encoded)).size if size > 32 else (32, len(encoded) // 96)
    assert pixels == (manifest.layout.square_size,) * 2 == (size, size)


def test_settings_that_a_small_network_does_not_have_are_refused(small_records, tmp_path, capsys):
    flags = ('--conv6', '--initial_sd_middle=0.01', '--normalization=false', '--columns=1')
    for flag in (*flags, '--batch_norm', '--he_initialization'):  # local layers have neither
        flags = (small_records, f'--run_dir={tmp_path / "run"}', '--recipe=cifar13', flag)
        assert run('train', *flags) == 2
        assert 'the network of --recipe=cifar13 has no such thing' in capsys.readouterr().err


@pytest.mark.slow
def test_training_ends_at_a_low_train_error_and_resumes_without_that_limit(
    small_records, tmp_path, capsys
):
    flags = (small_records, f'--run_dir={tmp_path}', '--recipe=figure1', '--epochs=5')
    assert run('train', *flags, '--stop_train_error=1') == 0
    assert 'train: done, 1 epochs' in capsys.readouterr().out
    # The same command has nothing left to do; without the limit it resumes.
    assert run('train', *flags, '--stop_train_error=1') == 0
    assert 'train: done, 1 epochs' in capsys.readouterr().out
    assert run('train', *flags) == 0
    assert 'train: done, 5 epochs' in capsys.readouterr().out
