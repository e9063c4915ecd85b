"""Predictions as table, CSV and JSON."""

import io
import json

import pytest

from alexnet_tf.reports import prediction_writers

ROWS = (
    {'file': 'a.jpg', 'classes': ['cat', '=dog'], 'probabilities': [0.75, 0.25]},
    {'file': '-b.jpg', 'error': 'not an image'},
)
EXPECTED = {
    'table': 'a.jpg\n     75.0 %  cat\n     25.0 %  =dog\n-b.jpg\n    error: not an image\n',
    'csv': 'file,class_1,probability_1,class_2,probability_2,error\n'
    "a.jpg,cat,0.75,'=dog,0.25,\n"
    "'-b.jpg,,,,,not an image\n",
    'json': ''.join(json.dumps(row) + '\n' for row in ROWS),
}


@pytest.mark.parametrize('form', EXPECTED)
def test_rows_are_written_one_after_the_other(form):
    stream = io.StringIO()
    write = prediction_writers.create_writer(form, stream, 2)
    for row in ROWS:
        write(row)
    assert stream.getvalue() == EXPECTED[form]


@pytest.mark.parametrize(
    ('form', 'expected'),
    [
        ('table', 'a\\rb.jpg\n     75.0 %  \\x1b[2Jcat\n'),
        ('csv', 'file,class_1,probability_1,error\n"a\rb.jpg","\x1b[2Jcat","0.75",""\n'),
    ],
)
def test_names_with_control_characters_take_one_row(form, expected):
    stream = io.StringIO()
    row = {'file': 'a\rb.jpg', 'classes': ['\x1b[2Jcat'], 'probabilities': [0.75]}
    prediction_writers.create_writer(form, stream, 1)(row)
    assert stream.getvalue() == expected
