"""Converts images with an ICC profile to sRGB, in TensorFlow operations.

Profiles of cameras, displays and wide-gamut spaces define their RGB by three curves and a matrix
(ICC.1:2022, 8.3.3 and F.3), grey ones by one curve. These are converted by curves, matrix and
sRGB's curve, to within 1 of what LittleCMS computes (relative colorimetric). Profiles defined by
tables, such as those of printers, are not converted.
"""

import struct
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from input_pipeline.images import graph_bytes

_MAX_TAGS = 100
_HEADER_BYTES, _TAG_BYTES = 128, 12
_SPACE, _CONNECTION_SPACE = 16, 20  # where they are in the header
_TAGS = ('rXYZ', 'gXYZ', 'bXYZ', 'rTRC', 'gTRC', 'bTRC', *3 * ('kTRC',))
_TABLE_TAGS = ('A2B0', 'A2B1')  # which LittleCMS prefers to a matrix
_LEVELS, _MAX_NAME = 256, 60
_ROW_PIXELS = 128
_BLOCK_ROWS = 1 << 11  # that are converted at once, in a few megabytes
_OFFSETS = np.tile(_LEVELS * np.arange(3, dtype=np.int32), _ROW_PIXELS)
# Columns: XYZ of sRGB's red, green and blue under D50 (IEC 61966-2-1, adapted as by Bradford).
_SRGB_COLORANTS = (
    (0.4360747, 0.3850649, 0.1430804),
    (0.2225045, 0.7168786, 0.0606169),
    (0.0139322, 0.0971045, 0.7141733),
)
_XYZ_TO_SRGB = np.linalg.inv(np.array(_SRGB_COLORANTS)).astype(np.float32)
_ENCODED_STEPS = 1 << 16


def _encode_srgb(linear: np.ndarray) -> np.ndarray:
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.round(255 * encoded).astype(np.uint8)


_ENCODED = _encode_srgb(np.arange(_ENCODED_STEPS) / (_ENCODED_STEPS - 1))
_GRID = np.stack(np.meshgrid(*3 * [np.arange(0, 256, 51)], indexing='ij'), -1).reshape(-1, 3)
_GREYS = np.repeat(np.arange(_LEVELS)[:, None], 3, 1)
_PROBES = np.resize(np.concatenate([_GRID, _GREYS]), (4 * _ROW_PIXELS, 3)).astype(np.uint8)
_TOLERANCE = 2  # levels by which a profile that is as good as sRGB moves colors


class Conversion(NamedTuple):
    """The conversion of the colors of a profile to sRGB.

    Attributes:
        curves: (3, 256) float32, the linear value of each level of red, green and blue.
        matrix: (3, 3) float32, from these values to linear sRGB.
        is_needed: Whether the profile can be converted, and is not close to sRGB.
        is_possible: Whether it can be converted.
    """

    curves: tf.Tensor
    matrix: tf.Tensor
    is_needed: tf.Tensor
    is_possible: tf.Tensor


def read_conversion(profile: tf.Tensor) -> Conversion:
    """Reads an ICC profile, scalar string; for other content, `is_possible` is False."""
    data = graph_bytes.Bytes(profile)
    space, connection = tf.unstack(data.read_integer([_SPACE, _CONNECTION_SPACE], 4))
    is_rgb, is_grey = space == _to_integer('RGB '), space == _to_integer('GRAY')
    starts = _find_tags(data)
    colorants, rgb_curves, grey_curves, tables = tf.split(starts, [3, 3, 3, 2])
    xyz = data.read_signed(colorants + tf.constant([[8], [12], [16]], tf.int64), 4)
    matrix = tf.linalg.matmul(_XYZ_TO_SRGB, tf.cast(xyz, tf.float32) / 65536)
    matrix = tf.where(is_rgb, matrix, tf.eye(3))
    curve_starts = tf.where(is_rgb, rgb_curves, grey_curves)
    curves, are_curves = _read_curves(data, curve_starts)
    is_whole = (data.read_integer(0, 4) <= data.size) & (connection == _to_integer('XYZ '))
    is_possible = is_whole & (is_grey | (is_rgb & tf.reduce_all(colorants > 0)))
    is_possible &= tf.reduce_all(curve_starts > 0) & are_curves & tf.reduce_all(tables == 0)
    moved = tf.cast(_convert(tf.constant(_PROBES), curves, matrix), tf.int32) - _PROBES
    is_needed = is_possible & (tf.reduce_max(tf.abs(moved)) > _TOLERANCE)
    return Conversion(curves, matrix, is_needed, is_possible)


def read_name(profile: bytes) -> str:
    """Reads the name of a profile; 'without a name' if it has none that can be read."""
    data = profile[: 1 << 20]
    try:
        (number,) = struct.unpack_from('>I', data, _HEADER_BYTES)
        places = _HEADER_BYTES + 4 + _TAG_BYTES * np.arange(min(number, _MAX_TAGS))
        tags = (struct.unpack_from('>4sII', data, place) for place in places)
        start, size = next(tag[1:] for tag in tags if tag[0] == b'desc')
        content = data[start : start + size]
        if content.startswith(b'mluc'):  # the first language
            length, at = struct.unpack_from('>II', content, 20)
            name = content[at : at + length].decode('utf-16-be', 'replace')
        else:
            name = content[12:].split(b'\0')[0].decode('latin-1')
    except (struct.error, StopIteration):
        name = ''
    name = ''.join(filter(str.isprintable, name)).strip()[:_MAX_NAME]
    return name or 'without a name'


