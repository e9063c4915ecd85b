"""The command line: what careless and hostile hands give it, and the exit statuses."""

import os
import platform
import resource
import subprocess
import sys

import pytest
import tensorflow as tf

from alexnet_tf import main


def call(*flags):
    return main.main(['alexnet_tf', *map(str, flags)])


@pytest.mark.parametrize(
    ('flags', 'message'),
    [
        (['--data_dri=x'], 'unknown flag --data_dri. Did you mean --data_dir'),
        (['--mode=trian'], 'value should be one of'),
        (['--mode=train', 'surplus'], "unexpected argument 'surplus'"),
        (['--flagfile=nowhere.cfg'], '--flagfile=nowhere.cfg: no such file'),
        (['--batch_size=many'], 'batch_size'),
        (['--batch_size=0'], '--batch_size=0: expected at least 1'),
        (['--width=nan'], '--width=nan: expected a number'),
        (['--drop_epochs=1,x'], 'drop_epochs'),
        (['--mode=prepare', '--source=folder'], '--source=folder needs --source_dir'),
        (['--devices=/CPU:0,/CPU:0,/CPU:0'], 'expected one device, or one for each'),
    ],
)
def test_usage_errors(flags, message, capsys):
    assert call(*flags) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.startswith('alexnet_tf: error: ')
    assert 'Traceback' not in said


def test_networks_that_cannot_be_are_usage_errors(folder, tmp_path, capsys):
    records = f'--data_dir={tmp_path / "records"}'
    assert call('--mode=prepare', '--source=folder', f'--source_dir={folder}', records) == 0
    run = f'--run_dir={tmp_path / "run"}'
    for flag, message in {
        '--devices=/GPU:7': '/GPU:7: no such device',
        '--devices=nonsense': 'nonsense',
        '--crop_size=63': 'Give a larger crop',
    }.items():
        assert call('--mode=train', records, run, '--width=0.1', flag) == 2
        assert message in capsys.readouterr().err
        assert not (tmp_path / 'run').exists()


def empty_class(folder):
    (folder / 'bird').mkdir()


def one_class(folder):
    (folder / 'dog').rename(folder.parent / 'dog')


def class_that_train_lacks(folder):
    for split in ('train', 'val'):
        (folder / split).mkdir()
    for name in ('cat', 'dog'):
        (folder / name).rename(folder / 'train' / name)
    (folder / 'val' / 'wolf').mkdir()
    (folder / 'train' / 'cat' / '00.jpg').rename(folder / 'val' / 'wolf' / '00.jpg')


def text_as_jpg(folder):
    (folder / 'cat' / 'text.jpg').write_text('a text')


def link_to_nowhere(folder):
    (folder / 'cat' / 'gone.jpg').symlink_to(folder / 'nowhere')


def no_folder(folder):
    folder.rename(folder.parent / 'elsewhere')


@pytest.mark.parametrize(
    ('spoil', 'message'),
    [
        (no_folder, 'no such folder'),
        (empty_class, 'bird holds no pictures'),
        (one_class, 'has 1 class folders; a classifier needs at least two'),
        (class_that_train_lacks, 'lacks: wolf'),
        (text_as_jpg, 'cat/text.jpg: not a picture'),
        (link_to_nowhere, 'cat/gone.jpg: No such file or directory'),
    ],
)
def test_bad_folders_are_bad_data(folder, tmp_path, capsys, spoil, message):
    spoil(folder)
    records = tmp_path / 'records'
    flags = ['--source=folder', f'--source_dir={folder}', f'--data_dir={records}']
    assert call('--mode=prepare', *flags) == 3
    said = capsys.readouterr().err
    assert message in said
    assert 'Traceback' not in said
    assert not (records / 'manifest.json').exists()
    assert not list(tmp_path.rglob('*.tmp-*'))


def test_records_of_other_pictures_are_not_overwritten(folder, tmp_path, capsys):
    flags = ['--mode=prepare', '--source=folder', f'--source_dir={folder}']
    assert call(*flags, f'--data_dir={tmp_path / "records"}') == 0
    before = (tmp_path / 'records' / 'manifest.json').read_bytes()
    assert call(*flags, f'--data_dir={tmp_path / "records"}', '--record_encoding=raw') == 3
    assert 'holds another data set: by its layout' in capsys.readouterr().err
    assert (tmp_path / 'records' / 'manifest.json').read_bytes() == before


def test_training_without_records_is_bad_data(tmp_path, capsys):
    assert call('--mode=train', f'--data_dir={tmp_path}', f'--run_dir={tmp_path / "run"}') == 3
    assert 'holds no prepared data' in capsys.readouterr().err
    assert not (tmp_path / 'run').exists()


def test_a_file_where_a_directory_should_be(tmp_path, capsys):
    (tmp_path / 'file').write_text('')
    assert call('--mode=prepare', f'--data_dir={tmp_path / "file"}') == 2
    assert 'File exists' in capsys.readouterr().err


