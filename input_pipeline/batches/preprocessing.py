"""From a stored image to the input of the network, without randomness."""

import dataclasses
import functools

import numpy as np
import tensorflow as tf

from input_pipeline.images import decoding
from input_pipeline.records import manifests, reading

_BLOCK = 8  # columns of a JPEG block


def decode_crops(
    encoded: tf.Tensor,
    windows: tf.Tensor,
    mirrored: tf.Tensor | None,
    *,
    crop_size: int,
    is_resized: bool,
    layout: manifests.Layout,
) -> tf.Tensor:
    """Decodes a window of each image as a crop, and no more than it needs.

    Args:
        encoded: (n,) string.
        windows: (n, 4) int32: offset from the top, offset from the left, height, width.
        mirrored: (n,) bool, which crops to mirror; or None for none.
        crop_size: Side of the crop.
        is_resized: Whether windows may have another size than the crop.
        layout: How records hold images.

    Returns:
        (n, crop_size, crop_size, 3) uint8 RGB.
    """
    if layout.encoding != 'jpeg':
        squares = reading.decode_squares(encoded, layout)
        return cut_crops(squares, windows, mirrored, crop_size=crop_size, is_resized=is_resized)
    size = None if is_resized else crop_size
    cut = _decode_jpeg_windows(encoded, windows, size, layout.square_size)
    return _map_windows(cut, windows, mirrored, crop_size, is_resized)


def cut_crops(
    squares: tf.Tensor,
    windows: tf.Tensor,
    mirrored: tf.Tensor | None,
    *,
    crop_size: int,
    is_resized: bool,
) -> tf.Tensor:
    """Cuts a window of each square as a crop; see `decode_crops`.

    Args:
        squares: (n, square_size, square_size, 3) uint8 RGB.
        windows: See `decode_crops`.
        mirrored: See `decode_crops`.
        crop_size: See `decode_crops`.
        is_resized: See `decode_crops`.
    """

    def cut(index):
        row, column, height, width = tf.unstack(windows[index])
        height, width = (height, width) if is_resized else (crop_size, crop_size)
        return tf.slice(squares, [index, row, column, 0], [1, height, width, decoding.CHANNELS])[0]

    return _map_windows(cut, windows, mirrored, crop_size, is_resized)


def _map_windows(cut, windows, mirrored, crop_size: int, is_resized: bool) -> tf.Tensor:
    def cut_and_mirror(index):
        crop = cut(index)
        if is_resized:
            crop = resize(crop[None], crop_size)[0]
        if mirrored is None:
            return crop
        # As bytes: a quarter of the memory traffic that it would be later.
        return tf.cond(mirrored[index], lambda: tf.reverse(crop, [1]), lambda: crop)

    return reading.map_images(cut_and_mirror, tf.range(tf.shape(windows)[0]), crop_size)


def _decode_jpeg_windows(encoded, windows, size: int | None, square_size: int):
    """Returns a function index -> window, of one size or, if it is None, of the window's own."""
    # Starting inside a block costs the decoder more than decoding the whole block and cutting.
    rows, columns, heights, widths = tf.unstack(windows, axis=1)
    first = columns // _BLOCK * _BLOCK
    decoded_widths = tf.minimum(widths + _BLOCK - 1, square_size - first)
    decoded = tf.stack([rows, first, heights, decoded_widths], 1)
    inside = columns - first

    def cut(index):
        strip = tf.io.decode_and_crop_jpeg(encoded[index], decoded[index], **reading.JPEG_OPTIONS)
        height, width = (size, size) if size else (heights[index], widths[index])
        return tf.slice(strip, [0, inside[index], 0], [height, width, decoding.CHANNELS])

    return cut


def central_crop(image: np.ndarray, crop_size: int) -> np.ndarray:
    """Cuts the central (crop_size, crop_size, 3) of a square image.

    >>> central_crop(np.arange(16).reshape(4, 4, 1), 2)[:, :, 0]
    array([[ 5,  6],
           [ 9, 10]])
    """
    start = (image.shape[0] - crop_size) // 2
    return image[start : start + crop_size, start : start + crop_size]


