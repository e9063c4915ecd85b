"""Checks sources and records in an object store; a file system in memory stands for one."""

import numpy as np
import pytest
from etils import epath
from etils.epath import backend, gpath, register

from input_pipeline import errors, files, locks
from input_pipeline.batches import datasets
from input_pipeline.prepare import conversion
from input_pipeline.records import caching, checking, manifests
from input_pipeline.sources import csv_file, detection, folder, ilsvrc2012

SETTINGS = {'record_encoding': 'jpeg', 'shard_examples': 8, 'seed': 0}


@pytest.fixture
def store(monkeypatch, request):
    monkeypatch.setattr(gpath, '_URI_PREFIXES', (*gpath._URI_PREFIXES, 'ram://'))
    monkeypatch.setattr(gpath, '_URI_SCHEMES', gpath._URI_SCHEMES | {'ram'})
    monkeypatch.setitem(gpath._URI_MAP_ROOT, 'ram://', '/ram/')
    monkeypatch.setitem(gpath._PREFIX_TO_BACKEND, 'ram', backend.tf_backend)
    monkeypatch.setitem(register._URI_PREFIXES_TO_CLS, 'ram://', gpath.PosixGPath)
    root = epath.Path(f'ram://{request.node.name.replace("[", "_").replace("]", "")}')
    root.mkdir()
    yield root
    root.rmtree()


def upload(root, target_root):
    for path in sorted(root.rglob('*')):
        if path.is_file():
            target = target_root / path.relative_to(root).as_posix()
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())


def prepare(root, data_dir):
    source = folder.find_images(str(root), validation_fraction=0.4)
    manifest = conversion.prepare(
        source, str(data_dir), settings=SETTINGS, max_bad_fraction=0, report=lambda *_: None
    )
    return conversion.load_if_current(str(data_dir), source, SETTINGS) and manifest


def read_squares(manifest):
    shards = manifest.list_shards('train')
    batches = datasets.evaluation_dataset(shards, layout=manifest.layout, batch_size=8)
    return [squares.numpy() for squares, _, _ in batches]


def test_a_folder_becomes_the_records_that_it_becomes_on_disk(store, shared_folder, tmp_path):
    upload(shared_folder, store / 'images')
    here = prepare(shared_folder, tmp_path / 'here')
    there = prepare(store / 'images', store / 'records')
    assert there.sha256 == here.sha256
    assert all(path.startswith('ram://') for path, _ in there.list_shards('train'))
    names = {path.name for path in (store / 'records').iterdir()}
    assert names == {path.name for path in (tmp_path / 'here').iterdir()}
    loaded = manifests.load(str(store / 'records'))
    manifests.verify(loaded)
    assert checking.find_problems(loaded) == []
    np.testing.assert_equal(read_squares(loaded), read_squares(here))
    statistics = [vars(manifests.load_statistics(manifest)) for manifest in (here, loaded)]
    np.testing.assert_equal(*statistics)
    cached = caching.copy_to_cache(loaded, tmp_path / 'cache')
    np.testing.assert_equal(read_squares(cached), read_squares(here))


def test_damaged_records_are_refused(store, shared_folder):
    manifest = prepare(shared_folder, store / 'records')
    path = store / 'records' / manifest.splits['train'][0].file
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(errors.DataError, match='the manifest says'):
        manifests.load(str(store / 'records'))
    path.unlink()
    with pytest.raises(errors.DataError, match='is missing'):
        manifests.load(str(store / 'records'))


def test_archives_give_the_entries_that_they_give_on_disk(store, tars2012):
    upload(tars2012, store / 'tars')
    source, _ = detection.detect_source(str(store / 'tars'), '')
    assert source == 'ilsvrc2012'
    here, there = (
        {
            split: [(entry.name, entry.label, entry.read()) for entry in entries]
            for split, entries in ilsvrc2012.find_images(str(root)).splits.items()
        }
        for root in (tars2012, store / 'tars')
    )
    assert here == there


def test_csv_files_in_the_store_and_on_disk_list_its_images(store, shared_folder, tmp_path):
    upload(shared_folder, store)
    paths = [f'{label}/{index:02d}.jpg' for label in ('cat', 'dog') for index in range(12)]
    (store / 'list.csv').write_bytes(
        ('\ufeffpath,label\n' + ''.join(f'{path},{path[:3]}\n' for path in paths)).encode()
    )
    (tmp_path / 'list.csv').write_text(
        'path,label\n' + ''.join(f'{store}/{path},{path[:3]}\n' for path in paths)
    )
    for root in (store, tmp_path):
        source = csv_file.find_images(str(root / 'list.csv'), validation_fraction=0.4)
        contents = {
            entry.name[-10:]: entry.read()
            for entries in source.splits.values()
            for entry in entries
        }
        assert contents == {path: (shared_folder / path).read_bytes() for path in paths}


def test_paths_of_other_schemes_are_refused():
    with pytest.raises(errors.DataError, match='http://a/b: this scheme is not supported'):
        files.as_path('http://a/b')


def test_a_failed_write_leaves_the_old_file(store):
    path = store / 'file'
    files.write_atomically(path, b'old')

    def write_half():
        with files.atomic_file(path) as aside:
            aside.write_bytes(b'half')
            raise KeyError

    with pytest.raises(KeyError):
        write_half()
    assert path.read_bytes() == b'old'
    assert [path.name for path in store.iterdir()] == ['file']
    files.remove_tree(store / 'nowhere')
    with locks.acquire(store):
        pass
