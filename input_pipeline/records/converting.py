"""Converts images to records, or checks those that stay where they are."""

import dataclasses
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from input_pipeline import errors
from input_pipeline.images import decoding, foreign_formats, headers, plain_jpegs
from input_pipeline.images import rendering as rendering_lib
from input_pipeline.records import indexing, manifests, references, statistics
from input_pipeline.sources import entries as entries_lib

_DIGEST_DIGITS = 16  # of an image's sha256 that are kept
_CHUNK_IMAGES, _CHUNK_BYTES = 32, 16 << 20  # in memory at once, at least one image
_UNREADABLE = (tf.errors.OpError, OSError, ValueError)
_OF_THE_MACHINE = (
    tf.errors.ResourceExhaustedError,
    tf.errors.UnavailableError,
    tf.errors.AbortedError,  # of an object store, after it was tried again
    tf.errors.DeadlineExceededError,
    tf.errors.UnauthenticatedError,
)


@dataclasses.dataclass(frozen=True)
class RecordFormat:
    """What all records of a data set have in common.

    Attributes:
        classes: Class names in label order.
        words: Meanings of the classes, if their names do not say it.
        ids: ILSVRC ids of the classes, if they have some.
        layout: How records hold images.
        rendering: How files become pixels.
        quality: Quality of records that hold JPEGs, see `decoding.encode_jpeg`.
        halves_colour: Whether these JPEGs have colours at half the resolution.
    """

    classes: tuple[str, ...]
    words: tuple[str, ...]
    ids: tuple[int, ...]
    layout: manifests.Layout
    rendering: rendering_lib.Rendering
    quality: int = decoding.JPEG_QUALITY
    halves_colour: bool = False


class Converted(NamedTuple):
    """An image that could be read.

    Attributes:
        kind: Its kind, see `headers.check`.
        treatments: What was done to it besides decoding it.
        record: Its new record; b'' if it stays in its old one.
        digest: The first digits of its sha256.
    """

    kind: str
    treatments: tuple[str, ...]
    record: bytes
    digest: str


class _Image(NamedTuple):
    entry: entries_lib.Entry
    encoded: bytes | Exception
    sums: statistics.PixelSums | None  # if its pixels count


def convert_all(
    entries: Sequence[entries_lib.Entry],
    record_format: RecordFormat,
    *,
    sums: statistics.PixelSums | None = None,
    sampled: int = 0,
    stays: bool = False,
) -> Iterator[Converted | Exception]:
    """Yields each image converted, in order, or the error of reading it.

    Args:
        entries: The images.
        record_format: The format of their records.
        sums: Adds up the pixels of the images that count.
        sampled: Number of images, the first ones, that count.
        stays: Whether the images stay in the records that they are in.
    """
    is_index = record_format.layout.encoding == references.ENCODING
    convert = _check_record if stays else _make_reference if is_index else _make_record
    for chunk in _read_chunks(entries, sums, sampled):
        plain = {} if stays or is_index else _convert_plain(chunk, record_format)
        for number, image in enumerate(chunk):
            converted = plain.get(number) or image.encoded
            if isinstance(converted, bytes):
                converted = _attempt(convert, image, record_format)
            if isinstance(converted, Exception):
                yield converted
            else:
                digest = hashlib.sha256(image.encoded).hexdigest()
                yield Converted(*converted, digest[:_DIGEST_DIGITS])


def decode_square(
    encoded: bytes, rendering: rendering_lib.Rendering, square_size: int = decoding.SQUARE_SIZE
) -> tf.Tensor:
    """Decodes an image as records hold it.

    Args:
        encoded: The encoded image, of any kind that `headers.check` accepts.
        rendering: How it becomes pixels.
        square_size: Side of the result.

    Returns:
        (square_size, square_size, 3) uint8 RGB.

    Raises:
        ValueError: Not an image, or one so large that decoding it could exhaust the memory.
        tf.errors.OpError: The image is damaged.
    """
    return _decode_checked(encoded, rendering, square_size)[2]


def _decode_checked(encoded: bytes, rendering: rendering_lib.Rendering, square_size: int):
    """Returns the kind of an image, its treatments (see `Converted`), and its square."""
    headers.check_bytes(encoded)  # of the file; a converted image may be larger
    converted, encoded = foreign_formats.convert(encoded, headers.MAX_PIXELS)
    kind = converted or headers.check(encoded)
    square, treatments = rendering_lib.render_square(encoded, rendering, square_size)
    treatments = (f'converted: {converted}', *treatments) if converted else treatments
    return kind, treatments, square


