"""`--mode=prepare` by its command line: interrupted anywhere, dry, leaking, twice at once."""

import dataclasses
import gzip
import hashlib
import pathlib
import random
import re
import shutil
import subprocess
import sys

import numpy as np
import PIL.Image
import pytest

from alexnet_tf import main
from alexnet_tf.config import schema
from input_pipeline.prepare import outcomes
from input_pipeline.sources import detection, splits

IMAGES_PER_CLASS, CLASSES = 20, ('cat', 'dog', 'eel')


@pytest.fixture(scope='module')
def images(tmp_path_factory):
    """A folder of 60 small images."""
    root = tmp_path_factory.mktemp('images')
    for label, name in enumerate(CLASSES):
        (root / name).mkdir()
        for number in range(IMAGES_PER_CLASS):
            random_pixels = np.random.default_rng([label, number])
            pixels = random_pixels.integers(0, 256, (40, 50, 3), np.uint8)
            PIL.Image.fromarray(pixels).save(root / name / f'{number:03d}.png')
    return root


def make_argv(source_dir, data_dir, *flags):
    folders = [f'--source_dir={source_dir}', f'--data_dir={data_dir}', '--shard_examples=16']
    return ['alexnet_tf', '--mode=prepare', *folders, *flags]


def hash_files(data_dir):
    paths = [path for path in pathlib.Path(data_dir).rglob('*') if path.is_file()]
    return {
        path.relative_to(data_dir).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in paths
        if path.name != '.lock'
    }


@pytest.fixture(scope='module')
def expected_hashes(images, tmp_path_factory):
    """The hashes of the files of an uninterrupted preparation."""
    data_dir = tmp_path_factory.mktemp('whole')
    assert main.main(make_argv(images, data_dir)) == 0
    return hash_files(data_dir)


# For each line, a number, runs the command in a child that kills itself at so many reads, flushes
# and renames. Children need not import TensorFlow again.
PROGRAM = """
import os, signal, sys
import tensorflow
from alexnet_tf import main
from input_pipeline import files
from input_pipeline.sources import entries
remaining = 0
def count_down(function):
    def call(*arguments):
        global remaining
        remaining -= 1
        if remaining == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments)
    return call
entries.ImageFile.__call__ = count_down(entries.ImageFile.__call__)
files.os.fsync, files.os.replace = count_down(os.fsync), count_down(os.replace)
for line in sys.stdin:
    remaining = int(line)
    if os.fork() == 0:
        os._exit(main.main(sys.argv))
    _, status = os.wait()
    print('killed' if os.WIFSIGNALED(status) else 'done', flush=True)
"""


