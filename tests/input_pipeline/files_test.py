"""Files and directories: whole, or as before."""

import contextlib
import errno
import os
import pathlib
import resource
import stat
import tempfile
import unittest.mock

import numpy as np
import pytest

from input_pipeline import files


def fail_in(context):
    with context as temporary:
        (temporary / 'file' if temporary.is_dir() else temporary).write_text('half')
        raise RuntimeError('half')


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / 'file'
    files.write_atomically(path, b'old')
    with pytest.raises(RuntimeError, match='half'):
        fail_in(files.atomic_file(path))
    assert path.read_bytes() == b'old'
    assert list(tmp_path.iterdir()) == [path]


@contextlib.contextmanager
def small_disk():
    """Lets this process write files of at most 1000 bytes. Pytest may not: keep it short."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def save_array(path):
    with files.atomic_file(path) as temporary, open(temporary, 'wb') as file:
        np.save(file, np.zeros(1000))


def save_arrays(path):
    with files.atomic_directory(path) as temporary:
        np.savez(temporary / 'arrays.npz', zeros=np.zeros(1000))


@pytest.mark.parametrize(
    ('write', 'number'),
    [
        (lambda path: files.write_atomically(path, bytes(2000)), errno.EFBIG),
        (save_array, errno.EIO),
        (save_arrays, errno.EFBIG),
    ],
)
def test_a_full_disk_gives_an_error_with_a_number_and_the_path(tmp_path, write, number):
    with pytest.raises(OSError, match='new') as raised, small_disk():
        write(tmp_path / 'new')
    assert raised.value.errno == number
    assert raised.value.filename == str(tmp_path / 'new')
    assert not list(tmp_path.iterdir())


def test_a_write_replaces_the_file_and_creates_its_folder(tmp_path):
    path = tmp_path / 'new' / 'file'
    files.write_atomically(path, b'old')
    files.write_atomically(path, b'new')
    assert path.read_bytes() == b'new'


def test_an_output_may_be_a_link_or_a_pipe(tmp_path):
    (tmp_path / 'link').symlink_to(tmp_path / 'file')
    for text in ('first', 'second'):
        with files.output_file(tmp_path / 'link') as path:
            path.write_text(text)
        assert (tmp_path / 'link').is_symlink()
        assert (tmp_path / 'file').read_text() == text
    os.mkfifo(pipe := tmp_path / 'pipe')
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with files.output_file(pipe) as path:
        path.write_text('through')
    assert os.read(reader, 100) == b'through'
    os.close(reader)
    with files.output_file('/dev/null') as path:
        assert str(path) == '/dev/null'
    assert {path.name for path in tmp_path.iterdir()} == {'link', 'file', 'pipe'}


def test_a_name_that_is_too_long_does_not_exist(tmp_path):
    assert files.exists(tmp_path)
    assert not files.exists(tmp_path / ('a' * 300))
    assert not files.exists('')


def test_a_directory_may_be_the_working_directory(tmp_path, monkeypatch):
    (folder := tmp_path / 'here').mkdir()
    monkeypatch.chdir(folder)
    with files.atomic_directory('.') as temporary:
        (temporary / 'file').write_text('')
    assert [path.name for path in tmp_path.iterdir()] == ['here']
    assert (folder / 'file').exists()


def test_a_directory_is_whole_or_absent(tmp_path):
    path = tmp_path / 'directory'
    with pytest.raises(RuntimeError, match='half'):
        fail_in(files.atomic_directory(path))
    assert list(tmp_path.iterdir()) == []
    with files.atomic_directory(path) as temporary:
        (temporary / 'sub').mkdir()
        (temporary / 'sub' / 'file').write_text('whole')
    assert (path / 'sub' / 'file').read_text() == 'whole'


def test_an_existing_directory_is_not_replaced(tmp_path):
    path = tmp_path / 'directory'
    path.mkdir()
    (path / 'old').write_text('')
    with pytest.raises(FileExistsError), files.atomic_directory(path):
        pass
    assert (path / 'old').exists()
    assert len(list(tmp_path.iterdir())) == 1


def test_temporary_files_of_a_killed_process_are_removed(tmp_path):
    (tmp_path / '.1.tflite.tmp-7-0123abcd').write_text('half')
    (tmp_path / '.2.tmp-7-0123abcd').mkdir()
    (tmp_path / '.2.tmp-7-0123abcd' / 'file').write_text('half')
    (tmp_path / '.link.tmp-7-0123abcd').symlink_to(tmp_path)  # as a probe for links makes it
    (tmp_path / 'whole').write_text('whole')
    files.remove_temporary(tmp_path)
    assert list(tmp_path.iterdir()) == [tmp_path / 'whole']


def test_clean_up_removes_no_files_of_others(tmp_path):
    (tmp_path / '.notes.tmp-2024').mkdir()
    with (
        tempfile.TemporaryDirectory(dir=tmp_path, prefix='.1.onnx.tmp-') as in_use,
        files.atomic_file(tmp_path / 'file') as temporary,
    ):
        temporary.write_text('half')
        assert files.find_temporary(tmp_path) == [temporary]
        files.remove_temporary(tmp_path)
        assert not temporary.exists()
        temporary.write_text('whole')
        assert sorted(tmp_path.iterdir()) == [
            tmp_path / in_use,
            temporary,
            tmp_path / '.notes.tmp-2024',
        ]


def test_the_sha256_of_a_file_is_the_published_one(tmp_path):
    (tmp_path / 'abc').write_bytes(b'abc')
    assert files.compute_sha256(tmp_path / 'abc').startswith('ba7816bf8f01cfea414140de5dae2223')


def test_a_disk_that_cannot_flush_directories_is_used(tmp_path, monkeypatch):
    fsync = os.fsync

    def refuse_directories(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, 'Invalid argument')
        fsync(descriptor)

    monkeypatch.setattr(os, 'fsync', refuse_directories)
    files.write_atomically(tmp_path / 'file', b'data')
    with files.atomic_directory(tmp_path / 'folder') as temporary:
        (temporary / 'file').write_bytes(b'data')
    assert (tmp_path / 'folder' / 'file').read_bytes() == (tmp_path / 'file').read_bytes()


def test_processes_of_the_same_number_share_no_temporary_file(tmp_path):
    """Those of two containers, perhaps."""
    with files.atomic_file(tmp_path / 'a') as first, files.atomic_file(tmp_path / 'a') as second:
        assert first != second
        first.write_bytes(b'1')
        second.write_bytes(b'2')
    assert (tmp_path / 'a').read_bytes() in (b'1', b'2')
    assert [path.name for path in tmp_path.iterdir()] == ['a']


def test_a_link_to_a_disk_that_flushes_nothing_can_be_made(tmp_path, monkeypatch):
    """Records on a read-only image of a disk."""
    (tmp_path / 'records').write_bytes(b'data')
    fsync = os.fsync

    def refuse_the_records(descriptor):
        if os.fstat(descriptor).st_ino == os.stat(tmp_path / 'records').st_ino:
            raise OSError(errno.EINVAL, 'Invalid argument')
        fsync(descriptor)

    monkeypatch.setattr(os, 'fsync', refuse_the_records)
    with files.atomic_file(tmp_path / 'link') as temporary:
        temporary.symlink_to(tmp_path / 'records')
    assert (tmp_path / 'link').read_bytes() == b'data'


def test_a_disk_may_have_no_links(tmp_path, monkeypatch):
    assert files.has_links(tmp_path)
    assert not list(tmp_path.iterdir())
    for number, has_links in ((errno.ENOTSUP, False), (errno.EROFS, True)):
        error = OSError(number, os.strerror(number))
        monkeypatch.setattr(pathlib.Path, 'symlink_to', unittest.mock.Mock(side_effect=error))
        assert files.has_links(tmp_path) is has_links
    error.errno = errno.ENOSPC
    with pytest.raises(OSError, match='Read-only'):
        files.has_links(tmp_path)
