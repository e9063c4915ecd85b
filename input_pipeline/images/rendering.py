"""Renders the file of an image: from its bytes to an upright sRGB square without transparency.

`prepare` and `predict` call `render_square`; the served graph and data sets from folders call
`render`, which does the same by the same operations. `render_square` also returns what was done to
the image, for tables that count it:

>>> encoded = tf.io.encode_png(tf.zeros([8, 8, 4], tf.uint8)).numpy()  # nothing but transparency
>>> square, treatments = render_square(encoded, PLAIN, size=4)
>>> int(square.numpy().min()), treatments
(255, ('composited on the background',))

Each treatment is a short phrase that counts as a kind of its own, with `tally.add`: 'composited on
the background', 'turned: EXIF orientation 6', 'converted: colour profile Adobe RGB (1998)', 'not
converted: colour profile ...'. An ordinary image has none. The kind of a file ('JPEG', 'PNG', ...)
is another matter: see `headers.check`, which comes first.
"""

import dataclasses
import functools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
import tensorflow as tf

from input_pipeline.images import colour_profiles, decoding, headers, jpeg, orientation

COMPOSITED, TURNED = 'composited on the background', 'turned: EXIF orientation'
CONVERTED, NOT_CONVERTED = 'converted: colour profile', 'not converted: colour profile'
_ORDINARY = jpeg.Metadata(orientation.UPRIGHT, b'')
_NAMED_COLORS = {'white': '#ffffff', 'black': '#000000', 'gray': '#808080', 'grey': '#808080'}
_HEX_COLOR = re.compile('#[0-9a-f]{6}')


@dataclasses.dataclass(frozen=True)
class Rendering:
    """How files become pixels: the same for training, prediction and serving.

    Attributes:
        exif_orientation: Whether images are turned as EXIF (or XMP) says.
        colour_profiles: Whether images with an ICC profile are converted to sRGB.
        background: Color behind transparent pixels, '#rrggbb'.
        warp: Whether whole images are resized to squares, as Caffe's tools do, instead of central
            squares. Records never are.
    """

    exif_orientation: bool = False
    colour_profiles: bool = False
    background: str = '#ffffff'
    warp: bool = False

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Self:
        """Takes the fields from the settings of a manifest or a run; older ones lack some."""
        names = (field.name for field in dataclasses.fields(cls))
        return cls(**{name: settings[name] for name in names if name in settings})

    def to_settings(self) -> dict[str, Any]:
        """Returns the fields for a manifest or a run: `warp`, which records lack, if it is set."""
        settings = dataclasses.asdict(self)
        return settings if self.warp else {n: v for n, v in settings.items() if n != 'warp'}

    def fit_to_square(self, image: tf.Tensor, size: int) -> tf.Tensor:
        """Resizes an image, or its central square: (height, width, 3) -> (size, size, 3) uint8."""
        resize = decoding.warp_to_square if self.warp else decoding.resize_to_square
        return resize(image, size)

    @property
    def background_rgb(self) -> tuple[int, int, int]:
        """Red, green and blue of the background, 0 to 255."""
        return tuple(bytes.fromhex(self.background.removeprefix('#')))

    @property
    def uses_metadata(self) -> bool:
        """Whether metadata may change how pixels are shown."""
        return self.exif_orientation or self.colour_profiles


PLAIN = Rendering()
OWN_IMAGES = Rendering(exif_orientation=True, colour_profiles=True)  # not those of ImageNet


def parse_color(text: str) -> str:
    """Parses a color, one of a few names or hexadecimal digits.

    >>> parse_color('white'), parse_color('#F80'), parse_color('#12ab9F')
    ('#ffffff', '#ff8800', '#12ab9f')

    Raises:
        ValueError: It is something else.
    """
    color = _NAMED_COLORS.get(text.lower(), text.lower())
    if re.fullmatch('#[0-9a-f]{3}', color):
        color = '#' + ''.join(2 * digit for digit in color[1:])
    if not _HEX_COLOR.fullmatch(color):
        raise ValueError(f'expected #rrggbb or one of {", ".join(_NAMED_COLORS)}')
    return color


class Rendered(NamedTuple):
    """An image that was rendered: tensors.

    Attributes:
        square: (size, size, 3) uint8 RGB.
        metadata: The metadata that were applied.
        is_composited: Whether any pixel was transparent.
    """

    square: tf.Tensor
    metadata: jpeg.Metadata
    is_composited: tf.Tensor


def render(
    encoded: tf.Tensor,
    rendering: Rendering,
    size: int = decoding.SQUARE_SIZE,
    *,
    jpeg_metadata: jpeg.Metadata | None = None,
) -> Rendered:
    """Renders the central square of an image of any format; see `render_jpeg`."""
    return Rendered(
        *tf.cond(
            tf.io.is_jpeg(encoded),
            lambda: render_jpeg(encoded, rendering, size, metadata=jpeg_metadata),
            lambda: render_other(encoded, rendering, size),
        )
    )


def render_jpeg(
    encoded: tf.Tensor,
    rendering: Rendering,
    size: int = decoding.SQUARE_SIZE,
    *,
    metadata: jpeg.Metadata | None = None,
) -> Rendered:
    """Renders the central square of a JPEG.

    Args:
        encoded: Scalar string; `decoding.decode_jpeg` says what is raised.
        rendering: How the file becomes pixels.
        size: Side of the square in pixels.
        metadata: Its metadata, if they are known; by default they are read.
    """
    if rendering.uses_metadata and metadata is None:
        metadata = jpeg.read_metadata_in_graph(encoded)
    metadata = _select_metadata(metadata, rendering)
    rgb = _show(_trim(decoding.decode_jpeg(encoded), rendering), metadata, rendering)
    return Rendered(rendering.fit_to_square(rgb, size), metadata, tf.constant(False))


