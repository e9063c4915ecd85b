"""The command line: help, messages and exit statuses."""

import os
import pathlib
import platform
import resource
import signal
import subprocess
import sys

import pytest
import tensorflow as tf

from alexnet_tf import main
from alexnet_tf.training import signals

# Writes once the reader of a pipe, if it is `true`, has ended.
SLOW_MAIN = 'import sys, time; from alexnet_tf import main; time.sleep(0.2); sys.exit(main.main())'


def call(*flags):
    return main.main(['alexnet_tf', *map(str, flags)])


@pytest.mark.parametrize(
    ('flags', 'message'),
    [
        (['--data_dri=x'], 'unknown flag --data_dri. Did you mean --data_dir'),
        (['--mode=trian'], '--mode=trian: expected one of prepare, train'),
        (['--mode=train', 'surplus'], "unexpected argument 'surplus'"),
        (['--flagfile=nowhere.cfg'], '--flagfile=nowhere.cfg: no such file'),
        (['--batch_size=many'], 'batch_size'),
        (['--batch_size=0'], '--batch_size=0: expected at least 1'),
        (['--width=nan'], '--width=nan: expected a finite number'),
        (['--drop_epochs=1,x'], 'drop_epochs'),
        (['--mode=prepare', '--source=folder'], '--source=folder needs --source_dir'),
        (['--devices=/CPU:0,/CPU:0,/CPU:0'], 'expected one device, or one for each'),
    ],
)
def test_usage_errors(flags, message, capsys):
    assert call(*flags) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.startswith('alexnet_tf: error: ')
    assert 'Traceback' not in printed


def test_without_arguments_usage_is_shown(capsys):
    assert call() == 2
    output, errors = capsys.readouterr()
    assert output == ''
    assert errors.startswith('AlexNet')
    assert 'Usage: alexnet-tf --mode=MODE' in errors


@pytest.mark.parametrize(
    ('flags', 'first_line'),
    [
        (['--help'], 'AlexNet (Krizhevsky'),
        (['-h'], 'AlexNet (Krizhevsky'),
        (['--helpfull'], '# Flags'),
        (['--mode=train', '--help'], 'Usage: alexnet-tf --mode=train'),
        (['--help', '--mode=predict'], 'Usage: alexnet-tf --mode=predict'),
        (['--mode=draw', '--help'], 'Usage: alexnet-tf --mode=plot'),
        (['--flagfile=flags/smoke.cfg', '--help'], 'Usage: alexnet-tf --mode=all'),
    ],
)
def test_help_is_about_what_is_asked(flags, first_line, capsys, monkeypatch):
    monkeypatch.chdir(pathlib.Path(__file__).parents[2])
    assert call(*flags) == 0
    assert capsys.readouterr().out.startswith(first_line)


def test_help_shows_the_hyperparameters_of_the_recipe(capsys):
    assert call('--recipe=caffe', '--mode=train', '--help') == 0
    assert '--crop_size=227 ' in capsys.readouterr().out


def test_help_with_an_unknown_flag_is_a_usage_error(capsys):
    assert call('--help', '--data_dri=x') == 2
    assert 'Did you mean --data_dir' in capsys.readouterr().err


def test_networks_that_cannot_be_built_are_usage_errors(folder, tmp_path, capsys):
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


def class_without_training_images(folder):
    for split in ('train', 'val'):
        (folder / split).mkdir()
    for name in ('cat', 'dog'):
        (folder / name).rename(folder / 'train' / name)
    (folder / 'val' / 'wolf').mkdir()
    (folder / 'train' / 'cat' / '00.jpg').rename(folder / 'val' / 'wolf' / '00.jpg')


def text_as_jpg(folder):
    (folder / 'cat' / 'text.jpg').write_text('a text')


def dangling_link(folder):
    (folder / 'cat' / 'gone.jpg').symlink_to(folder / 'nowhere')


def no_folder(folder):
    folder.rename(folder.parent / 'elsewhere')


