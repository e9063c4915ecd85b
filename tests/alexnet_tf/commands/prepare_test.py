"""prepare through its front door: interrupted anywhere, dry, leaking, twice at once."""

import hashlib
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys

import numpy as np
import PIL.Image
import pytest

from alexnet_tf import main

EACH, CLASSES = 60, ('cat', 'dog', 'eel')


@pytest.fixture(scope='module')
def many(tmp_path_factory):
    """180 small pictures."""
    root = tmp_path_factory.mktemp('many')
    for label, name in enumerate(CLASSES):
        (root / name).mkdir()
        for at in range(EACH):
            pixels = np.random.default_rng([label, at]).integers(0, 256, (40, 50, 3), np.uint8)
            PIL.Image.fromarray(pixels).save(root / name / f'{at:03d}.png')
    return root


def flags(many, data_dir, *more):
    where = [f'--source_dir={many}', f'--data_dir={data_dir}', '--shard_examples=16']
    return ['alexnet_tf', '--mode=prepare', *where, *more]


def content(data_dir):
    files = sorted(each for each in pathlib.Path(data_dir).rglob('*') if each.is_file())
    return {
        each.relative_to(data_dir).as_posix(): hashlib.sha256(each.read_bytes()).hexdigest()
        for each in files
        if each.name != '.lock'
    }


@pytest.fixture(scope='module')
def whole(many, tmp_path_factory):
    data_dir = tmp_path_factory.mktemp('whole')
    assert main.main(flags(many, data_dir)) == 0
    return content(data_dir)


# Runs the workflow in a child for each line, a number: at so many reads, flushes and renames the
# child kills itself. Children need not import TensorFlow anew.
PROGRAM = """
import os, signal, sys
import tensorflow
from alexnet_tf import main
from input_pipeline import files
from input_pipeline.sources import entry
left = 0
def killing(function):
    def call(*arguments):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments)
    return call
entry.File.__call__ = killing(entry.File.__call__)
files.os.fsync, files.os.replace = killing(os.fsync), killing(os.replace)
for line in sys.stdin:
    left = int(line)
    if os.fork() == 0:
        os._exit(main.main(sys.argv))
    _, status = os.wait()
    print('killed' if os.WIFSIGNALED(status) else 'done', flush=True)
"""


