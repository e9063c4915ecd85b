"""Checks that damaged and suspicious archives are refused."""

import gzip
import re
import tarfile

import pytest

from input_pipeline import errors
from input_pipeline.images import headers
from input_pipeline.sources import archives

IMAGE, TAR = re.compile(r'\d\.jpg'), re.compile(r'\w+\.tar')


@pytest.fixture
def path(tmp_path, imitate):
    images = {f'val/{index}.jpg': imitate.make_image(index) for index in range(4)}
    (tmp_path / 'images.tar').write_bytes(imitate.make_tar(images | {'readme.txt': b'read me'}))
    return tmp_path / 'images.tar'


def test_members_are_read_in_place(path, imitate):
    members = list(archives.iter_members(path, IMAGE))
    assert [name for name, _ in members] == ['0.jpg', '1.jpg', '2.jpg', '3.jpg']
    assert [read() for _, read in members] == [imitate.make_image(index) for index in range(4)]


def cut_short(path, imitate):
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def no_end(path, imitate):
    """Cuts where a member ends, which tarfile does not notice."""
    with tarfile.open(path) as archive:
        last = archive.getmembers()[-1].offset
    path.write_bytes(path.read_bytes()[:last])


def compressed(path, imitate):
    path.write_bytes(gzip.compress(path.read_bytes()))


def link(path, imitate):
    with tarfile.open(path, 'a') as archive:
        imitate.add_member(archive, '9.jpg', b'', type=tarfile.SYMTYPE, linkname='/etc/passwd')


def outside(path, imitate):
    with tarfile.open(path, 'a') as archive:
        imitate.add_member(archive, '../9.jpg', imitate.make_image(1))


def twice(path, imitate):
    with tarfile.open(path, 'a') as archive:
        imitate.add_member(archive, 'again/1.jpg', imitate.make_image(1))


def absurd_size(path, imitate):
    with tarfile.open(path, 'a') as archive:
        imitate.add_member(archive, '9.jpg', b'', pax_headers={'size': '9' * 30})


def huge_header(path, imitate):
    """Searching in so many digits takes hours."""
    with tarfile.open(path, 'a') as archive:
        imitate.add_member(archive, '9.jpg', b'', pax_headers={'comment': '9' * 10_000_000})


@pytest.mark.parametrize(
    ('damage', 'message'),
    [
        (huge_header, r'a header of 10,000,\d+ bytes'),
        (cut_short, 'damaged or cut short'),
        (no_end, 'damaged or cut short'),
        (compressed, 'cannot be read as an uncompressed tar'),
        (link, 'is not a regular file'),
        (outside, 'leads outside'),
        (twice, 'holds 1.jpg twice'),
        (absurd_size, 'damaged or cut short'),
    ],
)
def test_damaged_and_suspicious_tars_are_refused(damage, message, path, imitate):
    damage(path, imitate)
    with pytest.raises(errors.DataError, match=message):
        list(archives.iter_members(path, IMAGE))


def test_a_damaged_inner_tar_is_refused(tmp_path, imitate):
    (tmp_path / 'outer.tar').write_bytes(imitate.make_tar({'inner.tar': b'no tar at all' * 100}))
    with pytest.raises(errors.DataError, match=r'inner\.tar cannot be read as an uncompressed tar'):
        list(archives.iter_nested_members(tmp_path / 'outer.tar', TAR, IMAGE))


@pytest.mark.parametrize('is_cut', [True, False])
def test_a_damaged_compressed_tar_is_refused(is_cut, tmp_path, imitate):
    data = bytearray(imitate.make_tar({'labels.txt': bytes(range(256)) * 20}, 'w:gz'))
    if is_cut:
        del data[-20:]
    else:
        data[len(data) // 2] ^= 16
    (tmp_path / 'kit.tar.gz').write_bytes(data)
    with pytest.raises(errors.DataError, match='damaged or cut short'):
        archives.read_files(tmp_path / 'kit.tar.gz', ['labels.txt'])


def test_a_member_is_not_read_if_it_is_too_large_or_the_archive_shrank(path):
    with pytest.raises(ValueError, match='too many bytes'):
        archives.Member(str(path), 0, headers.MAX_BYTES + 1)()
    with pytest.raises(OSError, match='ends at byte'):
        archives.Member(str(path), 0, path.stat().st_size + 1)()