@pytest.mark.parametrize(
    ('damage', 'message'),
    [
        (no_folder, 'no such folder'),
        (empty_class, 'bird holds no images'),
        (one_class, 'has one class folder'),
        (class_without_training_images, 'lacks: wolf'),
        (text_as_jpg, 'cat/text.jpg: not an image'),
        (dangling_link, 'cat/gone.jpg: No such file or directory'),
    ],
)
def test_bad_folders_are_bad_data(folder, tmp_path, capsys, damage, message):
    damage(folder)
    records = tmp_path / 'records'
    flags = ['--source=folder', f'--source_dir={folder}', f'--data_dir={records}']
    assert call('--mode=prepare', *flags) == 3
    printed = capsys.readouterr().err
    assert message in printed
    assert 'Traceback' not in printed
    assert not (records / 'manifest.json').exists()
    assert not list(tmp_path.rglob('*.tmp-*'))


def test_records_of_other_images_are_not_overwritten(folder, tmp_path, capsys):
    flags = ['--mode=prepare', '--source=folder', f'--source_dir={folder}']
    assert call(*flags, f'--data_dir={tmp_path / "records"}') == 0
    before = (tmp_path / 'records' / 'manifest.json').read_bytes()
    assert call(*flags, f'--data_dir={tmp_path / "records"}', '--record_encoding=raw') == 3
    assert 'it differs in its record layout' in capsys.readouterr().err
    assert (tmp_path / 'records' / 'manifest.json').read_bytes() == before


def test_training_without_records_is_bad_data(tmp_path, capsys):
    assert call('--mode=train', f'--data_dir={tmp_path}', f'--run_dir={tmp_path / "run"}') == 3
    assert 'holds no prepared data' in capsys.readouterr().err
    assert not (tmp_path / 'run').exists()


def test_a_file_where_a_directory_should_be(tmp_path, capsys):
    (tmp_path / 'file').write_text('')
    assert call('--mode=prepare', f'--data_dir={tmp_path / "file"}') == 2
    printed = capsys.readouterr().err
    assert 'File exists' in printed
    assert 'remove what is in the way' in printed


def test_a_path_in_a_directory_that_does_not_exist(monkeypatch, capsys):
    monkeypatch.setattr('alexnet_tf.commands.report.run', lambda _: os.stat('/proc/x/y.csv'))
    assert call('--mode=report') == 2
    assert capsys.readouterr().err.endswith(
        "'/proc/x/y.csv'. Name another path, in a directory that exists.\n"
    )


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
    left = {path.name for path in records.rglob('*') if path.is_file()}
    assert left == {'.lock', 'source.json'}  # to resume by


def test_debug_shows_the_traceback(capsys):
    assert call('--mode=train', '--data_dir=nowhere', '--debug') == 3
    assert 'Traceback' in capsys.readouterr().err


def test_an_unexpected_exception_is_an_internal_error(monkeypatch, capsys):
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
    assert 'out of memory. Give a smaller --eval_batch_size' in capsys.readouterr().err


def test_help_does_not_wait_for_tensorflow():
    program = (
        'import sys; from alexnet_tf import main; main.main(["x", "--mode=train", "--help"]); '
        'sys.exit("tensorflow" in sys.modules)'
    )
    done = subprocess.run(
        [sys.executable, '-c', program], capture_output=True, text=True, check=True
    )
    assert '--learning_rate' in done.stdout


@pytest.mark.parametrize(
    ('redirections', 'status', 'message'),
    [
        ('--help | true', 141, ''),
        ('--helpfull | true', 141, ''),
        ('--help > /dev/full', 5, 'alexnet_tf: error: '),
        ('--mode=zz 2>&1 | true', 141, ''),
        ('--mode=zz 2>&-', 2, ''),
        ('--help <&- >/dev/null', 0, ''),
        ('--help >&-', 2, 'alexnet_tf: error: standard output is closed. Send it to a file, or to'),
    ],
)
def test_closed_pipes_and_streams_end_without_a_traceback(redirections, status, message):
    command = f'set -o pipefail; "{sys.executable}" -c "{SLOW_MAIN}" {redirections}'
    buffered = {key: text for key, text in os.environ.items() if key != 'PYTHONUNBUFFERED'}
    done = subprocess.run(
        ['bash', '-c', command], capture_output=True, text=True, check=False, env=buffered
    )
    assert done.returncode == status
    assert done.stderr.startswith(message)
    assert done.stderr.count('\n') == bool(message)


