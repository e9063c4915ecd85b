"""Checks that a --data_dir of images is indexed once, and that what has changed is refused."""

import dataclasses
import functools
import os
import pathlib
import shutil

import pytest
import tensorflow as tf

from alexnet_tf.commands import experiment, prepare
from alexnet_tf.config import fields, schema
from alexnet_tf.runs import image_index, image_sources, training_data
from input_pipeline import errors
from input_pipeline.images import rendering
from input_pipeline.records import caching, checking, manifests, reading, references
from input_pipeline.sources import snapshots


def configure(data_dir, **settings):
    data = schema.Data(data_dir=str(data_dir), **({'statistics': 'imagenet'} | settings))
    return schema.Config(mode='train', seed=7, data=data, given=frozenset(settings))


@pytest.fixture
def images(shared_folder, tmp_path, monkeypatch):
    """A folder of images beside a working directory."""
    (tmp_path / 'work').mkdir()
    monkeypatch.chdir(tmp_path / 'work')
    return shutil.copytree(shared_folder, tmp_path / 'photos')


def read_images(manifest):
    paths = [path for path, _ in manifest.list_shards('validation')]
    encoded, _ = reading.parse_records(
        list(tf.data.TFRecordDataset(paths).as_numpy_iterator()), manifest.layout
    )
    return [
        references.read(reference, manifest.layout.root).encoded.numpy() for reference in encoded
    ]


def test_advice_names_the_flag_that_names_the_images(images):
    for name in ('train', 'val'):
        (images / name).mkdir()
    for folder in ('cat', 'dog'):
        (images / folder).rename(images / 'train' / folder)
    with pytest.raises(errors.DataError, match=f'pass --data_dir={images}/train to hold out'):
        image_index.load_manifest(configure(images))


def test_a_missing_package_is_named_as_such(images, monkeypatch):
    def fail(*_, **__):
        raise errors.PackageMissing('--source_dir: install SciPy')

    monkeypatch.setattr(image_sources, 'find_images', fail)
    with pytest.raises(errors.PackageMissing, match='--data_dir: install SciPy'):
        image_index.load_manifest(configure(images))


def test_images_are_indexed_once(images, capsys, monkeypatch):
    first = image_index.load_manifest(configure(images, statistics='5'))
    assert first.directory == pathlib.Path('data/photos-index')
    total = first.count_examples('train')
    printed = capsys.readouterr().out
    assert f'the index of the images is in {first.directory}; mean image' in printed
    assert f' 5 of {total} training images' in printed
    monkeypatch.setattr(image_index, 'build', None)
    by_default = schema.Config(data=schema.Data(data_dir=str(images)))
    assert image_index.load_manifest(by_default).sha256 == first.sha256
    assert image_index.load_manifest(configure(first.directory)).sha256 == first.sha256
    assert not capsys.readouterr().out
    with pytest.raises(fields.UsageError, match=r'--statistics=6: .* built with 5\.'):
        image_index.load_manifest(configure(images, statistics='6'))


def write_compressed_records(directory, images):
    """Writes TFRecords that an index must copy; the class is that of the folder."""
    directory.mkdir()
    for split in ('train', 'validation'):
        path = str(directory / f'{split}-00000-of-00001')
        with tf.io.TFRecordWriter(path, tf.io.TFRecordOptions('GZIP')) as writer:
            for label, folder in enumerate(sorted(images.iterdir())):
                image = tf.train.BytesList(value=[next(folder.iterdir()).read_bytes()])
                features = {
                    'image/encoded': tf.train.Feature(bytes_list=image),
                    'image/class/label': tf.train.Feature(
                        int64_list=tf.train.Int64List(value=[label])
                    ),
                }
                example = tf.train.Example(features=tf.train.Features(feature=features))
                writer.write(example.SerializeToString())


def test_other_images_do_not_replace_the_copies_of_an_index(images, tmp_path):
    def index(name):
        data = schema.Data(
            source_dir=str(tmp_path / name),
            data_dir=str(tmp_path / 'index'),
            record_encoding=references.ENCODING,
            statistics='imagenet',
        )
        prepare.run(schema.Config(mode='prepare', data=data))

    write_compressed_records(tmp_path / 'first', images)
    for folder in images.iterdir():
        next(folder.iterdir()).unlink()
    write_compressed_records(tmp_path / 'second', images)
    index('first')
    stored = read_images(manifests.load(str(tmp_path / 'index')))
    with pytest.raises(errors.DataError, match='another data set'):
        index('second')
    assert read_images(manifests.load(str(tmp_path / 'index'))) == stored
    index('first')


