"""Records against the images that went in."""

import io
import pathlib
import shutil

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from input_pipeline import errors
from input_pipeline.images import decoding
from input_pipeline.prepare import conversion, local_executor
from input_pipeline.records import manifests
from input_pipeline.sources import folder as folder_source

SETTINGS = {'record_encoding': 'jpeg', 'shard_examples': 8, 'seed': 0}


def load_if_current(root, data_dir, **settings):
    source = folder_source.find_images(str(root), validation_fraction=0.3)
    return conversion.load_if_current(str(data_dir), source, SETTINGS | settings)


def read_examples(manifest, split):
    for path, _ in manifest.list_shards(split):
        for record in tf.data.TFRecordDataset(path):
            features = tf.train.Example.FromString(record.numpy()).features.feature
            yield {
                key: (value.bytes_list.value or value.int64_list.value)[0]
                for key, value in features.items()
            }


@pytest.mark.parametrize('encoding', ['jpeg', 'raw'])
def test_records_hold_every_image_once(prepare_folder, folder, tmp_path, encoding):
    manifest = prepare_folder(folder, tmp_path / 'out', record_encoding=encoding)
    by_name = {}
    for split in ('train', 'validation'):
        examples = list(read_examples(manifest, split))
        assert len(examples) == manifest.count_examples(split)
        by_name |= {example['image/filename'].decode(): example for example in examples}
    assert len(by_name) == 24
    for name, example in by_name.items():
        image = np.asarray(PIL.Image.open(folder / name))
        square = decoding.resize_to_square(tf.constant(image)).numpy()
        data = example['image/encoded']
        stored = (
            np.asarray(PIL.Image.open(io.BytesIO(data)))
            if encoding == 'jpeg'
            else np.frombuffer(data, np.uint8).reshape(256, 256, 3)
        )
        assert np.abs(stored.astype(float) - square).mean() < (2 if encoding == 'jpeg' else 1e-9)
        assert manifest.classes[example['image/class/label']] == name.split('/')[0]


def test_bytes_do_not_depend_on_the_number_of_workers(prepare_folder, folder, tmp_path):
    one, two = (
        prepare_folder(
            folder, tmp_path / str(workers), executor=local_executor.LocalExecutor(workers)
        )
        for workers in (1, 2)
    )
    assert one.to_json() == two.to_json()
    for path, _ in one.list_shards('train'):
        name = pathlib.Path(path).name
        assert (tmp_path / '1' / name).read_bytes() == (tmp_path / '2' / name).read_bytes()


