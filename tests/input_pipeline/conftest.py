"""Prepared records for the tests of what reads them."""

import pytest

from input_pipeline.prepare import conversion
from input_pipeline.sources import folder as folder_source


@pytest.fixture(scope='session')
def prepare_folder():
    """A function that prepares a folder of images and returns the manifest."""

    def prepare(root, data_dir, *, held_out=0.3, max_bad_fraction=0.0, executor=None, **settings):
        defaults = {'record_encoding': 'jpeg', 'shard_examples': 8, 'seed': 0}
        return conversion.prepare(
            folder_source.find_images(str(root), validation_fraction=held_out),
            str(data_dir),
            settings=defaults | settings,
            max_bad_fraction=max_bad_fraction,
            report=lambda *_: None,
            executor=executor,
        )

    return prepare


@pytest.fixture(scope='session')
def prepared(prepare_folder, shared_folder, tmp_path_factory):
    """The manifest of 24 images in shards of at most 5; only for reading."""
    directory = tmp_path_factory.mktemp('prepared')
    return prepare_folder(shared_folder, directory, held_out=0.4, shard_examples=5)


@pytest.fixture
def hostile_record():
    """The start of a record that claims 2**62 bytes, with the right checksum of that length."""
    return bytes.fromhex('00000000000000407f85f000') + b'abc'