def test_statistics_of_another_file_are_refused(images, tmp_path):
    index = image_index.load_manifest(configure(images))
    assert image_index.load_manifest(configure(images)).sha256 == index.sha256
    arrays = manifests.load_arrays(index.directory / manifests.STATISTICS)
    arrays['eigenvalues'][0] += 1
    manifests.save_arrays(tmp_path / 'other.npz', arrays)
    other = configure(images, statistics=str(tmp_path / 'other.npz'))
    with pytest.raises(fields.UsageError, match=r'--statistics=.* was built with others'):
        image_index.load_manifest(other)
    data = dataclasses.replace(
        other.data,
        **{'source_dir': str(images), 'data_dir': str(index.directory)},
        record_encoding=references.ENCODING,
    )
    with pytest.raises(fields.UsageError, match='was built with others'):
        prepare.run(dataclasses.replace(other, mode='prepare', seed=0, data=data))
    (tmp_path / 'other.npz').unlink()
    with pytest.raises(errors.DataError, match='Or leave the flag out'):
        image_index.load_manifest(other)


def test_prepare_builds_the_same_index_where_it_is_told(images):
    own = image_index.load_manifest(configure(images, validation_fraction=0.4))
    data = {'source_dir': str(images), 'record_encoding': 'reference', 'statistics': 'imagenet'}
    data = schema.Data(data_dir='elsewhere', validation_fraction=0.4, **data)
    assert prepare.run(schema.Config(mode='prepare', data=data))[1] == 'train'
    assert manifests.load('elsewhere').sha256 == own.sha256
    assert prepare.run(schema.Config(mode='prepare', data=data))[1] == 'train'  # which is prepared


def test_flags_that_contradict_the_index_are_refused(images):
    built = {'validation_fraction': 0.4, 'background': 'black', 'exif_orientation': 'off'}
    image_index.load_manifest(configure(images, **built))
    image_index.load_manifest(configure(images))
    for name, value, kept in (
        ('validation_fraction', 0.2, '0.4'),  # the default, which is refused if it is given
        ('validation_fraction', 0.3, '0.4'),
        ('exif_orientation', 'on', 'off'),
        ('statistics', '2000', 'known statistics'),
    ):
        with pytest.raises(fields.UsageError, match=rf'--{name}={value}: .* built with {kept}\.'):
            image_index.load_manifest(configure(images, **{name: value}))


def test_changed_images_are_refused(images, tmp_path):
    index = image_index.load_manifest(configure(images))
    (next(images.glob('*/*')).parent / 'more.jpg').write_bytes(b'new')
    for place in (images, index.directory):
        with pytest.raises(errors.DataError, match=r'changed since .*more\.jpg is new\. Delete'):
            image_index.load_manifest(configure(place))
    other = shutil.copytree(images, tmp_path / 'other' / 'photos')
    with pytest.raises(errors.DataError, match=f'is the index of images in {images}, not in'):
        image_index.load_manifest(configure(other))


def test_prepare_finds_no_index_current_whose_images_have_changed(images):
    data = {'source_dir': str(images), 'record_encoding': 'reference', 'statistics': 'imagenet'}
    config = schema.Config(mode='prepare', data=schema.Data(data_dir='own', **data))
    assert prepare.run(config) == (config, 'train')
    os.utime(next(images.glob('*/*.jpg')), ns=(0, 1))
    with pytest.raises(errors.DataError, match='The images have changed since own was built'):
        prepare.run(config)


def test_an_image_that_was_damaged_later_is_named(images, monkeypatch):
    index = image_index.load_manifest(configure(images))
    shards = index.list_shards('validation')
    path = images / checking.read_names(shards)[0]
    assert not checking.find_problems(index)
    path.write_bytes(bytes(path.stat().st_size))
    assert checking.find_problems(index) == [f'The image {path} is not what was indexed.']
    error = tf.errors.InvalidArgumentError(None, None, 'of some image')

    def fail(*_):  # as decoding does, which takes seconds to trace
        raise error

    monkeypatch.setattr(checking.reading, 'decode_squares', fail)
    find = functools.partial(checking.find_first_unreadable, shards, index.layout)
    with (
        pytest.raises(
            errors.DataError, match=f'^The image {path} is damaged .*Repair it, or remove'
        ),
        checking.explain_read_errors('', find),
    ):
        raise error


def test_the_cache_copies_the_images(images, tmp_path):
    index = image_index.load_manifest(configure(images))
    expected = read_images(index)
    copy = caching.copy_to_cache(index, tmp_path / 'cache')
    assert copy.sha256 == index.sha256
    next(path for path in copy.directory.glob('images/**/*') if path.is_file()).unlink()
    caching.copy_to_cache(index, tmp_path / 'cache')  # which makes it whole again
    shutil.rmtree(images)
    assert read_images(copy) == expected


@pytest.mark.parametrize(
    ('content', 'kind'),
    [
        (['manifest.json', 'a/1.jpg'], ''),
        (['.unfinished/note', 'a/1.jpg'], ''),
        (['1.jpg'], ''),
        (['a/1.jpg', 'b/1.jpg'], 'folder'),
        (['train-00000-of-00001'], 'records'),
        (['train-00000-of-00001', 'statistics.npz'], ''),  # the manifest was lost
    ],
)
def test_what_a_directory_holds_is_detected(tmp_path, content, kind):
    for name in content:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert image_index.detect_images(schema.Data(data_dir=str(tmp_path))) == kind