@pytest.mark.slow
def test_a_full_disk_leaves_nothing_behind(folder, tmp_path):
    records = tmp_path / 'records'
    flags = ['--mode=prepare', '--source=folder', f'--source_dir={folder}', f'--data_dir={records}']

    def small_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    done = subprocess.run(
        [sys.executable, '-m', 'alexnet_tf.main', *flags],
        capture_output=True,
        text=True,
        preexec_fn=small_files,
        check=False,
    )
    assert done.returncode == 5
    assert 'File too large' in done.stderr
    assert 'Traceback' not in done.stderr
    assert [each.name for each in records.rglob('*') if each.is_file()] == ['.lock']


def test_debug_shows_the_traceback(capsys):
    assert call('--mode=train', '--data_dir=nowhere', '--debug') == 3
    assert 'Traceback' in capsys.readouterr().err


def test_what_nobody_foresaw_is_an_internal_error(monkeypatch, capsys):
    monkeypatch.setattr('alexnet_tf.commands.report.run', lambda config: 1 / 0)
    assert call('--mode=report') == 1
    assert 'ZeroDivisionError: division by zero (internal' in capsys.readouterr().err


@pytest.mark.parametrize(
    'error', [MemoryError(), tf.errors.ResourceExhaustedError(None, None, 'OOM')]
)
def test_too_little_memory_names_the_flags(monkeypatch, capsys, error):
    def run(config):
        raise error

    monkeypatch.setattr('alexnet_tf.commands.report.run', run)
    assert call('--mode=report') == 2
    assert 'out of memory. Give --accumulate_steps=2' in capsys.readouterr().err


def test_help_does_not_wait_for_tensorflow():
    program = (
        'import sys; from alexnet_tf import main; main.main(["x", "--help"]); '
        'sys.exit("tensorflow" in sys.modules)'
    )
    done = subprocess.run(
        [sys.executable, '-c', program], capture_output=True, text=True, check=True
    )
    assert '--learning_rate' in done.stdout


def test_a_closed_pipe_is_no_error():
    program = (
        'import os, sys; from alexnet_tf import flag_defs, main; '
        'flag_defs.parse = lambda argv: sys.stdout.write("x" * 100_000); '
        'sys.exit(main.main(["x"]))'
    )
    process = subprocess.Popen(
        [sys.executable, '-c', program], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    assert process.stderr.read() == b''
    process.stderr.close()
    assert process.wait() == 141


def test_nothing_but_the_message_is_on_stderr(tmp_path):
    done = subprocess.run(
        [sys.executable, '-m', 'alexnet_tf.main', '--mode=predict', '--inputs=nowhere'],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={key: value for key, value in os.environ.items() if not key.startswith('TF_CPP')},
    )
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        'alexnet_tf: error: --inputs=nowhere: no such file or folder.'
    ]


@pytest.mark.parametrize(
    ('flag', 'said'),
    [
        ('--layer_rates=conv9=1', '--layer_rates=conv9=1'),
        ('--layer_rates=conv1=-1', '--layer_rates=conv1=-1'),
        ('--layer_rates=fc8', '--layer_rates=fc8'),
        ('--init_missing=perhaps', 'refuse'),
        ('--benchmark=everything', 'train_step'),
        ('--precision=float64', 'float16'),
        ('--lrn_n=4', '--lrn_n=4: expected an odd number'),
    ],
)
def test_settings_of_the_network_that_cannot_be(flag, said, capsys):
    assert call('--mode=train', flag) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ('flags', 'said'),
    [
        (('--mode=benchmark', '--output=csv'), 'table or json'),
        (('--mode=benchmark', '--devices=/CPU:0,/CPU:x'), '/CPU:x: not the form of a device'),
        (('--mode=benchmark', '--crop_size=40', '--width=0.05'), 'Give a larger crop'),
        (('--mode=verify', '--columns=1'), '--columns: --mode=verify checks the presets'),
        (('--mode=verify', '--lrn_beta=0'), '--lrn_beta: --mode=verify checks the presets'),
    ],
)
def test_settings_that_do_not_go_together(flags, said, capsys):
    assert call(*flags) == 2
    assert said in capsys.readouterr().err


def started(program, **changed):
    """What a process of its own prints and warns of, oneDNN not spoken of."""
    environment = {key: value for key, value in os.environ.items() if 'ONEDNN' not in key} | changed
    command = [sys.executable, '-c', program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return done.stdout + done.stderr


@pytest.mark.skipif(platform.machine() != 'x86_64', reason='oneDNN of x86')
@pytest.mark.slow
def test_onednn_is_on():
    said = started('import alexnet_tf, tensorflow', TF_CPP_MIN_LOG_LEVEL='0')
    assert 'oneDNN custom operations are on' in said


def test_onednn_is_asked_for_unless_something_else_is():
    asked = "import alexnet_tf, os; print(os.environ['TF_ENABLE_ONEDNN_OPTS'])"
    assert started(asked).strip() == '1'
    assert started(asked, TF_ENABLE_ONEDNN_OPTS='0').strip() == '0'