def test_statistics_equal_a_plain_computation(prepared, shared_folder):
    """Of the pixels before they are encoded, from which those that are stored differ little."""
    stored, squares = [], []
    for example in read_examples(prepared, 'train'):
        stored.append(np.asarray(PIL.Image.open(io.BytesIO(example['image/encoded']))))
        image = np.asarray(PIL.Image.open(shared_folder / example['image/filename'].decode()))
        squares.append(decoding.resize_to_square(tf.constant(image)).numpy())
    squares = np.stack(squares).astype(np.float64)
    statistics = manifests.load_statistics(prepared)
    np.testing.assert_allclose(statistics.mean_image, squares.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(statistics.mean_image, np.mean(stored, axis=0), atol=2)
    covariance = np.cov(squares[:, 2::4].reshape(-1, 3).T, bias=True)  # of 64 rows
    np.testing.assert_allclose(statistics.covariance, covariance, rtol=1e-9)
    values, vectors = statistics.eigenvalues, statistics.eigenvectors
    assert (np.diff(values) <= 0).all()
    np.testing.assert_allclose(vectors * values @ vectors.T, covariance, rtol=1e-9)


def test_records_have_the_quality_and_the_colours_that_are_asked_for(
    prepare_folder, folder, tmp_path
):
    options = {'jpeg_quality': 60, 'jpeg_subsampling': '420'}
    manifest = prepare_folder(folder, tmp_path / 'out', **options)
    stored = PIL.Image.open(io.BytesIO(next(read_examples(manifest, 'train'))['image/encoded']))
    expected = io.BytesIO()
    stored.save(expected, 'JPEG', quality=60, subsampling='4:2:0')
    expected = PIL.Image.open(expected)
    assert (stored.quantization, stored.layer) == (expected.quantization, expected.layer)
    assert load_if_current(folder, tmp_path / 'out', **options)
    with pytest.raises(errors.DataError, match='differs in its jpeg_'):
        load_if_current(folder, tmp_path / 'out', jpeg_quality=60, jpeg_subsampling='444')


def test_unreadable_images_are_quarantined_with_their_reason(prepare_folder, folder, tmp_path):
    (folder / 'cat' / 'text.jpg').write_text('this is a text')
    (folder / 'dog' / 'cut.jpg').write_bytes((folder / 'dog' / '00.jpg').read_bytes()[:400])
    (folder / 'dog' / 'empty.jpg').write_bytes(b'')
    (folder / 'dog' / 'gone.jpg').symlink_to('nowhere')
    manifest = prepare_folder(folder, tmp_path / 'out', max_bad_fraction=0.2)
    quarantine = (tmp_path / 'out' / 'quarantine.csv').read_text()
    assert manifest.quarantined == 4
    assert sum(map(manifest.count_examples, ('train', 'validation'))) == 24
    for row in [
        'cat/text.jpg,"not an image: neither JPEG, PNG, GIF, BMP nor WebP"',
        'dog/cut.jpg,',
        'dog/empty.jpg,the file is empty',
        'dog/gone.jpg,No such file or directory',
    ]:
        assert row in quarantine


def test_names_in_the_lists_of_images_are_no_formulas(prepare_folder, folder, tmp_path):
    formula = (folder / 'cat').rename(folder / '=1+1')
    (formula / 'text.jpg').write_text('this is a text')
    shutil.copy(folder / 'dog' / '00.jpg', formula / 'copy.jpg')
    prepare_folder(folder, tmp_path / 'out', max_bad_fraction=0.2)
    assert "\n'=1+1/text.jpg," in (tmp_path / 'out' / 'quarantine.csv').read_text()
    conflicts = (tmp_path / 'out' / 'conflicts.csv').read_text()
    assert conflicts.endswith("\n'=1+1/copy.jpg,'=1+1,dog/00.jpg,dog\n")


def test_a_shard_with_an_unreadable_image_is_kept_until_that_is_repaired(
    prepare_folder, folder, tmp_path, monkeypatch
):
    unreadable = folder / 'cat' / 'text.jpg'
    unreadable.write_text('this is a text')

    def prepare(*, is_interrupted):
        with monkeypatch.context() as patched:
            if is_interrupted:
                patched.setattr(conversion, '_create_manifest', None)
            out = tmp_path / 'out'
            return prepare_folder(folder, out, max_bad_fraction=0.2, shard_examples=100)

    with pytest.raises(TypeError):
        prepare(is_interrupted=True)
    paths = list((tmp_path / 'out').glob('*.tfrecord'))
    before = {path: path.stat().st_mtime_ns for path in paths}
    with pytest.raises(TypeError):
        prepare(is_interrupted=True)
    assert {path: path.stat().st_mtime_ns for path in paths} == before
    unreadable.write_bytes((folder / 'dog' / '00.jpg').read_bytes())
    assert prepare(is_interrupted=False).quarantined == 0


def test_too_many_unreadable_images_leave_no_data_set(prepare_folder, folder, tmp_path):
    (folder / 'cat' / 'text.jpg').write_text('this is a text')
    with pytest.raises(errors.DataError, match=r'1 of 25 images.*cat/text.jpg: not an image'):
        prepare_folder(folder, tmp_path / 'out', max_bad_fraction=0.01)
    with pytest.raises(errors.DataError, match='holds no prepared data'):
        manifests.load(tmp_path / 'out')


def test_records_of_others_are_not_replaced(prepare_folder, folder, tmp_path):
    (tmp_path / 'train-00000-of-00008.tfrecord').write_bytes(b'of somebody')
    with pytest.raises(errors.DataError, match='is there already'):
        prepare_folder(folder, tmp_path)
    assert (tmp_path / 'train-00000-of-00008.tfrecord').read_bytes() == b'of somebody'


def test_an_unfinished_preparation_of_another_folder_is_not_replaced(
    prepare_folder, folder, tmp_path
):
    (folder / 'cat' / 'broken.jpg').write_bytes(b'no image')
    with pytest.raises(errors.DataError, match='cannot be read'):
        prepare_folder(folder, tmp_path / 'out', max_bad_fraction=0)
    shards = sorted(path.name for path in (tmp_path / 'out').glob('*.tfrecord'))
    assert shards
    kept = tmp_path / 'out' / '.unfinished' / 'source.json'
    kept.write_text(kept.read_text().replace('folder', 'another', 1))
    with pytest.raises(errors.DataError, match='holds an unfinished preparation of'):
        prepare_folder(folder, tmp_path / 'out')
    assert sorted(path.name for path in (tmp_path / 'out').glob('*.tfrecord')) == shards


def test_a_prepared_data_set_is_found_again(prepare_folder, folder, tmp_path):
    assert load_if_current(folder, tmp_path / 'out') is None
    manifest = prepare_folder(folder, tmp_path / 'out')
    assert load_if_current(folder, tmp_path / 'out') == manifest
    with pytest.raises(errors.DataError, match='differs in its seed, 0 and not 1'):
        load_if_current(folder, tmp_path / 'out', seed=1)
    (folder / 'cat' / 'new.jpg').write_bytes((folder / 'dog' / '00.jpg').read_bytes())
    with pytest.raises(errors.DataError, match='differs in its images'):
        load_if_current(folder, tmp_path / 'out')


def test_repaired_and_changed_images_are_read_again(prepare_folder, folder, tmp_path):
    whole = (folder / 'dog' / '03.jpg').read_bytes()
    (folder / 'dog' / '03.jpg').write_bytes(whole[:300])
    with pytest.raises(errors.DataError, match=r'dog/03\.jpg'):
        prepare_folder(folder, tmp_path / 'out')
    (folder / 'dog' / '03.jpg').write_bytes(whole)
    assert prepare_folder(folder, tmp_path / 'out').quarantined == 0
    (folder / 'dog' / '03.jpg').write_bytes((folder / 'cat' / '04.jpg').read_bytes() + b'more')
    with pytest.raises(errors.DataError, match='differs in its images'):
        load_if_current(folder, tmp_path / 'out')
