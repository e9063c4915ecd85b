"""Charts show their data: their pixels are inspected."""

import io

import numpy as np
import PIL.Image
import pytest

from alexnet_tf.plots import charts

RED, BLUE = (np.full((256, 256, 3), colour, np.uint8) for colour in ((255, 0, 0), (0, 0, 255)))


def render(figure):
    with PIL.Image.open(io.BytesIO(charts.encode_png(figure))) as image:
        return np.asarray(image.convert('RGB'))


def share_of(image, colour):
    return (np.abs(image.astype(int) - colour).max(-1) < 8).mean()


def test_an_image_grid_shows_every_image():
    image = render(charts.plot_image_grid([RED, RED, BLUE], ['a', 'b', 'c'], columns=2))
    assert share_of(image, (255, 0, 0)) > 0.25
    assert 0.12 < share_of(image, (0, 0, 255)) < share_of(image, (255, 0, 0))


def test_the_bar_of_the_true_class_is_orange():
    row = {'file': 'x/y.jpg', 'classes': ['a', 'b'], 'probabilities': [0.75, 0.25]}
    orange, pale = (0xD5, 0x5E, 0x00), (0xA9, 0xCD, 0xE8)
    unknown = render(charts.plot_predictions([(row, RED)]))
    assert share_of(unknown, orange) == 0
    known = render(charts.plot_predictions([(row | {'label': 'b'}, RED)]))
    assert share_of(known, orange) == pytest.approx(share_of(unknown, pale) / 4, rel=0.5)


@pytest.mark.parametrize(('classes', 'bars'), [(2, 2), (5, 5), (12, 12), (300, 20)])
def test_bars_of_many_classes_keep_their_height(classes, bars):
    row = {'file': 'a.jpg', 'classes': ['c'] * classes, 'probabilities': [1 / classes] * classes}
    figure = charts.plot_predictions([(row, RED)])
    axes = figure.axes[1]
    assert len(axes.patches) == bars
    figure.draw_without_rendering()
    height = axes.get_window_extent().height / max(bars, 5)
    assert height == pytest.approx(27, rel=0.2)  # at 100 dots an inch


def test_the_largest_cell_of_a_confusion_matrix_is_the_darkest():
    image = render(charts.plot_confusion(np.array([[10, 0], [10, 0]]), ['a', 'b'])).sum(-1)
    quarter = image.shape[1] // 4
    assert image[:, quarter : 2 * quarter].mean() < image[:, 2 * quarter : 3 * quarter].mean()


def test_class_names_are_not_parsed_as_formulas():
    charts.encode_png(charts.plot_image_grid([RED], ['$\\frac{$ \udcff\n$x$']))
    charts.encode_png(charts.plot_confusion(np.eye(2, dtype=int), ['$a', 'b$_']))


def test_a_figure_is_saved_in_the_format_of_its_suffix(tmp_path):
    figure = charts.plot_calibration([(0.0, 0.5, 3, 0.4, 0.3), (0.5, 1.0, 2, 0.9, 1.0)])
    charts.save_figure(figure, tmp_path / 'a.svg')
    assert b'<svg' in (tmp_path / 'a.svg').read_bytes()
    charts.save_figure(figure, tmp_path / 'a.png')
    assert (tmp_path / 'a.png').read_bytes().startswith(b'\x89PNG')
