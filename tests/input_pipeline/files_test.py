"""Files and directories: whole, or as before."""

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


def test_a_write_replaces_the_file_and_creates_its_folder(tmp_path):
    path = tmp_path / 'new' / 'file'
    files.write_atomically(path, b'old')
    files.write_atomically(path, b'new')
    assert path.read_bytes() == b'new'


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
    with pytest.raises(OSError, match='not empty'), files.atomic_directory(path):
        pass
    assert (path / 'old').exists()
    assert len(list(tmp_path.iterdir())) == 1


def test_temporary_files_of_a_killed_process_are_removed(tmp_path):
    (tmp_path / '.1.tflite.tmp-7').write_text('half')
    (tmp_path / '.2.tmp-7').mkdir()
    (tmp_path / '.2.tmp-7' / 'file').write_text('half')
    (tmp_path / 'whole').write_text('whole')
    files.remove_temporary(tmp_path)
    assert list(tmp_path.iterdir()) == [tmp_path / 'whole']


def test_the_sha256_of_a_file_is_the_published_one(tmp_path):
    (tmp_path / 'abc').write_bytes(b'abc')
    assert files.compute_sha256(tmp_path / 'abc').startswith('ba7816bf8f01cfea414140de5dae2223')
