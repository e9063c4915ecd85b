"""`--submission`: the file for the ILSVRC server."""

import json
import pathlib
import shutil

import pytest

from alexnet_tf.commands import predict


@pytest.fixture
def run_with_ids(trained, tmp_path, monkeypatch):
    """A copy of the run whose classes have ILSVRC ids."""
    run = tmp_path / 'run'
    shutil.copytree(trained, run)
    content = json.loads((run / 'data.json').read_text()) | {'ids': [701, 7]}
    (run / 'data.json').write_text(json.dumps(content))
    monkeypatch.setattr(predict, '_IDS', 2)
    return run


def test_a_submission_has_a_line_for_each_image_in_the_order_of_names(
    command, run_with_ids, shared_folder, tmp_path, capsys
):
    folder = tmp_path / 'images'
    for at, name in enumerate(('b/test_2.JPEG', 'a/test_3.JPEG', 'c/test_1.JPEG')):
        (folder / name).parent.mkdir(parents=True)
        shutil.copy(shared_folder / 'cat' / f'0{at}.jpg', folder / name)
    out, flags = tmp_path / 'submission.txt', (f'--run_dir={run_with_ids}', f'--inputs={folder}')
    assert command('predict', *flags, f'--submission={out}') == 0
    assert '3 lines, test_1.JPEG to test_3.JPEG' in capsys.readouterr().out
    assert command('predict', *flags, '--output=json') == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    by_name = {pathlib.Path(row['file']).name: row['classes'] for row in rows}
    ids = {'cat': '701', 'dog': '7'}
    expected = [' '.join(ids[name] for name in by_name[f'test_{at}.JPEG']) for at in (1, 2, 3)]
    assert out.read_text().splitlines() == expected


@pytest.fixture
def inputs(folder):
    """A folder of images with one file that is none."""
    (folder / 'dog' / 'text.jpg').write_text('a text')
    return folder / 'dog'


def test_an_incomplete_submission_is_refused(
    command, run_with_ids, trained, inputs, tmp_path, capsys
):
    out = tmp_path / 'submission.txt'
    flags = (f'--inputs={inputs}', f'--submission={out}')
    assert command('predict', f'--run_dir={run_with_ids}', *flags) == 3
    assert 'A line is needed for each image' in capsys.readouterr().err
    assert command('predict', f'--run_dir={trained}', *flags) == 3
    assert 'have no ILSVRC ids' in capsys.readouterr().err
    path = run_with_ids / 'data.json'
    content = path.read_text()
    path.write_text(json.dumps(json.loads(content) | {'ids': [0, 0]}))  # as without the kit
    assert command('predict', f'--run_dir={run_with_ids}', *flags) == 3
    assert 'with the development kit' in capsys.readouterr().err
    path.write_text(content)
    twice = f'--inputs={inputs / "text.jpg"},{inputs / "text.jpg"}'
    assert command('predict', f'--run_dir={run_with_ids}', flags[1], twice) == 3
    assert 'have the same name' in capsys.readouterr().err
    flags = (f'--inputs={inputs}', f'--submission={tmp_path}')
    assert command('predict', f'--run_dir={run_with_ids}', *flags) == 2
    assert 'is a directory' in capsys.readouterr().err
    assert not out.exists()