@pytest.mark.slow
def test_killed_at_any_moment_and_begun_again(many, whole, tmp_path):
    """Finished shards are not written again, and all is as if nothing had happened."""
    moments, data_dir = random.Random(1), tmp_path / 'data'
    parent = subprocess.Popen(
        [sys.executable, '-c', PROGRAM, *flags(many, data_dir)[1:]],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    kept, kills = set(), 0
    for _ in range(60):
        if (data_dir / 'manifest.json').exists():
            break
        parent.stdin.write(f'{moments.randint(1, 120)}\n')
        parent.stdin.flush()
        while (line := parent.stdout.readline()) not in ('killed\n', 'done\n'):
            assert line.startswith(('prepare:', 'split', '---', 'train', 'validation'))
        kills += line == 'killed\n'
        noted = {each.name.removesuffix('.json') for each in data_dir.glob('.unfinished/*.json')}
        now = {
            (each.name, each.stat().st_mtime_ns)
            for each in data_dir.glob('*.tfrecord')
            if each.name in noted or line == 'done\n'
        }
        assert kept <= now
        kept = now
    parent.communicate()
    assert kills >= 4
    assert main.main(flags(many, data_dir)) == 0
    assert content(data_dir) == whole


@pytest.mark.slow
def test_beam_writes_the_same_bytes(many, whole, tmp_path):
    options = '--beam_options=--runner=DirectRunner --direct_num_workers=1'
    assert main.main(flags(many, tmp_path / 'data', '--engine=beam', options)) == 0
    assert content(tmp_path / 'data') == whole


def test_a_dry_run_touches_nothing(many, tmp_path, capsys):
    def stamps():
        return {
            str(each): (each.stat().st_ino, each.stat().st_mtime_ns)
            for each in [tmp_path, *tmp_path.rglob('*'), many, *many.rglob('*')]
        }

    before = stamps()
    assert main.main(flags(many, tmp_path / 'data', '--dry_run')) == 0
    assert stamps() == before
    out = capsys.readouterr().out
    assert '--source=folder, for it is like no other source' in out
    assert '3 classes, records in jpeg' in out
    assert 'GB needed' in out
    assert 'nothing was written' in out


def test_leaks_are_told_and_refused(many, tmp_path, capsys):
    for part in ('train', 'val'):
        for name in CLASSES:
            (tmp_path / 'tree' / part / name).mkdir(parents=True)
            for at in range(3 if part == 'train' else 2):
                source = many / name / f'{at + (2 if part == "val" else 0):03d}.png'
                (tmp_path / 'tree' / part / name / f'{at}.png').write_bytes(source.read_bytes())
    given = flags(tmp_path / 'tree', tmp_path / 'data')
    assert main.main([*given, '--fail_on_leak']) == 3
    assert '3 pictures are in training and in another split' in capsys.readouterr().err
    assert not (tmp_path / 'data' / 'manifest.json').exists()
    assert main.main(given) == 0
    assert 'warning: 3 pictures are in training' in capsys.readouterr().out
    rows = (tmp_path / 'data' / 'leaks.csv').read_text().splitlines()
    assert rows[:2] == ['train,split,other', 'train/cat/2.png,validation,val/cat/0.png']


def test_what_was_copied_aside_is_removed_when_it_refuses(many, tmp_path, capsys):
    data_dir = tmp_path / 'data'
    assert main.main(flags(many, data_dir)) == 0
    (data_dir / '.unfinished').mkdir()
    (data_dir / '.unfinished' / 'train.pictures').write_bytes(b'of tensorflow-datasets')
    assert main.main(flags(many, data_dir, '--record_encoding=raw')) == 3
    assert 'holds another data set' in capsys.readouterr().err
    assert not (data_dir / '.unfinished').exists()


@pytest.mark.slow
def test_a_second_process_is_refused(many, tmp_path):
    data_dir = tmp_path / 'data'
    command = [sys.executable, '-m', 'alexnet_tf.main', *flags(many, data_dir)[1:]]
    program = (
        'import pathlib, sys, time; from input_pipeline import locks\n'
        'with locks.held(pathlib.Path(sys.argv[1])): print(flush=True); time.sleep(60)'
    )
    owner = subprocess.Popen(
        [sys.executable, '-c', program, str(data_dir)], stdout=subprocess.PIPE, text=True
    )
    owner.stdout.readline()
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    finally:
        os.kill(owner.pid, signal.SIGKILL)
        owner.communicate()
    assert done.returncode == 3
    assert f'in use by process {owner.pid}' in done.stderr
    assert [each.name for each in data_dir.iterdir()] == ['.lock']


def test_what_was_found_is_said(many, tmp_path, capsys):
    root = tmp_path / 'mixed'
    for name in CLASSES:
        (root / name).mkdir(parents=True)
        for at in range(8):
            picture = PIL.Image.open(many / name / f'{at:03d}.png')
            mode = {0: 'CMYK', 1: 'L'}.get(at, 'RGB')
            picture.convert(mode).save(root / name / f'{at}.jpg', 'JPEG' if at != 2 else 'PNG')
    (root / 'cat' / 'bad.jpg').write_bytes(b'')
    assert main.main(flags(root, tmp_path / 'data', '--max_bad_fraction=0.1')) == 0
    out = capsys.readouterr().out
    assert 'CMYK JPEG' in out
    assert 'PNG' in out
    assert 'grey JPEG' in out
    assert '1 pictures left out, see quarantine.csv' in out


def test_a_disk_that_will_be_full_is_foreseen(many, tmp_path, monkeypatch, capsys):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, 'disk_usage', lambda _: usage._replace(free=1_000_000))
    assert main.main(flags(many, tmp_path / 'data')) == 5
    assert 'the records need about 0.0' in capsys.readouterr().err
    assert [each.name for each in (tmp_path / 'data').iterdir()] == ['.lock']
    assert main.main(flags(many, tmp_path / 'data', '--record_encoding=raw', '--dry_run')) == 0
    assert '0.04 GB needed, 0.00 GB free' in capsys.readouterr().out


def test_nothing_of_the_users_is_touched(many, tmp_path, capsys):
    mine = tmp_path / 'data' / '.pictures' / 'holiday.jpg'
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b'mine')
    assert main.main(flags(many, tmp_path / 'data', '--dry_run')) == 0
    assert main.main(flags(many, tmp_path / 'data')) == 0
    assert mine.read_bytes() == b'mine'
    assert main.main(flags(many, many / 'cat' / 'records')) == 2
    assert 'lies in --source_dir' in capsys.readouterr().err


def test_other_settings_leave_no_shards_behind(many, whole, tmp_path):
    given = flags(many, tmp_path / 'data')
    assert main.main([*given, '--shard_examples=3', '--max_bad_fraction=0']) == 0
    (tmp_path / 'data' / 'manifest.json').unlink()  # as if it had been stopped there
    assert main.main(given) == 0
    assert content(tmp_path / 'data') == whole
    assert main.main([*given, '--verify_only']) == 0


def test_what_stands_must_be_as_good_as_is_asked(many, tmp_path, capsys):
    root = tmp_path / 'tree'
    for part in ('train', 'val'):
        for name in CLASSES:
            (root / part / name).mkdir(parents=True)
            (root / part / name / '0.png').write_bytes((many / name / '000.png').read_bytes())
            (root / part / name / 'empty.png').write_bytes(b'')
    given = flags(root, tmp_path / 'data', '--max_bad_fraction=0.5')
    assert main.main(given) == 0
    assert 'warning: 3 pictures are in training' in capsys.readouterr().out
    for more in ('--fail_on_leak', '--max_bad_fraction=0.1'):
        assert main.main([*given, more]) == 3
        assert 'stands, with 6 pictures left out and 3 of' in capsys.readouterr().err
