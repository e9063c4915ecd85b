"""Progress on a terminal and elsewhere."""

import io

from alexnet_tf.reports import progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_plain_lines_are_few():
    stream = io.StringIO()
    bar = progress.Progress('pictures', stream)
    for done in range(1, 1001):
        bar.show(done, 1000)
    bar.close()
    lines = stream.getvalue().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith('1,000/1,000 pictures, ')


def test_a_terminal_keeps_one_line():
    stream = Terminal()
    bar = progress.Progress('pictures', stream)
    bar.show(10, 10)
    bar.close()
    assert stream.getvalue().startswith('\r\x1b[K10/10 pictures')
    assert stream.getvalue().count('\n') == 1
