"""Checks an image that stays where it is, and makes the reference to it."""

import tensorflow as tf

from input_pipeline.images import foreign_formats, headers, plain_jpegs
from input_pipeline.images import rendering as rendering_lib
from input_pipeline.records import manifests, references, statistics
from input_pipeline.sources import entries as entries_lib

COPIED = 'copied to the index'  # a treatment, see `rendering`
_JPEG_END, _PNG_END = b'\xff\xd9', b'IEND\xaeB`\x82'


def refer(
    entry: entries_lib.Entry,
    encoded: bytes,
    layout: manifests.Layout,
    sums: statistics.PixelSums | None,
) -> tuple[str, tuple[str, ...], bytes]:
    """Makes the reference to an image.

    Its header is checked. It is decoded if it does not end as a whole JPEG or PNG does, if the
    graph cannot read it where it lies, or if its pixels count for the statistics.

    Args:
        entry: What the image comes from.
        encoded: The image, as `entry` reads it.
        layout: How the record refers to it.
        sums: Gets its pixels, unless it is None.

    Returns:
        The image's kind, what was done to it, and the reference; or a copy of its square as PNG,
        if the graph cannot read it.

    Raises:
        ValueError, tf.errors.OpError: Its header is refused, or decoding failed.
        OSError: It cannot be read again.
    """
    plain = plain_jpegs.recognize(encoded, layout.rendering)
    converted, decodable = '', encoded
    if not plain:
        headers.check_bytes(encoded)
        converted, decodable = foreign_formats.convert(encoded, headers.MAX_PIXELS)
    kind = plain.kind if plain else converted or headers.check(decodable)
    reference = None
    if not converted:
        is_plain = plain is not None
        reference = references.create(entry.read, encoded, layout.root, is_plain=is_plain)
    if reference and sums is None and encoded.endswith((_JPEG_END, _PNG_END)):
        return kind, (), reference
    square, _ = rendering_lib.render_square(decodable, layout.rendering, layout.square_size)
    if sums is not None:
        sums.add(square.numpy())
    if reference:
        return kind, (), reference
    return kind, (f'{COPIED}: {kind}',), references.copy(tf.io.encode_png(square).numpy())