def get_view_offsets(
    crop_size: int, number: int, square_size: int = decoding.SQUARE_SIZE
) -> list[tuple[int, int, bool]]:
    """Lists the views of evaluation as (row, column, mirrored).

    Args:
        crop_size: Side of a view.
        number: 1 for the centre; 2 for the centre and its mirror image; 10 for the four corners and
            the centre, each plain and mirrored (paper, section 4.1); or 9 for three by three
            offsets, plain.
        square_size: Side of the image.

    Raises:
        ValueError: Another number of views.

    >>> get_view_offsets(224, 1)
    [(16, 16, False)]
    """
    far = square_size - crop_size
    centre = (far // 2, far // 2)
    if number == 1:
        return [(*centre, False)]
    if number == 2:
        return [(*centre, False), (*centre, True)]
    if number == 10:
        corners = [(0, 0), (0, far), (far, 0), (far, far), centre]
        return [(*corner, mirrored) for mirrored in (False, True) for corner in corners]
    if number == 9:
        edges = (0, far // 2, far)
        return [(row, column, False) for row in edges for column in edges]
    raise ValueError(f'{number} views: expected 1, 2, 9 or 10.')


def resize(images: tf.Tensor, size: int) -> tf.Tensor:
    """Resizes by bilinear interpolation: (n, rows, columns, 3) uint8 -> (n, size, size, 3) uint8.

    There is no antialiasing filter, as on GPUs and servers. Windows more than twice as large as
    `size` lose pixels; with what `--minutes` chooses, they are at most 2.7 times as large.
    """
    # As float32, which LiteRT requires; the kernel computes in it anyway.
    resized = tf.image.resize(tf.cast(images, tf.float32), [size, size])
    return tf.cast(tf.round(resized), tf.uint8)


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """How the squares of records become the input of a network.

    Attributes:
        mean_image: (square_size, square_size, 3) float32 RGB in [0, 255].
        crop_size: The side of the network's input.
        view_size: The side of the part of the square that a view shows; if it is not `crop_size`,
            the view is resized. 0 stands for `crop_size`.
    """

    mean_image: np.ndarray
    crop_size: int
    view_size: int = 0

    @property
    def square_size(self) -> int:
        """The side of the squares."""
        return len(self.mean_image)

    @property
    def window_size(self) -> int:
        """The side of the part of the square that a view shows."""
        return self.view_size or self.crop_size

    @functools.cached_property
    def mean_view(self) -> np.ndarray:
        """The mean image's central view, (crop_size, crop_size, 3) float32."""
        centre = central_crop(self.mean_image, self.window_size)
        if self.window_size == self.crop_size:
            return centre
        with tf.init_scope():
            return tf.image.resize(centre, [self.crop_size, self.crop_size]).numpy()

    def cut_view(self, square: np.ndarray) -> np.ndarray:
        """Cuts the central view of (square_size, square_size, 3) uint8 RGB, without the mean."""
        centre = central_crop(square, self.window_size)
        if self.window_size == self.crop_size:
            return centre
        return resize(centre[None], self.crop_size)[0].numpy()

    def make_views(self, squares: tf.Tensor, number: int) -> tf.Tensor:
        """Cuts the views of evaluation and subtracts the central view of the mean image.

        Args:
            squares: (batch, square_size, square_size, 3) uint8 RGB.
            number: 1, 2, 9 or 10; see `get_view_offsets`.

        Returns:
            (batch * number, crop_size, crop_size, 3) float32; the views of an image are
            consecutive.

        Raises:
            ValueError: Another number of views.
        """
        size, views = self.window_size, []
        for row, column, mirrored in get_view_offsets(size, number, self.square_size):
            view = squares[:, row : row + size, column : column + size]
            views.append(tf.reverse(view, [2]) if mirrored else view)
        stacked = tf.reshape(tf.stack(views, axis=1), [-1, size, size, decoding.CHANNELS])
        if size != self.crop_size:
            stacked = resize(stacked, self.crop_size)
        return tf.cast(stacked, tf.float32) - self.mean_view
