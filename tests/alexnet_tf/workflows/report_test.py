"""What a run has come to, on one page."""

import PIL.Image


def test_the_report_says_errors_model_and_tensorboard(command, data, trained, capsys):
    assert command('evaluate', data, f'--run_dir={trained}') == 0
    assert command('export', data, f'--run_dir={trained}') == 0
    capsys.readouterr()
    assert command('report', data, f'--run_dir={trained}') == 0
    said = capsys.readouterr().out
    for part in ('2 epochs', '10 views', 'chance            50.0 %', 'tensorboard --logdir'):
        assert part in said
    assert str(trained / 'export' / '1') in said
    assert said.strip() in (trained / 'report.md').read_text()
    with PIL.Image.open(trained / 'curves.png') as picture:
        assert picture.size > (400, 200)


def test_a_run_without_epochs_is_an_error(command, tmp_path, capsys):
    assert command('report', f'--run_dir={tmp_path}') == 3
    assert 'holds no finished epoch' in capsys.readouterr().err
