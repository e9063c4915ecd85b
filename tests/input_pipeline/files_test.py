"""Files and directories: whole, or as before."""

import pytest

from input_pipeline import files


def fail_in(context):
    with context as aside:
        (aside / 'file' if aside.is_dir() else aside).write_text('half')
        raise RuntimeError('half')


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / 'file'
    files.write_atomically(path, b'old')
    with pytest.raises(RuntimeError, match='half'):
        fail_in(files.atomic_file(path))
    assert path.read_bytes() == b'old'
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_replaces_the_file_and_makes_its_folder(tmp_path):
    path = tmp_path / 'new' / 'file'
    files.write_atomically(path, b'old')
    files.write_atomically(path, b'new')
    assert path.read_bytes() == b'new'


def test_a_directory_is_whole_or_not_there(tmp_path):
    path = tmp_path / 'made'
    with pytest.raises(RuntimeError, match='half'):
        fail_in(files.atomic_directory(path))
    assert list(tmp_path.iterdir()) == []
    with files.atomic_directory(path) as aside:
        (aside / 'sub').mkdir()
        (aside / 'sub' / 'file').write_text('whole')
    assert (path / 'sub' / 'file').read_text() == 'whole'


def test_a_standing_directory_is_not_replaced(tmp_path):
    (tmp_path / 'made').mkdir()
    (tmp_path / 'made' / 'old').write_text('')
    with pytest.raises(OSError, match='not empty'), files.atomic_directory(tmp_path / 'made'):
        pass
    assert (tmp_path / 'made' / 'old').exists()
    assert len(list(tmp_path.iterdir())) == 1


def test_what_a_killed_process_left_is_removed(tmp_path):
    (tmp_path / '.1.tflite.tmp-7').write_text('half')
    (tmp_path / '.2.tmp-7').mkdir()
    (tmp_path / '.2.tmp-7' / 'file').write_text('half')
    (tmp_path / 'whole').write_text('whole')
    files.clear_left_aside(tmp_path)
    assert list(tmp_path.iterdir()) == [tmp_path / 'whole']


def test_sha256(tmp_path):
    (tmp_path / 'abc').write_bytes(b'abc')
    assert files.sha256(tmp_path / 'abc').startswith('ba7816bf8f01cfea414140de5dae2223')
