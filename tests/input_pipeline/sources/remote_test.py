"""Sources and records in an object store. TensorFlow's file system in memory stands for one."""

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


def upload(root, to):
    for path in sorted(root.rglob('*')):
        if path.is_file():
            target = to / path.relative_to(root).as_posix()
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())


def prepare(found, out):
    made = conversion.prepare(
        found, str(out), settings=SETTINGS, max_bad_fraction=0, report=lambda *_: None, workers=1
    )
    return conversion.standing(str(out), found, SETTINGS) and made


def pixels(manifest):
    batches = datasets.evaluation(manifest.shards('train'), layout=manifest.layout, batch_size=8)
    return [squares.numpy() for squares, _, _ in batches]


def test_a_folder_to_records_and_back(store, shared_folder, tmp_path):
    upload(shared_folder, store / 'pictures')
    here = prepare(folder.find(str(shared_folder), validation_fraction=0.4), tmp_path / 'here')
    found = folder.find(str(store / 'pictures'), validation_fraction=0.4)
    there = prepare(found, store / 'records')
    assert there.sha256 == here.sha256
    assert all(path.startswith('ram://') for path, _ in there.shards('train'))
    names = {path.name for path in (store / 'records').iterdir()}
    assert names == {path.name for path in (tmp_path / 'here').iterdir()}
    loaded = manifests.load(str(store / 'records'))
    manifests.verify(loaded)
    assert checking.problems(loaded) == []
    np.testing.assert_equal(pixels(loaded), pixels(here))
    statistics = [manifests.statistics(each) for each in (here, loaded)]
    np.testing.assert_equal(*statistics)
    copied = caching.copied(loaded, tmp_path / 'cache')
    np.testing.assert_equal(pixels(copied), pixels(here))


def test_damage_is_noticed(store, shared_folder):
    made = prepare(folder.find(str(shared_folder), validation_fraction=0.4), store / 'records')
    path = store / 'records' / made.splits['train'][0].file
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(errors.DataError, match='the manifest says'):
        manifests.load(str(store / 'records'))
    path.unlink()
    with pytest.raises(errors.DataError, match='is missing'):
        manifests.load(str(store / 'records'))


def test_archives(store, tars2012):
    upload(tars2012, store / 'tars')
    source, _ = detection.source_of(str(store / 'tars'), '')
    assert source == 'ilsvrc2012'
    here, there = ilsvrc2012.find(str(tars2012)), ilsvrc2012.find(str(store / 'tars'))
    for split in here.splits:
        for one, other in zip(here.splits[split], there.splits[split], strict=True):
            assert (one.name, one.label, one.read()) == (other.name, other.label, other.read())


def test_a_list_there_and_a_list_here_of_pictures_there(store, shared_folder, tmp_path):
    upload(shared_folder, store)
    paths = [f'{label}/{at:02d}.jpg' for label in ('cat', 'dog') for at in range(12)]
    (store / 'list.csv').write_bytes(
        ('\ufeffpath,label\n' + ''.join(f'{each},{each[:3]}\n' for each in paths)).encode()
    )
    (tmp_path / 'list.csv').write_text(
        'path,label\n' + ''.join(f'{store}/{each},{each[:3]}\n' for each in paths)
    )
    for place in (store, tmp_path):
        found = csv_file.find(str(place / 'list.csv'), validation_fraction=0.4)
        read = {each.name[-10:]: each.read() for part in found.splits.values() for each in part}
        assert read == {each: (shared_folder / each).read_bytes() for each in paths}


def test_paths_of_no_kind_are_refused():
    with pytest.raises(errors.DataError, match='http://a/b: such paths are not read'):
        files.at('http://a/b')


def test_what_fails_leaves_nothing(store):
    path = store / 'file'
    files.write_atomically(path, b'old')

    def half():
        with files.atomic_file(path) as aside:
            aside.write_bytes(b'half')
            raise KeyError

    with pytest.raises(KeyError):
        half()
    assert path.read_bytes() == b'old'
    assert [each.name for each in store.iterdir()] == ['file']
    files.remove_tree(store / 'nowhere')
    with locks.held(store):
        pass
