"""`--mode=report`: a summary, an HTML page and a model card."""

import contextlib
import html.parser
import io
import json
import re
import shlex
import shutil

import numpy as np
import PIL.Image
import pytest

from alexnet_tf.config import flags, serialization
from alexnet_tf.plots import availability


class Page(html.parser.HTMLParser):
    """The tags, addresses and words of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.addresses, self.words, self.open = [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag not in ('meta', 'img', 'br'):
            self.open.append(tag)
        self.addresses += [value for name, value in attributes if name in ('src', 'href')]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture(scope='module')
def reported(command, data, trained, tmp_path_factory):
    """A run with results, a report, and what the command printed."""
    run = tmp_path_factory.mktemp('report') / 'run'
    shutil.copytree(trained, run, ignore=shutil.ignore_patterns('results.csv'))
    assert command('evaluate', data, f'--run_dir={run}') == 0
    (run / 'export' / '1').mkdir(parents=True)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        assert command('report', data, f'--run_dir={run}') == 0
    (run / 'printed.txt').write_text(printed.getvalue())
    return run


@pytest.fixture
def report_copy(reported, tmp_path):
    """A copy of the run that a test may change."""
    return shutil.copytree(reported, tmp_path / 'copy')


@pytest.fixture
def without_plots(monkeypatch):
    monkeypatch.setattr(availability, 'load_plots', lambda: None)


def test_a_damaged_record_is_named_and_the_rest_is_reported(
    command, report_copy, damaged, without_plots, tmp_path, capsys
):
    """But an earlier report with an analysis, which cannot be made again, is kept."""
    shutil.rmtree(report_copy / 'probabilities')
    page, flags = report_copy / 'report.html', (damaged('validation'), f'--run_dir={report_copy}')
    path, before = min((tmp_path / 'records').glob('validation-*')), page.read_text()
    assert command('report', *flags) == 0
    printed = capsys.readouterr().out
    assert f'of {path} is damaged' in printed
    assert f'report: kept {page}, which shows errors' in printed
    assert page.read_text() == before
    page.unlink()
    assert command('report', *flags) == 0
    assert f'of {path} is damaged' in page.read_text()


def test_the_summary_has_errors_the_model_and_tensorboard(reported):
    printed = (reported / 'printed.txt').read_text()
    for part in (
        'after epoch 2, step 4',
        '10 views',
        'chance               50.0 %',
        'tensorboard --logdir',
    ):
        assert part in printed
    assert str(reported / 'export' / '1') in printed
    assert str(reported / 'report.html') in printed
    with PIL.Image.open(reported / 'curves.png') as image:
        assert image.size > (400, 200)


def test_the_page_is_well_formed_and_self_contained(reported):
    page = Page((reported / 'report.html').read_text())
    assert page.open == []
    assert page.addresses
    assert all(address.startswith('data:image/') for address in page.addresses)
    assert not {'script', 'link', 'iframe'} & set(page.tags)
    text = ' '.join(page.words)
    assert 'top-1 error' in text
    assert 'top-5' not in text  # of two classes
    for part in ('207,256 parameters', '--width=0.1', 'keras', 'Calibration', 'most confident'):
        assert part in text
    probabilities = np.load(reported / 'probabilities' / 'validation-1.npy')
    labels = np.load(reported / 'probabilities' / 'validation-1.labels.npy')
    recalls = [(probabilities.argmax(1) == at)[labels == at] for at in (0, 1)]
    worst = min((recall.mean(), at) for at, recall in enumerate(recalls))[1]
    cells = len(recalls[worst]), recalls[worst].sum(), f'{100 * recalls[worst].mean():.1f} %'
    assert f'{("cat", "dog")[worst]} {cells[0]} {cells[1]} {cells[2]}' in text
    shown = f'{("cat", "dog")[worst]} {cells[2]} ({cells[1]} of {cells[0]})'
    assert f'; lowest: {shown}' in (reported / 'printed.txt').read_text()
    wrong = (probabilities.argmax(1) != labels).mean()
    assert f'{100 * wrong:.1f} % (' in text


def test_the_summary_and_the_page_say_what_to_do_next(reported):
    printed = (reported / 'printed.txt').read_text()
    text = ' '.join(Page((reported / 'report.html').read_text()).words)
    assert 'what to do next' in printed
    assert 'What to do next' in text
    for part in ('of the images that it learnt from', 'It most often confuses'):
        assert part in ' '.join(printed.split())
        assert part in text
    assert 'the curve cannot tell' in text  # of two epochs


def test_the_card_has_the_values_of_results_csv(reported):
    card = (reported / 'MODEL_CARD.md').read_text()
    rows = [line.split(' | ') for line in card.splitlines() if line.startswith('| validation')]
    assert [row[2] for row in rows] == ['1', '10']
    assert all('% (' in row[3] for row in rows)
    held_out = len(np.load(reported / 'probabilities' / 'validation-1.labels.npy'))
    assert f'{24 - held_out} in train, {held_out} in validation' in card
    assert 'expected calibration error' in card
    assert '--mode=train' in card
    assert '--checkpoint' not in card


def test_the_training_command_gives_the_same_settings(reported):
    config = serialization.from_settings(json.loads((reported / 'config.json').read_text()))
    command = serialization.to_command(config, 'train')
    assert flags.parse(['alexnet_tf', *command.split()[3:]]) == config


@pytest.mark.slow
def test_probabilities_that_are_cached_as_float16_stay(command, data, report_copy):
    flags = (data, f'--run_dir={report_copy}', '--views=nine', '--save_probabilities=float16')
    assert command('evaluate', *flags) == 0
    assert command('report', data, f'--run_dir={report_copy}', '--views=nine') == 0
    assert np.load(report_copy / 'probabilities' / 'validation-9.npy').dtype == np.float16
    assert '9 views' in (report_copy / 'report.html').read_text()


@pytest.mark.slow
def test_the_report_of_a_resumed_run_has_its_new_results(
    command, data, trained, without_plots, tmp_path
):
    run = tmp_path / 'run'
    shutil.copytree(trained, run, ignore=shutil.ignore_patterns('results.csv'))
    assert command('evaluate', data, f'--run_dir={run}', '--views=1') == 0
    assert command('train', data, f'--run_dir={run}', '--epochs=3') == 0
    assert command('report', '--data_dir=nowhere', f'--run_dir={run}') == 0
    card = (run / 'MODEL_CARD.md').read_text()
    assert 'epoch 3,' in card
    assert 'step 6,' in card
    (row,) = [line for line in card.splitlines() if line.startswith('| validation')]
    assert row.endswith('| 4 |')
    for _ in range(2):  # with the records, its new results are appended, once
        assert command('report', data, f'--run_dir={run}') == 0
    card = (run / 'MODEL_CARD.md').read_text()
    (row,) = [line for line in card.splitlines() if line.startswith('| validation')]
    assert row.endswith('| 6 |')
    assert len((run / 'results.csv').read_text().splitlines()) == 3
    assert f'--run_dir={run} ' in card
    assert '--epochs=3' in card


def test_markup_in_names_is_escaped(command, data, reported, without_plots, tmp_path):
    run = tmp_path / 'run <b>'
    shutil.copytree(reported, run)
    content = json.loads((run / 'data.json').read_text())
    content['words'] = ['<script>alert(1)</script>', '| **$x^2$** `](x) &lt;']
    config = json.loads((run / 'config.json').read_text())
    config['init_weights'] = 'a\n```\n<script>alert(2)</script>'
    (run / 'config.json').write_text(json.dumps(config))
    (run / 'data.json').write_text(json.dumps(content))
    assert command('report', data, f'--run_dir={run}') == 0
    text = (run / 'report.html').read_text()
    assert '<script' not in text
    assert 'cat <script>alert(1)</script>' in ' '.join(Page(text).words)
    card = (run / 'MODEL_CARD.md').read_text()
    outside = re.sub(r'^(`{3,})$.*?^\1$', '', card, flags=re.DOTALL | re.MULTILINE)
    assert 'alert(2)' in card
    assert '<script' not in outside.replace(r'\<script', '')
    assert r'\| \*\*$x^2$\*\* \`\](x) \&lt;' in card


def test_without_records_the_rest_is_reported(
    command, report_copy, without_plots, tmp_path, capsys
):
    data_dir = f'--data_dir={tmp_path / "nowhere"}'
    (report_copy / 'report.html').unlink()
    assert command('report', data_dir, f'--run_dir={report_copy}') == 0
    assert 'report: no error analysis: ' in capsys.readouterr().out
    text = ' '.join(Page((report_copy / 'report.html').read_text()).words)
    assert 'nowhere' in text
    assert 'Calibration' not in text
    assert 'Kernels' in text


@pytest.mark.slow
def test_without_matplotlib_there_are_no_plots(command, data, report_copy, without_plots, capsys):
    assert command('report', data, f'--run_dir={report_copy}') == 0
    assert 'alexnet_tf[plots]' in capsys.readouterr().out
    page = Page((report_copy / 'report.html').read_text())
    # The kernels; thumbnails are JPEGs.
    assert len([address for address in page.addresses if 'image/png' in address]) == 1
    assert 'share' in ' '.join(page.words)


def test_a_run_without_epochs_is_an_error(command, tmp_path, capsys):
    assert command('report', f'--run_dir={tmp_path}') == 3
    assert 'is not a run directory' in capsys.readouterr().err
    (tmp_path / 'data.json').write_text('{"manifest_sha256": "", "classes": []}')
    assert command('report', f'--run_dir={tmp_path}') == 3
    assert 'holds no finished epoch' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('name', 'text'),
    [
        ('summary.csv', 'epoch;step\n1;2\n'),
        ('environment.json', '{"commit": '),
    ],
)
def test_a_damaged_file_of_the_run_is_named(
    command, report_copy, without_plots, tmp_path, capsys, name, text
):
    (report_copy / name).write_text(text)
    assert command('report', f'--data_dir={tmp_path}/none', f'--run_dir={report_copy}') == 3
    assert f'{report_copy / name} is no' in capsys.readouterr().err


def test_the_commands_of_the_card_train_and_load_what_it_describes(
    command, data, report_copy, without_plots
):
    """With the settings that `--minutes` chose, and no clock, which would refuse them."""
    settings = json.loads((report_copy / 'config.json').read_text())
    settings |= {'minutes': 5.0, 'epochs': 2, 'max_steps': 4}
    (report_copy / 'config.json').write_text(json.dumps(settings))
    assert command('report', data, f'--run_dir={report_copy}', '--checkpoint=best') == 0
    card = (report_copy / 'MODEL_CARD.md').read_text()
    train, predict = re.findall(r'python -m alexnet_tf\.main (.*)', card)
    config = flags.parse(['alexnet_tf', *shlex.split(train)])
    assert (config.training.minutes, config.training.max_steps) == (0, 4)
    assert '--checkpoint=best' in predict
