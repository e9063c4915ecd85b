"""Progress on a terminal and in a log, and the meter of training."""

import io

import pytest

from alexnet_tf.reports import progress


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test advances: `clock[0]`, in seconds."""
    now = [100.0]
    monkeypatch.setattr(progress.time, 'monotonic', lambda: now[0])
    return now


def test_a_log_gets_a_line_every_30_seconds_and_one_at_the_end(clock):
    stream = io.StringIO()
    with progress.Progress('images', stream) as bar:
        for done in range(1, 1001):
            clock[0] += 0.125
            bar.update(done, 1000)
    assert stream.getvalue().splitlines() == [
        '240/1,000 images  8/s  1:35 left',
        '480/1,000 images  8/s  1:05 left',
        '720/1,000 images  8/s  0:35 left',
        '960/1,000 images  8/s  0:05 left',
        '1,000/1,000 images  8/s  0:00 left',
    ]


def test_a_notebook_keeps_one_line_without_escape_sequences(clock):
    stream = type('OutStream', (io.StringIO,), {'__module__': 'ipykernel.iostream'})()
    with progress.Progress('images', stream) as bar:
        for done in (1, 2):
            clock[0] += 1
            bar.update(done, 2)
    blank = f'\r{" " * 79}\r'
    expected = ['1/2 images  1/s  0:01 left', '2/2 images  1/s  0:00 left']
    assert stream.getvalue() == f'{blank}{expected[0]}{blank}{expected[1]}\n'


def test_fractions_are_shown_as_whole_numbers(clock):
    stream = io.StringIO()
    bar = progress.Progress('MB', stream)
    clock[0] += 2
    bar.update(1234.567, 1234.567)
    assert stream.getvalue() == '1,235/1,235 MB  617/s  0:00 left\n'


def test_a_terminal_keeps_one_line(clock):
    stream = Terminal()
    with progress.Progress('images', stream) as bar:
        for done in range(1, 11):
            clock[0] += 1
            bar.update(done, 10)
    shown = stream.getvalue()
    assert shown.count('\r\x1b[K') == 10
    assert shown.endswith('\r\x1b[K10/10 images  1/s  0:00 left\n')
    assert shown.count('\n') == 1


def test_a_terminal_is_updated_a_few_times_a_second(clock):
    stream = Terminal()
    bar = progress.Progress('images', stream)
    for done in range(1, 101):
        clock[0] += 0.01
        bar.update(done, 1000)
    assert 3 <= stream.getvalue().count('\r') <= 5


def test_a_line_is_cut_to_the_width_of_the_terminal(monkeypatch):
    monkeypatch.setenv('COLUMNS', '20')
    stream = Terminal()
    progress.Progress(stream=stream).show('x' * 50)
    assert stream.getvalue() == '\r\x1b[K' + 'x' * 19


def test_a_terminals_line_can_be_cleared_for_other_output():
    stream = Terminal()
    with progress.Progress(stream=stream) as bar:
        bar.clear()
        assert stream.getvalue() == ''
        bar.show('line')
        bar.clear()
    assert stream.getvalue() == '\r\x1b[Kline\r\x1b[K'


def test_a_meter_measures_speed_and_waiting(clock):
    meter = progress.Meter()
    with meter.measure_waiting():
        clock[0] += 1
    clock[0] += 3
    meter.add(8)
    assert meter.examples == 8
    assert meter.images_per_sec == pytest.approx(2)
    assert meter.wait_share == pytest.approx(0.25)