def render_other(
    encoded: tf.Tensor, rendering: Rendering, size: int = decoding.SQUARE_SIZE
) -> Rendered:
    """Renders the central square of an image that is not a JPEG."""
    pixels = decoding.decode_other(encoded)
    metadata = _select_metadata(pixels.metadata, rendering)
    rgb, alpha = (_trim(values, rendering) for values in (pixels.rgb, pixels.alpha))
    rgb = _show(rgb, metadata, rendering, alpha)
    is_composited = decoding.is_transparent(pixels.alpha)
    return Rendered(rendering.fit_to_square(rgb, size), metadata, is_composited)


def render_pixels(rgba: np.ndarray, profile: bytes, rendering: Rendering) -> np.ndarray:
    """Makes pixels opaque, in sRGB: (height, width, 4) uint8 -> (height, width, 3) uint8.

    Args:
        rgba: The pixels, upright.
        profile: Their ICC profile, or nothing.
        rendering: How they are shown.
    """
    metadata = jpeg.Metadata(tf.constant(orientation.UPRIGHT), tf.constant(profile))
    pixels = tf.constant(rgba)
    return _show(pixels[..., :3], metadata, rendering, pixels[..., 3:]).numpy()


def _select_metadata(metadata: jpeg.Metadata | None, rendering: Rendering) -> jpeg.Metadata:
    """Selects the metadata that are applied; the others are those of an ordinary image."""
    turn, profile = metadata or (None, None)
    return jpeg.Metadata(
        turn if rendering.exif_orientation else tf.constant(orientation.UPRIGHT),
        profile if rendering.colour_profiles else tf.constant(''),
    )


def _trim(image, rendering: Rendering) -> tf.Tensor:
    """Cuts off what will not be seen, if each pixel may have to be converted."""
    is_whole = rendering.warp or not rendering.colour_profiles
    return image if is_whole else decoding.trim(image)


def _show(rgb, metadata: jpeg.Metadata, rendering: Rendering, alpha=None) -> tf.Tensor:
    """Makes an image opaque and upright, in sRGB: (height, width, 3) uint8."""
    if rendering.colour_profiles:
        rgb = colour_profiles.convert(rgb, metadata.profile)
    if alpha is not None:
        rgb = decoding.composite(rgb, alpha, rendering.background_rgb)
    return orientation.apply(rgb, metadata.orientation) if rendering.exif_orientation else rgb


def render_square(
    encoded: bytes, rendering: Rendering, size: int = decoding.SQUARE_SIZE
) -> tuple[tf.Tensor, tuple[str, ...]]:
    """Renders the central square of an image, and says what was done to it.

    Args:
        encoded: A file that `headers.check` accepts.
        rendering: How it becomes pixels.
        size: Side of the square in pixels.

    Returns:
        (size, size, 3) uint8 RGB, and the treatments.

    Raises:
        tf.errors.OpError: The image is damaged.
    """
    if encoded.startswith(headers.JPEG):
        # In Python, which is faster; most images then need no graph that reads metadata.
        metadata = jpeg.read_metadata(encoded) if rendering.uses_metadata else _ORDINARY
        treatments = list_treatments(metadata, rendering)
        plain = dataclasses.replace(rendering, exif_orientation=False, colour_profiles=False)
        used = rendering if changes_pixels(treatments) else plain
        return _trace(render_jpeg, used, size)(encoded).square, treatments
    rendered = _trace(render_other, rendering, size)(encoded)
    metadata = jpeg.Metadata(*(value.numpy() for value in rendered.metadata))
    return rendered.square, list_treatments(metadata, rendering, bool(rendered.is_composited))


@functools.cache
def _trace(render_: Callable[..., Rendered], rendering: Rendering, size: int):
    return tf.function(
        lambda encoded: render_(encoded, rendering, size),
        input_signature=[tf.TensorSpec([], tf.string)],
        autograph=False,
    )


def list_treatments(
    metadata: jpeg.Metadata, rendering: Rendering, is_composited: bool = False
) -> tuple[str, ...]:
    """Lists what is done to an image with some metadata, in Python values."""
    treatments = []
    if rendering.colour_profiles and metadata.profile:
        treatments.append(_describe_profile(metadata.profile))
    if is_composited:
        treatments.append(COMPOSITED)
    if rendering.exif_orientation and metadata.orientation != orientation.UPRIGHT:
        treatments.append(f'{TURNED} {metadata.orientation}')
    return tuple(filter(None, treatments))


def changes_pixels(treatments: Sequence[str]) -> bool:
    """Returns whether what is done to an image changes its pixels."""
    return not all(treatment.startswith(NOT_CONVERTED) for treatment in treatments)


@functools.lru_cache(maxsize=256)
def _describe_profile(profile: bytes) -> str:
    """Says what is done to images with a profile; '' if nothing."""
    conversion = _read_conversion(profile)
    name = colour_profiles.read_name(profile)
    if conversion.is_needed:
        return f'{CONVERTED} {name}'
    return '' if conversion.is_possible else f'{NOT_CONVERTED} {name}'


_read_conversion = tf.function(
    colour_profiles.read_conversion, input_signature=[tf.TensorSpec([], tf.string)], autograph=False
)
