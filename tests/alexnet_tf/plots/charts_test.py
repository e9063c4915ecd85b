"""Figures show what they are given: their pixels are looked at."""

import io

import numpy as np
import PIL.Image
import pytest

from alexnet_tf.plots import charts

RED, BLUE = (np.full((256, 256, 3), colour, np.uint8) for colour in ((255, 0, 0), (0, 0, 255)))


def pixels(figure):
    with PIL.Image.open(io.BytesIO(charts.png(figure))) as picture:
        return np.asarray(picture.convert('RGB'))


def share_of(image, colour):
    return (np.abs(image.astype(int) - colour).max(-1) < 8).mean()


def test_a_sheet_shows_every_picture():
    image = pixels(charts.sheet([RED, RED, BLUE], ['a', 'b', 'c'], across=2))
    assert share_of(image, (255, 0, 0)) > 0.25
    assert 0.12 < share_of(image, (0, 0, 255)) < share_of(image, (255, 0, 0))


def test_predictions_show_the_true_class_in_orange():
    row = {'file': 'x/y.jpg', 'classes': ['a', 'b'], 'probabilities': [0.75, 0.25]}
    orange, pale = (0xD5, 0x5E, 0x00), (0xA9, 0xCD, 0xE8)
    unknown = pixels(charts.predictions([(row, RED)]))
    assert share_of(unknown, orange) == 0
    known = pixels(charts.predictions([(row | {'label': 'b'}, RED)]))
    assert share_of(known, orange) == pytest.approx(share_of(unknown, pale) / 4, rel=0.5)


def test_a_confusion_has_the_darkest_cells_where_most_is():
    image = pixels(charts.confusion(np.array([[10, 0], [10, 0]]), ['a', 'b'])).sum(-1)
    quarter = image.shape[1] // 4
    assert image[:, quarter : 2 * quarter].mean() < image[:, 2 * quarter : 3 * quarter].mean()


def test_names_are_not_formulas():
    charts.png(charts.sheet([RED], ['$\\frac{$ \udcff\n$x$']))
    charts.png(charts.confusion(np.eye(2, dtype=int), ['$a', 'b$_']))


def test_a_figure_is_saved_as_its_name_says(tmp_path):
    figure = charts.reliability([(0.0, 0.5, 3, 0.4, 0.3), (0.5, 1.0, 2, 0.9, 1.0)])
    charts.save(figure, tmp_path / 'a.svg')
    assert b'<svg' in (tmp_path / 'a.svg').read_bytes()
    charts.save(figure, tmp_path / 'a.png')
    assert (tmp_path / 'a.png').read_bytes().startswith(b'\x89PNG')
