"""Records against what went in."""

import dataclasses
import io
import json
import pathlib

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from input_pipeline import errors
from input_pipeline.images import decoding
from input_pipeline.prepare import conversion
from input_pipeline.records import checking, manifests
from input_pipeline.sources import folder as folders

SETTINGS = {'record_encoding': 'jpeg', 'shard_examples': 8, 'seed': 0, 'validation_fraction': 0.3}


def prepare(root, out, *, max_bad_fraction=0.0, workers=0, **changed):
    found = folders.find(str(root), validation_fraction=0.3)
    return conversion.prepare(
        found,
        str(out),
        settings=SETTINGS | changed,
        max_bad_fraction=max_bad_fraction,
        report=lambda *_: None,
        workers=workers,
    )


def examples(manifest, split):
    for path, _ in manifest.shards(split):
        for record in tf.data.TFRecordDataset(path):
            features = tf.train.Example.FromString(record.numpy()).features.feature
            yield {
                key: (value.bytes_list.value or value.int64_list.value)[0]
                for key, value in features.items()
            }


@pytest.mark.parametrize('encoding', ['jpeg', 'raw'])
def test_records_hold_every_picture_once(folder, tmp_path, encoding):
    manifest = prepare(folder, tmp_path / 'out', record_encoding=encoding)
    seen = {}
    for split in ('train', 'validation'):
        found = list(examples(manifest, split))
        assert len(found) == manifest.examples(split)
        seen |= {each['image/filename'].decode(): each for each in found}
    assert len(seen) == 24
    for name, each in seen.items():
        source = np.asarray(PIL.Image.open(folder / name)).astype(float)
        square = decoding.square(tf.constant(source.astype(np.uint8))).numpy()
        data = each['image/encoded']
        stored = (
            np.asarray(PIL.Image.open(io.BytesIO(data)))
            if encoding == 'jpeg'
            else np.frombuffer(data, np.uint8).reshape(256, 256, 3)
        )
        assert np.abs(stored.astype(float) - square).mean() < (2 if encoding == 'jpeg' else 1e-9)
        assert manifest.classes[each['image/class/label']] == name.split('/')[0]


@pytest.mark.slow
def test_bytes_do_not_depend_on_workers(folder, tmp_path):
    one, many = (prepare(folder, tmp_path / str(n), workers=n) for n in (1, 2))
    assert one.to_json() == many.to_json()
    for path, _ in one.shards('train'):
        name = pathlib.Path(path).name
        assert (tmp_path / '1' / name).read_bytes() == (tmp_path / '2' / name).read_bytes()


def test_statistics_equal_a_plain_computation(folder, tmp_path):
    manifest = prepare(folder, tmp_path / 'out')
    stored = np.stack(
        [
            np.asarray(PIL.Image.open(io.BytesIO(each['image/encoded']))).astype(np.float64)
            for each in examples(manifest, 'train')
        ]
    )
    made = manifests.statistics(manifest)
    np.testing.assert_allclose(made['mean_image'], stored.mean(axis=0), rtol=1e-6)
    covariance = np.cov(stored.reshape(-1, 3).T, bias=True)
    np.testing.assert_allclose(made['covariance'], covariance, rtol=1e-9)
    values, vectors = made['eigenvalues'], made['eigenvectors']
    assert (np.diff(values) <= 0).all()
    np.testing.assert_allclose(vectors * values @ vectors.T, covariance, rtol=1e-9)


def test_bad_pictures_are_quarantined_with_their_reason(folder, tmp_path):
    (folder / 'cat' / 'text.jpg').write_text('this is a text')
    (folder / 'dog' / 'cut.jpg').write_bytes((folder / 'dog' / '00.jpg').read_bytes()[:400])
    (folder / 'dog' / 'empty.jpg').write_bytes(b'')
    (folder / 'dog' / 'gone.jpg').symlink_to('nowhere')
    manifest = prepare(folder, tmp_path / 'out', max_bad_fraction=0.2)
    listed = (tmp_path / 'out' / 'quarantine.csv').read_text()
    assert manifest.quarantined == 4
    assert sum(map(manifest.examples, ('train', 'validation'))) == 24
    for line in [
        'cat/text.jpg,"not a picture: neither JPEG, PNG, GIF, BMP nor WebP"',
        'dog/cut.jpg,',
        'dog/empty.jpg,the file is empty',
        'dog/gone.jpg,No such file or directory',
    ]:
        assert line in listed


