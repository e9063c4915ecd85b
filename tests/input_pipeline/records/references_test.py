"""Checks references to unprepared images: what they are made of, and what is noticed."""

import dataclasses
import io
import pathlib
import struct

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from input_pipeline.images import rendering
from input_pipeline.records import indexing, manifests, references, statistics
from input_pipeline.sources import archives, entries

LAYOUT = manifests.Layout('reference', 8, image=references.FEATURE, rendering=rendering.PLAIN)


def encode(kind='JPEG', size=(20, 10)):
    buffer = io.BytesIO()
    PIL.Image.new('RGB', size, (200, 100, 50)).save(buffer, kind)
    return buffer.getvalue()


def make_entry(path, label=0):
    return entries.Entry(path.name, label, entries.ImageFile.from_path(str(path)))


@pytest.fixture
def file(tmp_path):
    path = tmp_path / 'cats' / '\udcff 1.jpg'  # a name that is not UTF-8
    path.parent.mkdir()
    path.write_bytes(encode())
    return path


def count_bytes_read():
    return int(pathlib.Path('/proc/self/io').read_text().split()[1])


def read(reference, root):
    return references.read(tf.constant(reference), str(root)).encoded.numpy()


def test_a_reference_is_the_place_the_size_and_the_hash(file, tmp_path):
    image = file.read_bytes()
    reference = references.create(entries.ImageFile.from_path(str(file)), image, str(tmp_path))
    numbers = struct.unpack('<qqqq', reference[:32])
    assert numbers == (0, len(image), len(image), 0)
    assert reference[40:] == b'cats/\xff 1.jpg'
    assert read(reference, tmp_path) == image
    assert references.locate(reference).describe('/there') == '/there/cats/\udcff 1.jpg'


def test_a_part_of_a_file_is_read_alone(tmp_path):
    image, path = encode(), tmp_path / 'archive'
    path.write_bytes(b'before' + image + b'behind')
    member = archives.Member(str(path), 0, 6 + len(image))  # as a record has more than its image
    reference = references.create(member, image, '/elsewhere')
    assert read(reference, '/elsewhere') == image
    assert references.locate(reference).describe('/') == f'{path} from byte 6'


@pytest.mark.parametrize('offset', [0, 6])
def test_a_file_of_another_size_is_an_error_that_names_it(tmp_path, offset):
    image, path = encode(), tmp_path / 'archive'
    path.write_bytes(bytes(offset) + image)
    reference = references.create(archives.Member(str(path), offset, len(image)), image, '')
    path.write_bytes(path.read_bytes() + b'more')
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError), match=str(path)):
        read(reference, '')


def test_a_part_of_a_file_is_read_without_what_comes_before(tmp_path):
    image, offset = encode(), 50_000_000
    path = tmp_path / 'archive'
    with path.open('wb') as file:
        file.seek(offset)
        file.write(image)
    reference = references.create(archives.Member(str(path), offset, len(image)), image, '')
    read(reference, '')  # traces
    before = count_bytes_read()
    assert read(reference, '') == image
    assert count_bytes_read() - before < 1_000_000


def test_what_lies_in_no_file_is_a_copy():
    image = encode()
    assert references.create(lambda: image, image, '') is None
    assert read(references.copy(image), '/') == image
    assert references.locate(references.copy(image)).path == ''


def test_bytes_that_are_decompressed_are_in_no_file(tmp_path):
    path = tmp_path / 'image.gz'
    path.write_bytes(b'compressed')
    assert references.create(archives.Member(str(path), 0, 10), encode(), '') is None


def test_a_copy_is_the_square_that_is_rendered(tmp_path):
    image = encode('PNG')
    entry = entries.Entry('a', 0, lambda: image)
    kind, treatments, reference = indexing.refer(entry, image, LAYOUT, None)
    assert (kind, treatments) == ('PNG', ('copied to the index: PNG',))
    square = np.asarray(PIL.Image.open(io.BytesIO(read(reference, '/'))))
    np.testing.assert_array_equal(square, np.full((8, 8, 3), (200, 100, 50)))


def test_an_image_cut_short_is_noticed_without_decoding_the_others(file, monkeypatch):
    decoded = []
    render = rendering.render_square
    monkeypatch.setattr(
        indexing.rendering_lib, 'render_square', lambda *args: decoded.append(1) or render(*args)
    )
    indexing.refer(make_entry(file), file.read_bytes(), LAYOUT, None)
    assert not decoded
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(tf.errors.InvalidArgumentError):
        indexing.refer(make_entry(file), file.read_bytes(), LAYOUT, None)


def test_sampled_images_count_for_the_statistics(file):
    sums = statistics.PixelSums(8)
    _, _, reference = indexing.refer(make_entry(file), file.read_bytes(), LAYOUT, sums)
    assert references.locate(reference).path
    assert sums.to_arrays()['count'] == 1


def test_the_hash_of_an_index_does_not_depend_on_where_it_lies(tmp_path):
    manifest = manifests.Manifest(
        tmp_path, 'folder', ('a', 'b'), (), (), LAYOUT, {}, {}, {}, {}, {}, '', 0, 0, {}
    )
    there = dataclasses.replace(LAYOUT, root='/there')
    moved = dataclasses.replace(manifest, layout=there)
    assert moved.sha256 == manifest.sha256
    (tmp_path / manifests.MANIFEST).write_text(moved.to_json())
    assert manifests.read(tmp_path).layout == there


def test_parents_behind_a_link_are_those_of_where_it_leads(tmp_path):
    """`lists/../images` is beside what `lists` leads to, and not beside the link."""
    for folder in ('project', 'data/lists', 'data/images'):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / 'data' / 'images' / 'a.jpg').write_bytes(b'a')
    (tmp_path / 'project' / 'lists').symlink_to(tmp_path / 'data' / 'lists')
    lists = tmp_path / 'project' / 'lists'
    path = references.make_relative(f'{lists}/../images/a.jpg', str(lists))
    assert pathlib.Path(path).read_bytes() == b'a'


def test_images_beside_the_working_directory_are_relative_to_their_folder(tmp_path, monkeypatch):
    """Also where that folder is a link: '..' before it is what it says."""
    for folder in ('work', 'disk/photos'):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / 'photos').symlink_to(tmp_path / 'disk' / 'photos')
    monkeypatch.chdir(tmp_path / 'work')
    assert references.make_relative('../photos/a.jpg', str(tmp_path / 'photos')) == 'a.jpg'