def _read_chunks(entries, sums, sampled: int) -> Iterator[list[_Image]]:
    chunk, size = [], 0
    for number, entry in enumerate(entries):
        encoded = _attempt(entry.read)
        chunk.append(_Image(entry, encoded, sums if number < sampled else None))
        size += len(encoded) if isinstance(encoded, bytes) else 0
        if len(chunk) == _CHUNK_IMAGES or size > _CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _attempt(function: Callable, *arguments):
    """Calls a function, and returns the error if an image cannot be read."""
    try:
        return function(*arguments)
    except _UNREADABLE as error:
        if is_of_machine(error):
            raise
        return error


def is_of_machine(error: Exception) -> bool:
    """Returns whether an error of reading an image would come with every image."""
    return isinstance(error, _OF_THE_MACHINE) or errors.is_of_machine(error)


def _convert_plain(chunk: Sequence[_Image], record_format: RecordFormat) -> dict[int, tuple]:
    """Does what `_make_record` does for all plain JPEGs, by number; for none if one is damaged."""
    layout, plain = record_format.layout, {}
    for number, image in enumerate(chunk):
        if isinstance(image.encoded, bytes):
            plain[number] = plain_jpegs.recognize(image.encoded, record_format.rendering)
    numbers = [number for number, recognized in plain.items() if recognized]
    if not numbers:
        return {}
    try:
        squares, stored = plain_jpegs.render(
            [chunk[number].encoded for number in numbers],
            layout.square_size,
            quality=record_format.quality if layout.encoding == 'jpeg' else 0,
            halves_colour=record_format.halves_colour,
        )
    except tf.errors.OpError:
        return {}
    counted = sum(chunk[number].sums is not None for number in numbers)  # the first ones
    if counted:
        chunk[numbers[0]].sums.add_all(squares[:counted])
    if layout.encoding == 'raw':
        stored = [square.tobytes() for square in squares]
    return {
        number: (*plain[number], _serialize(chunk[number].entry, data, record_format))
        for number, data in zip(numbers, stored, strict=True)
    }


def _make_record(image: _Image, record_format: RecordFormat):
    """Returns the kind of an image, its treatments and its record; adds to the sums, if any."""
    layout, rendering = record_format.layout, record_format.rendering
    kind, treatments, square = _decode_checked(image.encoded, rendering, layout.square_size)
    if layout.encoding == 'jpeg':
        quality, halves_colour = record_format.quality, record_format.halves_colour
        stored = decoding.encode_jpeg(square, quality, halves_colour=halves_colour).numpy()
    else:
        stored = square.numpy().tobytes()
    if image.sums is not None:
        image.sums.add(square.numpy())
    return kind, treatments, _serialize(image.entry, stored, record_format)


def _make_reference(image: _Image, record_format: RecordFormat):
    """Does what `_make_record` does, for an image that stays where it is."""
    entry, encoded, sums = image
    *checked, reference = indexing.refer(entry, encoded, record_format.layout, sums)
    return *checked, _serialize(entry, reference, record_format)


def _check_record(image: _Image, _record_format) -> tuple[str, tuple[str, ...], bytes]:
    """Returns the kind of an image that stays in its record, and b''; adds to the sums, if any."""
    kind = headers.check(image.encoded)
    channels, method = decoding.CHANNELS, decoding.DCT_METHOD
    square = tf.io.decode_jpeg(image.encoded, channels=channels, dct_method=method)
    if image.sums is not None:
        image.sums.add(square.numpy())
    return kind, (), b''


def _serialize(entry: entries_lib.Entry, stored: bytes, record_format: RecordFormat) -> bytes:
    size = record_format.layout.square_size
    name = record_format.classes[entry.label].encode()
    words = record_format.words[entry.label].encode() if record_format.words else name
    features: Mapping[str, Any] = {
        record_format.layout.image: stored,
        'image/format': record_format.layout.encoding.upper().encode(),
        'image/colorspace': b'RGB',
        'image/height': size,
        'image/width': size,
        'image/channels': decoding.CHANNELS,
        'image/filename': entry.name.encode(errors='surrogateescape'),
        'image/class/label': entry.label,
        'image/class/synset': name,
        'image/class/text': words,
    }
    if record_format.ids:
        features['image/class/ilsvrc_id'] = record_format.ids[entry.label]
    example = tf.train.Example()
    feature = example.features.feature  # filled in place: in a third of the time
    for key, value in features.items():
        values = feature[key].bytes_list if isinstance(value, bytes) else feature[key].int64_list
        values.value.append(value)
    return example.SerializeToString(deterministic=True)
