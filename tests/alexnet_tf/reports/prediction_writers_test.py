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
