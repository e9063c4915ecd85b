"""What a run has come to: lines, a page, a card."""

import contextlib
import html.parser
import io
import json
import re
import shutil

import numpy as np
import PIL.Image
import pytest

from alexnet_tf.commands.evaluate import scoring
from alexnet_tf.commands.plot import availability
from alexnet_tf.config import flags, schema


class Page(html.parser.HTMLParser):
    """What a browser would make of a page."""

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
    """A run with results and reports, and what was said of it."""
    run = tmp_path_factory.mktemp('report') / 'run'
    shutil.copytree(trained, run, ignore=shutil.ignore_patterns('results.csv'))
    assert command('evaluate', data, f'--run_dir={run}') == 0
    (run / 'export' / '1').mkdir(parents=True)
    with contextlib.redirect_stdout(io.StringIO()) as said:
        assert command('report', data, f'--run_dir={run}') == 0
    (run / 'said.txt').write_text(said.getvalue())
    return run


@pytest.fixture
def copied(reported, tmp_path):
    """The same, to write in."""
    return shutil.copytree(reported, tmp_path / 'copied')


def test_an_error_of_nothing_has_its_interval():
    row = {'top1_error': 0.0, 'top1_low': 0.0, 'top1_high': 0.005}
    assert scoring.with_interval(row, 'top1') == '0.0 % (0.0 to 0.5)'
    assert scoring.with_interval(row | {'top1_low': ''}, 'top1') == '0.0 %'


def test_a_damaged_record_is_said_and_the_rest_reported(command, copied, damaged, tmp_path):
    shutil.rmtree(copied / 'probabilities')
    assert command('report', damaged('validation'), f'--run_dir={copied}') == 0
    path = min((tmp_path / 'records').glob('validation-*'))
    assert f'{path}: a record cannot be read' in (copied / 'report.html').read_text()


def test_the_report_says_errors_model_and_tensorboard(reported):
    said = (reported / 'said.txt').read_text()
    for part in ('2 epochs', '10 views', 'chance            50.0 %', 'tensorboard --logdir'):
        assert part in said
    assert str(reported / 'export' / '1') in said
    assert str(reported / 'report.html') in said
    with PIL.Image.open(reported / 'curves.png') as picture:
        assert picture.size > (400, 200)


def test_the_page_is_whole_and_needs_nothing_else(reported):
    page = Page((reported / 'report.html').read_text())
    assert page.open == []
    assert page.addresses
    assert all(each.startswith('data:image/png;base64,') for each in page.addresses)
    assert not {'script', 'link', 'iframe'} & set(page.tags)
    text = ' '.join(page.words)
    for part in ('207,256 parameters', '--width=0.1', 'keras', 'Calibration', 'most confident'):
        assert part in text
    results = np.load(reported / 'probabilities' / 'validation-1.npy')
    labels = np.load(reported / 'probabilities' / 'validation-1.labels.npy')
    wrong = (results.argmax(1) != labels).mean()
    assert f'{100 * wrong:.1f} % (' in text


def test_the_card_has_the_figures_of_results_csv(reported):
    card = (reported / 'MODEL_CARD.md').read_text()
    rows = [line.split(' | ') for line in card.splitlines() if line.startswith('| validation')]
    assert [row[2] for row in rows] == ['1', '10']
    assert all('% (' in row[3] for row in rows)
    assert '12 in train, 12 in validation' in card
    assert 'expected calibration error' in card
    assert '--mode=train' in card


def test_its_command_gives_the_same_settings(reported):
    began = schema.from_json((reported / 'config.json').read_text())
    command = schema.command(began, 'train')
    assert flags.parse(['alexnet_tf', *command.split()[3:]]) == began


@pytest.mark.slow
def test_what_is_kept_as_float16_stays(command, data, copied):
    keep = (data, f'--run_dir={copied}', '--views=nine', '--save_probabilities=float16')
    assert command('evaluate', *keep) == 0
    assert command('report', data, f'--run_dir={copied}', '--views=nine') == 0
    assert np.load(copied / 'probabilities' / 'validation-9.npy').dtype == np.float16
    assert '9 views' in (copied / 'report.html').read_text()


@pytest.mark.slow
def test_a_run_that_went_on_says_so(command, data, trained, tmp_path, monkeypatch):
    monkeypatch.setattr(availability, 'at_hand', lambda: None)
    run = tmp_path / 'run'
    shutil.copytree(trained, run, ignore=shutil.ignore_patterns('results.csv'))
    assert command('evaluate', data, f'--run_dir={run}', '--views=1') == 0
    assert command('train', data, f'--run_dir={run}', '--epochs=3') == 0
    assert command('report', '--data_dir=nowhere', f'--run_dir={run}') == 0
    card = (run / 'MODEL_CARD.md').read_text()
    assert '3 epochs' in card
    assert '6 steps' in card
    (row,) = [line for line in card.splitlines() if line.startswith('| validation')]
    assert row.endswith('| 4 |')
    for _ in range(2):  # with the records, its new scores are entered, once
        assert command('report', data, f'--run_dir={run}') == 0
    card = (run / 'MODEL_CARD.md').read_text()
    (row,) = [line for line in card.splitlines() if line.startswith('| validation')]
    assert row.endswith('| 6 |')
    assert len((run / 'results.csv').read_text().splitlines()) == 3
    assert f'--run_dir={run} ' in card
    assert '--epochs=3' in card


def test_names_are_shown_not_obeyed(command, data, reported, tmp_path):
    run = tmp_path / 'run <b>'
    shutil.copytree(reported, run)
    kept = json.loads((run / 'data.json').read_text())
    kept['words'] = ['<script>alert(1)</script>', '| **$x^2$** `](x) &lt;']
    config = json.loads((run / 'config.json').read_text())
    config['source_dir'] = 'a\n```\n<script>alert(2)</script>'
    (run / 'config.json').write_text(json.dumps(config))
    (run / 'data.json').write_text(json.dumps(kept))
    assert command('report', data, f'--run_dir={run}') == 0
    text = (run / 'report.html').read_text()
    assert '<script' not in text
    assert 'cat <script>alert(1)</script>' in ' '.join(Page(text).words)
    card = (run / 'MODEL_CARD.md').read_text()
    outside = re.sub(r'^(`{3,})$.*?^\1$', '', card, flags=re.DOTALL | re.MULTILINE)
    assert 'alert(2)' in card
    assert '<script' not in outside.replace(r'\<script', '')
    assert r'\| \*\*$x^2$\*\* \`\](x) \&lt;' in card


def test_without_records_the_rest_is_reported(command, copied, tmp_path, capsys):
    where = f'--data_dir={tmp_path / "nowhere"}'
    assert command('report', where, f'--run_dir={copied}') == 0
    assert 'report: without pictures: ' in capsys.readouterr().out
    text = ' '.join(Page((copied / 'report.html').read_text()).words)
    assert 'nowhere' in text
    assert 'Calibration' not in text
    assert 'Kernels' in text


@pytest.mark.slow
def test_without_matplotlib_there_are_no_curves(command, data, copied, monkeypatch, capsys):
    monkeypatch.setattr(availability, 'at_hand', lambda: None)
    assert command('report', data, f'--run_dir={copied}') == 0
    assert 'alexnet_tf[plots]' in capsys.readouterr().out
    page = Page((copied / 'report.html').read_text())
    assert len(page.addresses) == 1
    assert 'share' in ' '.join(page.words)


def test_a_run_without_epochs_is_an_error(command, tmp_path, capsys):
    assert command('report', f'--run_dir={tmp_path}') == 3
    assert 'holds no finished epoch' in capsys.readouterr().err