def test_a_stop_after_a_checkpoint_is_no_error(monkeypatch, capsys):
    def stop(_):
        raise signals.Stopped(signal.SIGINT, 7)

    monkeypatch.setattr('alexnet_tf.commands.report.run', stop)
    assert call('--mode=report') == 130
    assert capsys.readouterr().err == (
        'alexnet_tf: stopped by Ctrl-C; saved at step 7; the same command resumes\n'
    )


# An error, then a warning, in a process whose environment does not silence TensorFlow.
TWO_MESSAGES = """
import sys, warnings
from alexnet_tf import main
status = main.main(['x', '--mode=predict', '--inputs=nowhere'])
from alexnet_tf.commands import report
report.run = lambda _: warnings.warn('step 1 is skipped.', stacklevel=1)
main.main(['x', '--mode=report'])
sys.exit(status)
"""


def test_nothing_but_messages_is_on_stderr_and_a_python_warning_is_a_plain_line(tmp_path):
    done = subprocess.run(
        [sys.executable, '-c', TWO_MESSAGES],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={key: value for key, value in os.environ.items() if not key.startswith('TF_CPP')},
    )
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        'alexnet_tf: error: --inputs=nowhere: no such file or folder.',
        'report: warning: step 1 is skipped.',
    ]


@pytest.mark.parametrize(
    ('flag', 'message'),
    [
        ('--layer_rates=conv9=1', '--layer_rates=conv9=1'),
        ('--layer_rates=conv1=-1', '--layer_rates=conv1=-1'),
        ('--layer_rates=fc8', '--layer_rates=fc8'),
        ('--init_missing=perhaps', 'refuse'),
        ('--benchmark=speed', 'train_step'),
        ('--precision=float64', 'float16'),
        ('--lrn_n=4', '--lrn_n=4: expected an odd number'),
    ],
)
def test_settings_out_of_bounds_are_usage_errors(flag, message, capsys):
    assert call('--mode=train', flag) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ('flags', 'message'),
    [
        (('--mode=benchmark', '--output=csv'), 'prints a table or json'),
        (('--mode=benchmark', '--devices=/CPU:0,/CPU:x'), '/CPU:x'),
        (('--mode=benchmark', '--crop_size=40', '--width=0.05'), 'Give a larger crop'),
        (('--mode=verify', '--columns=1'), '--columns: --mode=verify checks'),
        (('--mode=verify', '--lrn_beta=0'), '--lrn_beta: --mode=verify checks'),
    ],
)
def test_settings_that_do_not_go_together_are_usage_errors(flags, message, capsys):
    assert call(*flags) == 2
    assert message in capsys.readouterr().err


def run_program(program, **changes):
    """Returns what a Python process prints; its environment sets nothing for oneDNN by itself."""
    environment = {key: value for key, value in os.environ.items() if 'ONEDNN' not in key} | changes
    command = [sys.executable, '-c', program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return done.stdout + done.stderr


@pytest.mark.skipif(platform.machine() != 'x86_64', reason='oneDNN is on by default on x86 only')
@pytest.mark.slow
def test_onednn_is_on():
    printed = run_program('import alexnet_tf, tensorflow', TF_CPP_MIN_LOG_LEVEL='0')
    assert 'oneDNN custom operations are on' in printed


def test_onednn_is_enabled_unless_the_environment_says_otherwise():
    program = "import alexnet_tf, os; print(os.environ['TF_ENABLE_ONEDNN_OPTS'])"
    assert run_program(program).strip() == '1'
    assert run_program(program, TF_ENABLE_ONEDNN_OPTS='0').strip() == '0'
