"""Predictions as table, CSV, JSON and picture; bad files get their rows."""

import csv
import json
import os

import PIL.Image
import pytest


@pytest.fixture
def inputs(folder):
    """A folder of one good picture, one text and one cut picture."""
    (folder / 'dog' / '00.jpg').rename(folder / '=good.jpg')
    for name in ('cat', 'dog'):
        for path in (folder / name).iterdir():
            path.unlink()
    (folder / 'cut.jpg').write_bytes((folder / '=good.jpg').read_bytes()[:500])
    (folder / 'text.jpg').write_text('a text')
    (folder / '.hidden').write_text('not looked at')
    return folder


@pytest.fixture
def predict(command, trained, inputs):
    return lambda *flags: command('predict', f'--run_dir={trained}', f'--inputs={inputs}', *flags)


def test_json(predict, inputs, capsys):
    assert predict('--output=json') == 0
    good, cut, text = map(json.loads, capsys.readouterr().out.splitlines())
    assert good['file'] == str(inputs / '=good.jpg')
    assert sorted(good['classes']) == ['cat', 'dog']
    assert good['probabilities'] == sorted(good['probabilities'], reverse=True)
    assert sum(good['probabilities']) == pytest.approx(1)
    assert cut['error']
    assert text['error'] == 'not a picture: neither JPEG, PNG, GIF, BMP nor WebP'


def test_csv_in_a_file(predict, tmp_path, capsys):
    assert predict('--output=csv', f'--output_file={tmp_path / "out.csv"}') == 0
    with open(tmp_path / 'out.csv', newline='') as file:
        rows = list(csv.DictReader(file))
    assert [bool(row['error']) for row in rows] == [False, True, True]
    assert {rows[0]['class_1'], rows[0]['class_2']} == {'cat', 'dog'}
    assert capsys.readouterr().out == ''


def test_no_cell_is_a_formula(command, trained, inputs, monkeypatch, capsys):
    monkeypatch.chdir(inputs)
    assert command('predict', f'--run_dir={trained}', '--inputs==good.jpg', '--output=csv') == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("'=good.jpg,")


def test_table(predict, inputs, capsys):
    assert predict() == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == str(inputs / '=good.jpg')
    assert lines[1].endswith(('%  cat', '%  dog'))
    assert lines[-1] == '    error: not a picture: neither JPEG, PNG, GIF, BMP nor WebP'


def test_drawing(predict, tmp_path):
    assert predict(f'--draw={tmp_path / "drawn.png"}') == 0
    with PIL.Image.open(tmp_path / 'drawn.png') as picture:
        assert picture.format == 'PNG'
        assert min(picture.size) > 200


def test_a_name_in_no_encoding_is_shown(command, trained, inputs, tmp_path):
    (inputs / '=good.jpg').rename(inputs / os.fsdecode(b'\xff.jpg'))
    out = tmp_path / 'out.csv'
    flags = (f'--inputs={inputs}', '--output=csv', f'--output_file={out}')
    assert command('predict', f'--run_dir={trained}', *flags) == 0
    assert '\\udcff.jpg' in out.read_text()


def test_nothing_readable_is_an_error(command, trained, inputs, capsys):
    assert command('predict', f'--run_dir={trained}', f'--inputs={inputs / "text.jpg"}') == 3
    assert 'none of the 1 files' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('flags', 'code', 'message'),
    [
        ((), 2, '--mode=predict needs --inputs'),
        (('--inputs=nowhere',), 2, '--inputs=nowhere: no such file or folder'),
        (('--inputs=.', '--run_dir=nowhere'), 3, '--run_dir=nowhere holds no trained network'),
    ],
)
def test_refused(command, trained, inputs, monkeypatch, capsys, flags, code, message):
    monkeypatch.chdir(inputs)
    assert command('predict', f'--run_dir={trained}', *flags) == code
    assert message in capsys.readouterr().err