@pytest.mark.slow
def test_a_preparation_killed_at_any_moment_resumes(images, expected_hashes, tmp_path):
    """Finished shards are not written again, and the result is that of an uninterrupted one."""
    moments, data_dir = random.Random(1), tmp_path / 'data'
    parent = subprocess.Popen(
        [sys.executable, '-c', PROGRAM, *make_argv(images, data_dir)[1:]],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    finished, kills = set(), 0
    for _ in range(60):
        if (data_dir / 'manifest.json').exists():
            break
        parent.stdin.write(f'{moments.randint(1, 40)}\n')
        parent.stdin.flush()
        while (line := parent.stdout.readline()) not in ('killed\n', 'done\n'):
            assert line.startswith(
                ('prepare:', 'class', 'split', '---', *CLASSES, 'train', 'valid')
            )
        kills += line == 'killed\n'
        noted = {path.name.removesuffix('.json') for path in data_dir.glob('.unfinished/*.json')}
        shards = {
            (path.name, path.stat().st_mtime_ns)
            for path in data_dir.glob('*.tfrecord')
            if path.name in noted or line == 'done\n'
        }
        assert finished <= shards
        finished = shards
    parent.communicate()
    assert kills >= 4
    assert main.main(make_argv(images, data_dir)) == 0
    assert hash_files(data_dir) == expected_hashes


@pytest.mark.slow
def test_beam_writes_the_same_bytes(images, expected_hashes, tmp_path):
    options = '--beam_options=--runner=DirectRunner --direct_num_workers=1'
    assert main.main(make_argv(images, tmp_path / 'data', '--engine=beam', options)) == 0
    assert hash_files(tmp_path / 'data') == expected_hashes


def test_a_dry_run_touches_nothing(images, tmp_path, capsys):
    def read_stats():
        return {
            str(path): (path.stat().st_ino, path.stat().st_mtime_ns)
            for path in [tmp_path, *tmp_path.rglob('*'), images, *images.rglob('*')]
        }

    before = read_stats()
    assert main.main(make_argv(images, tmp_path / 'data', '--dry_run')) == 0
    assert read_stats() == before
    out = capsys.readouterr().out
    assert '--source=folder, since it is like no other source' in out
    assert [line.split() for line in out.splitlines()[2:7]] == [
        ['class', 'train', 'validation'],
        ['-----', '-----', '----------'],
        *([name, '16', '4'] for name in CLASSES),
    ]
    assert re.search(r'prepare: \d+ record files \(jpeg\)\n', out)
    assert 'GB needed' in out
    assert 'nothing was written' in out


def test_leaks_are_reported_and_refused(images, tmp_path, capsys):
    for split, first, number in (('train', 0, 3), ('val', 2, 2)):
        for name in CLASSES:
            (tmp_path / 'tree' / split / name).mkdir(parents=True)
            for index in range(number):
                original = images / name / f'{first + index:03d}.png'
                copy = tmp_path / 'tree' / split / name / f'{index}.png'
                copy.write_bytes(original.read_bytes())
    argv = make_argv(tmp_path / 'tree', tmp_path / 'data')
    assert main.main([*argv, '--fail_on_leak']) == 3
    assert '3 images are in training and in another split' in capsys.readouterr().err
    assert not (tmp_path / 'data' / 'manifest.json').exists()
    assert main.main(argv) == 0
    assert 'warning: 3 images are in training' in capsys.readouterr().out
    rows = (tmp_path / 'data' / 'leaks.csv').read_text().splitlines()
    assert rows[:2] == ['train,split,other', 'train/cat/2.png,validation,val/cat/0.png']


def test_copies_of_images_are_removed_after_an_error(images, tmp_path, capsys):
    data_dir = tmp_path / 'data'
    assert main.main(make_argv(images, data_dir)) == 0
    (data_dir / '.unfinished').mkdir()
    (data_dir / '.unfinished' / 'train.images').write_bytes(b'of tensorflow-datasets')
    assert main.main(make_argv(images, data_dir, '--record_encoding=raw')) == 3
    assert 'holds another data set' in capsys.readouterr().err
    assert not (data_dir / '.unfinished').exists()


@pytest.mark.slow
def test_a_second_process_is_refused(images, tmp_path):
    data_dir = tmp_path / 'data'
    command = [sys.executable, '-m', 'alexnet_tf.main', *make_argv(images, data_dir)[1:]]
    program = (
        'import pathlib, sys; from input_pipeline import locks\n'
        'with locks.acquire(pathlib.Path(sys.argv[1])): print(flush=True); sys.stdin.read()'
    )
    owner = subprocess.Popen(
        [sys.executable, '-c', program, str(data_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    owner.stdout.readline()
    try:
        refused = subprocess.run(command, capture_output=True, text=True, check=False)
    finally:
        owner.kill()
        owner.communicate()
    assert refused.returncode == 3
    assert f'in use by process {owner.pid}' in refused.stderr
    assert [path.name for path in data_dir.iterdir()] == ['.lock']


def test_classes_counts_kinds_and_the_next_command_are_printed(images, tmp_path, capsys):
    root, data_dir = tmp_path / 'mixed', tmp_path / 'data'
    for name in CLASSES:
        (root / name).mkdir(parents=True)
        for number in range(8):
            image = PIL.Image.open(images / name / f'{number:03d}.png')
            mode = {0: 'CMYK', 1: 'L'}.get(number, 'RGB')
            path = root / name / f'{number}.jpg'
            image.convert(mode).save(path, 'JPEG' if number != 2 else 'PNG')
    (root / 'cat' / 'bad.jpg').write_bytes(b'')
    assert main.main(make_argv(root, data_dir, '--max_bad_fraction=0.1')) == 0
    out = capsys.readouterr().out
    assert 'CMYK JPEG' in out
    assert 'PNG' in out
    assert 'grey JPEG' in out
    assert f'unreadable images left out: 1, see {data_dir}/quarantine.csv' in out
    *_, place, following = out.splitlines()
    assert place == f'prepare: records are in {data_dir}'
    assert '--mode=train' in following
    assert f'--data_dir={data_dir}' in following


def test_too_small_a_disk_is_noticed_before_writing(images, tmp_path, monkeypatch, capsys):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, 'disk_usage', lambda _: usage._replace(free=100_000))
    data_dir = tmp_path / 'data'
    assert main.main(make_argv(images, data_dir)) == 5
    assert 'the records need about 0.0' in capsys.readouterr().err
    assert [path.name for path in data_dir.iterdir()] == ['.lock']
    assert main.main(make_argv(images, data_dir, '--record_encoding=raw', '--dry_run')) == 0
    assert '0.01 GB needed, 0.00 GB free' in capsys.readouterr().out


def test_files_of_the_user_are_not_touched(images, tmp_path, capsys):
    file = tmp_path / 'data' / '.pictures' / 'holiday.jpg'
    file.parent.mkdir(parents=True)
    file.write_bytes(b'mine')
    (tmp_path / 'data' / 'backup.images').touch()
    for encoding in ('jpeg', 'reference'):
        flag = f'--record_encoding={encoding}'
        assert main.main(make_argv(images / 'cat', tmp_path / 'data', flag)) == 3
        assert (tmp_path / 'data' / 'backup.images').exists()
    assert main.main(make_argv(images, tmp_path / 'data', '--dry_run')) == 0
    assert main.main(make_argv(images, tmp_path / 'data')) == 0
    assert file.read_bytes() == b'mine'
    assert main.main(make_argv(images, images / 'cat' / 'records')) == 2
    assert 'lies in --source_dir' in capsys.readouterr().err
    inside = (f'--source_dir={images}', f'--run_dir={images}/run', f'--data_dir={tmp_path}/other')
    assert main.main(['alexnet_tf', '--mode=all', *inside]) == 2
    assert '/run lies in --source_dir' in capsys.readouterr().err
    assert not (tmp_path / 'other').exists()


def test_other_settings_leave_no_shards_behind(images, expected_hashes, tmp_path):
    argv = make_argv(images, tmp_path / 'data')
    assert main.main([*argv, '--shard_examples=3', '--max_bad_fraction=0']) == 0
    (tmp_path / 'data' / 'manifest.json').unlink()  # as if it had been stopped there
    (tmp_path / 'data' / '.unfinished').mkdir()
    (tmp_path / 'data' / '.unfinished' / 'train-00000-of-00001.tfrecord.json').touch()
    assert main.main(argv) == 0
    assert hash_files(tmp_path / 'data') == expected_hashes
    assert main.main([*argv, '--verify_only']) == 0


def test_a_damaged_data_set_is_refused_with_its_problems(images, tmp_path, capsys):
    argv = make_argv(images, tmp_path / 'data')
    assert main.main(argv) == 0
    (tmp_path / 'data' / 'statistics.npz').unlink()
    capsys.readouterr()
    assert main.main([*argv, '--verify_only']) == 3
    progress, error, problem = capsys.readouterr().err.splitlines()
    assert ' MB ' in progress
    assert error.endswith('/data is not as it was written. Problems: 1')
    assert problem.endswith('statistics.npz is missing.')


def test_a_prepared_data_set_must_be_as_good_as_the_flags_require(images, tmp_path, capsys):
    root = tmp_path / 'tree'
    for split in ('train', 'val'):
        for name in CLASSES:
            folder = root / split / name
            folder.mkdir(parents=True)
            (folder / '0.png').write_bytes((images / name / '000.png').read_bytes())
            (folder / 'empty.png').write_bytes(b'')
    argv = make_argv(root, tmp_path / 'data', '--max_bad_fraction=0.5')
    assert main.main(argv) == 0
    assert 'warning: 3 images are in training' in capsys.readouterr().out
    for flag in ('--fail_on_leak', '--max_bad_fraction=0.1'):
        assert main.main([*argv, flag]) == 3
        message = 'is prepared, but with 6 images left out and 3 of other splits in training too'
        assert message in capsys.readouterr().err


def test_what_looks_like_a_mistake_is_said_before_the_work_and_once(images, tmp_path, capsys):
    root = tmp_path / 'years'
    for year in ('2022', '2023'):
        for name in CLASSES[:2]:
            (root / year / name).mkdir(parents=True)
            for number in range(3):
                copy = root / year / name / f'{number}.png'
                original = images / name / f'{number + 5 * int(year[-1]):03d}.png'
                copy.write_bytes(original.read_bytes())
    argv = make_argv(root, tmp_path / 'data')
    assert main.main(argv) == 0
    out = capsys.readouterr().out
    assert out.count('each of 2022, 2023 holds folders named cat, dog') == 1
    assert out.index('each of 2022') < out.index('split  ')


def test_records_of_an_older_split_rule_are_still_current(images, tmp_path, capsys, monkeypatch):
    argv = make_argv(images, tmp_path / 'data')
    with monkeypatch.context() as patched:
        older = splits.OLDER_RULES[0]
        patched.setattr(splits, 'BY_CLASS_AND_CONTENT', older)
        assert main.main(argv) == 0
    (tmp_path / 'data' / 'preparation.json').unlink()
    before = hash_files(tmp_path / 'data')
    for flags in ([], ['--verify_only']):
        assert main.main([*argv, *flags]) == 0
    assert 'already prepared, and the hashes' in capsys.readouterr().out
    assert hash_files(tmp_path / 'data') == before


def test_compressed_records_are_prepared_and_a_dry_run_copies_nothing(images, tmp_path, capsys):
    assert main.main(make_argv(images, tmp_path / 'records')) == 0
    source = tmp_path / 'source'
    source.mkdir()
    for path in (tmp_path / 'records').glob('*.tfrecord'):
        (source / f'{path.name}.gz').write_bytes(gzip.compress(path.read_bytes(), 1))
    argv = make_argv(source, tmp_path / 'data')
    assert main.main([*argv, '--dry_run']) == 0
    assert not (tmp_path / 'data').exists()
    assert main.main(argv) == 0
    assert not list((tmp_path / 'data').rglob('*.images'))
    totals = [
        sum(sum(counts.values()) for counts in outcomes.read(tmp_path / name).classes.values())
        for name in ('records', 'data')
    ]
    assert totals == [len(CLASSES) * IMAGES_PER_CLASS] * 2


def test_every_source_of_the_flag_has_its_finder():
    source = next(field for field in dataclasses.fields(schema.Data) if field.name == 'source')
    assert set(source.metadata['choices']) == {'auto', *detection.KINDS}