def test_a_shard_with_a_bad_picture_is_not_made_again_until_that_is_mended(
    folder, tmp_path, monkeypatch
):
    bad = folder / 'cat' / 'text.jpg'
    bad.write_text('this is a text')

    def prepared(*, ends=True):
        with monkeypatch.context() as patched:
            if not ends:
                patched.setattr(conversion, '_manifest', None)
            made = prepare(folder, tmp_path / 'out', max_bad_fraction=0.2, shard_examples=100)
        return made

    with pytest.raises(TypeError):
        prepared(ends=False)
    paths = list((tmp_path / 'out').glob('*.tfrecord'))
    before = {path: path.stat().st_mtime_ns for path in paths}
    with pytest.raises(TypeError):
        prepared(ends=False)
    assert {path: path.stat().st_mtime_ns for path in paths} == before
    bad.write_bytes((folder / 'dog' / '00.jpg').read_bytes())
    assert prepared().quarantined == 0


def test_too_many_bad_pictures_leave_no_data_set(folder, tmp_path):
    (folder / 'cat' / 'text.jpg').write_text('this is a text')
    with pytest.raises(errors.DataError, match=r'1 of 25 pictures.*cat/text.jpg: not a picture'):
        prepare(folder, tmp_path / 'out', max_bad_fraction=0.01)
    with pytest.raises(errors.DataError, match='holds no prepared data'):
        manifests.load(tmp_path / 'out')


def test_a_standing_data_set_is_found_again(folder, tmp_path):
    found = folders.find(str(folder), validation_fraction=0.3)
    out = str(tmp_path / 'out')
    assert conversion.standing(out, found, SETTINGS) is None
    manifest = prepare(folder, out)
    assert conversion.standing(out, found, SETTINGS) == manifest
    with pytest.raises(errors.DataError, match='by its settings'):
        conversion.standing(out, found, SETTINGS | {'seed': 1})
    (folder / 'cat' / 'new.jpg').write_bytes((folder / 'dog' / '00.jpg').read_bytes())
    more = folders.find(str(folder), validation_fraction=0.3)
    with pytest.raises(errors.DataError, match='by its entries sha256'):
        conversion.standing(out, more, SETTINGS)


def shard_of(manifest):
    return manifest.directory / manifest.splits['train'][0].file


def damage_manifest(manifest, **changed):
    path = manifest.directory / 'manifest.json'
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))


@pytest.mark.parametrize(
    ('spoil', 'message'),
    [
        (lambda m: shard_of(m).unlink(), 'is missing'),
        (lambda m: shard_of(m).write_bytes(b''), 'has 0 bytes'),
        (lambda m: (m.directory / 'statistics.npz').write_bytes(b'x'), 'not what prepare wrote'),
        (lambda m: (m.directory / 'manifest.json').write_text('{'), 'not a manifest'),
        (lambda m: damage_manifest(m, format_version=99), 'version 99'),
        (lambda m: damage_manifest(m, classes=['x', 'y']), 'class names'),
        (lambda m: damage_manifest(m, surplus=1), 'not a manifest'),
    ],
)
def test_damage_is_noticed_when_loaded(folder, tmp_path, spoil, message):
    manifest = prepare(folder, tmp_path / 'out')
    spoil(manifest)
    with pytest.raises(errors.DataError, match=message):
        manifests.load(tmp_path / 'out')


def test_a_flipped_byte_is_noticed_when_verified(folder, tmp_path):
    manifest = prepare(folder, tmp_path / 'out')
    data = bytearray(shard_of(manifest).read_bytes())
    data[len(data) // 2] ^= 1
    shard_of(manifest).write_bytes(bytes(data))
    with pytest.raises(errors.DataError, match='sha256 differs'):
        manifests.verify(manifests.load(tmp_path / 'out'))


def test_a_manifest_survives_its_json(folder, tmp_path):
    manifest = prepare(folder, tmp_path / 'out')
    assert dataclasses.asdict(manifests.load(tmp_path / 'out')) == dataclasses.asdict(manifest)


def test_repaired_and_changed_pictures_are_looked_at_again(folder, tmp_path):
    whole = (folder / 'dog' / '03.jpg').read_bytes()
    (folder / 'dog' / '03.jpg').write_bytes(whole[:300])
    with pytest.raises(errors.DataError, match=r'dog/03\.jpg'):
        prepare(folder, tmp_path / 'out')
    (folder / 'dog' / '03.jpg').write_bytes(whole)
    manifest = prepare(folder, tmp_path / 'out')
    assert manifest.quarantined == 0
    (folder / 'dog' / '03.jpg').write_bytes((folder / 'cat' / '04.jpg').read_bytes() + b'more')
    found = folders.find(str(folder), validation_fraction=0.3)
    with pytest.raises(errors.DataError, match='by its entries sha256'):
        conversion.standing(str(tmp_path / 'out'), found, SETTINGS)


def test_a_shard_of_bad_pictures_only_is_whole(folder, tmp_path):
    (folder / 'dog' / 'text.jpg').write_text('a text')
    manifest = prepare(folder, tmp_path / 'out', shard_examples=1, max_bad_fraction=0.2)
    assert checking.problems(manifest) == []
    (tmp_path / 'out' / 'train-00099-of-00100.tfrecord').write_bytes(b'')
    assert len(checking.problems(manifest)) == 1