def test_lists_and_names_are_detected(tmp_path):
    (tmp_path / 'list.csv').touch()
    (tmp_path / 'images.tar').touch()
    places = {str(tmp_path / 'list.csv'): 'csv', str(tmp_path / 'images.tar'): ''}
    places |= {'tfds:mnist': 'tfds', str(tmp_path / 'missing'): ''}
    for place, kind in places.items():
        assert image_index.detect_images(schema.Data(data_dir=place)) == kind


def test_a_data_set_by_name_does_not_lie_in_the_directory_for_its_records(tmp_path):
    assert image_index.detect_images(schema.Data(source='tfds', data_dir=str(tmp_path))) == ''


def test_statistics_of_no_images_are_refused():
    with pytest.raises(fields.UsageError, match='--statistics=0: expected a number'):
        image_index.collect_settings(configure('', statistics='0'))


def test_flags_override_how_images_are_shown():
    data = schema.Data(background='#0f0', colour_profiles='off')
    shown = image_sources.choose_rendering(data, rendering.OWN_IMAGES)
    assert shown == rendering.Rendering(True, False, '#00ff00')
    assert image_sources.choose_rendering(schema.Data(), rendering.PLAIN) == rendering.PLAIN
    with pytest.raises(fields.UsageError, match='--background=nice: expected #rrggbb'):
        image_sources.choose_rendering(schema.Data(background='nice'), rendering.PLAIN)


def test_lists_and_folders_of_like_names_have_indexes_of_their_own(images):
    """Their images are in one folder, so that only the list tells them apart."""
    rows = [f'{path},{path.parent.name}' for path in sorted(images.rglob('*.jpg'))]
    lists = images.with_name('fold.1.csv'), images.with_name('fold.2.csv')
    for path, own in zip(lists, (rows[::2], rows[1::2]), strict=True):
        path.write_text('\n'.join(['path,label', *own]) + '\n')
    first, second = (image_index.load_manifest(configure(path)) for path in lists)
    assert first.directory.name == 'fold.1-index'
    assert first.entries_sha256 != second.entries_sha256
    same_name = images.with_name('photos.csv')  # as the folder
    same_name.write_text(lists[0].read_text())
    image_index.load_manifest(configure(same_name))
    with pytest.raises(errors.DataError, match=r'is the index of images in .*photos\.csv, not in'):
        image_index.load_manifest(configure(images))


def test_another_kind_of_source_than_the_index_has_is_refused(images):
    image_index.load_manifest(configure(images))
    with pytest.raises(fields.UsageError, match=r'--source=csv: .* was built as folder'):
        image_index.load_manifest(configure(images, source='csv'))


def test_another_split_of_a_data_set_than_the_index_has_is_refused(images, monkeypatch):
    monkeypatch.setattr(snapshots, 'read_place', lambda directory: '')
    manifest = image_index.load_manifest(configure(images))
    layout = dataclasses.replace(manifest.layout, root=str(manifest.directory.resolve()))
    manifest = dataclasses.replace(manifest, source='tfds', layout=layout)
    config = configure('tfds:mnist', train_split='train[:80%]')
    data = config.data
    image_index._check_index(config, manifest)  # of an older version, which kept no splits
    kept = image_index.collect_settings(
        schema.Config(data=dataclasses.replace(data, dataset='mnist', train_split=''))
    )
    assert kept['train_split'] == ''
    manifest = dataclasses.replace(manifest, settings=manifest.settings | kept)
    with pytest.raises(fields.UsageError, match=r'--train_split=train\[:80%\]: .* the default'):
        image_index._check_index(config, manifest)


def test_records_are_not_written_among_images(images):
    data = schema.Data(data_dir=str(images))
    before = sorted(images.rglob('*'))
    with pytest.raises(fields.UsageError, match='it holds images, which train reads unprepared'):
        prepare.run(schema.Config(mode='prepare', data=data))
    assert sorted(images.rglob('*')) == before
    (images.parent / 'empty').mkdir()
    data = schema.Data(data_dir=str(images.parent / 'empty'), source='folder')
    with pytest.raises(fields.UsageError, match='--source=folder needs --source_dir'):
        prepare.run(schema.Config(mode='prepare', data=data))


def test_a_run_among_the_images_is_refused(images):
    run_dir = str(images / 'runs' / 'mine')
    config = dataclasses.replace(configure(images), run_dir=run_dir)
    with pytest.raises(fields.UsageError, match='its files would be taken for images'):
        training_data.load_manifest(config)
    training_data.load_manifest(dataclasses.replace(config, mode='benchmark'))  # writes none
    experiment_dir = str(images / 'grid')
    settings = dataclasses.replace(
        schema.Experiment(), grid='seed=1|2', experiment_dir=experiment_dir
    )
    with pytest.raises(fields.UsageError, match=f'--experiment_dir={experiment_dir} lies in'):
        experiment.run(dataclasses.replace(config, mode='experiment', experiment=settings))