def convert(image: tf.Tensor, profile: tf.Tensor) -> tf.Tensor:
    """Converts an image, (height, width, 3) uint8, to sRGB, if its profile can and need be."""
    return tf.cond(profile != '', lambda: _convert_if_needed(image, profile), lambda: image)


@graph_bytes.keep_apart
def _convert_if_needed(image: tf.Tensor, profile: tf.Tensor) -> tf.Tensor:
    conversion = read_conversion(profile)
    return tf.cond(conversion.is_needed, lambda: _convert_blocks(image, conversion), lambda: image)


def _convert_blocks(image: tf.Tensor, conversion: Conversion) -> tf.Tensor:
    pixels = tf.reshape(image, [-1, 3])
    number = tf.shape(pixels)[0]
    block = _ROW_PIXELS * tf.minimum(-(-number // _ROW_PIXELS), _BLOCK_ROWS)
    blocks = tf.pad(pixels, [[0, -number % block], [0, 0]])
    converted = tf.map_fn(
        lambda block: _convert(block, conversion.curves, conversion.matrix),
        tf.reshape(blocks, [-1, block, 3]),
        parallel_iterations=1,
    )
    return tf.reshape(tf.reshape(converted, [-1, 3])[:number], tf.shape(image))


def _convert(pixels: tf.Tensor, curves: tf.Tensor, matrix: tf.Tensor) -> tf.Tensor:
    """Converts pixels, (n, 3) uint8, n a multiple of _ROW_PIXELS."""
    # A sum with three numbers takes three times as long as with a row.
    levels = tf.cast(tf.reshape(pixels, [-1, 3 * _ROW_PIXELS]), tf.int32) + _OFFSETS
    linear = tf.reshape(tf.gather(tf.reshape(curves, [-1]), levels), [-1, 3])
    linear = tf.clip_by_value(tf.linalg.matmul(linear, matrix, transpose_b=True), 0.0, 1.0)
    steps = tf.cast(linear * (_ENCODED_STEPS - 1) + 0.5, tf.int32)
    return tf.gather(tf.constant(_ENCODED), steps)


def _find_tags(data: graph_bytes.Bytes) -> tf.Tensor:
    """Finds where the content of each tag starts, int64; 0 without it."""
    number = tf.minimum(data.read_integer(_HEADER_BYTES, 4), _MAX_TAGS)
    offsets = _HEADER_BYTES + 4 + _TAG_BYTES * tf.range(number)
    names = data.read_integer(offsets, 4)
    wanted = tf.constant([[_to_integer(name)] for name in _TAGS + _TABLE_TAGS], tf.int64)
    starts = tf.where(names == wanted, data.read_integer(offsets + 4, 4), 0)
    return tf.maximum(tf.reduce_max(starts, 1), 0)


def _to_integer(name: str) -> int:
    return int.from_bytes(name.encode(), 'big')


def _read_curves(data: graph_bytes.Bytes, starts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Reads curves that start at some offsets, (3,) int64.

    Returns:
        (3, 256) float32, their values at each level; and whether all are curves.
    """
    x = tf.range(_LEVELS, dtype=tf.float32)[None] / (_LEVELS - 1)
    is_table, is_formula = (data.starts_with(starts, mark) for mark in (b'curv', b'para'))
    tables = _read_table(data, starts, x)
    formulas = _read_formula(data, starts, x)
    curves = tf.where(is_table[:, None], tables, formulas)
    return tf.clip_by_value(curves, 0.0, 1.0), tf.reduce_all(is_table | is_formula)


def _read_table(data: graph_bytes.Bytes, starts: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    """Reads curves of points, joined by lines; one point is a gamma, no points are a line."""
    number = data.read_integer(starts + 8, 4)[:, None]
    positions = x * tf.cast(number - 1, tf.float32)
    lower = tf.clip_by_value(tf.cast(positions, tf.int64), 0, tf.maximum(number - 2, 0))
    points = starts[:, None] + 12 + 2 * lower
    before, after = (
        tf.cast(data.read_integer(points + at, 2), tf.float32) / 65535 for at in (0, 2)
    )
    table = before + (positions - tf.cast(lower, tf.float32)) * (after - before)
    gamma = tf.cast(data.read_integer(starts + 12, 2), tf.float32)[:, None] / 256
    return tf.where(number == 0, x + tf.zeros_like(table), tf.where(number == 1, x**gamma, table))


def _read_formula(data: graph_bytes.Bytes, starts: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    """Reads parametric curves (ICC.1:2022, 10.18): (a x + b)^g + e, but c x + f below d."""
    kind = data.read_integer(starts + 8, 2)[:, None]
    values = data.read_signed(starts[:, None] + 12 + 4 * tf.range(7, dtype=tf.int64), 4)
    g, a, b, c, d, e, f = tf.split(tf.cast(values, tf.float32) / 65536, 7, 1)
    a, b = tf.where(kind == 0, 1.0, a), tf.where(kind == 0, 0.0, b)
    power = tf.maximum(a * x + b, 0.0) ** g
    power += tf.where(kind == 2, c, tf.where(kind == 4, e, 0.0))
    line = c * x + tf.where(kind == 4, f, 0.0)
    return tf.where((kind >= 3) & (x < d), line, power)
