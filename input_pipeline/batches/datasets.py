"""Batches for training and evaluation, made on the CPU while the accelerator works."""

import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from input_pipeline import files
from input_pipeline.batches import augmentation, preprocessing, raw_places, shuffling, tolerance
from input_pipeline.batches import lanes as lanes_lib
from input_pipeline.images import decoding
from input_pipeline.records import checking, framing, manifests, reading

# About 250 MB. References are small, but their order is that of raw records.
_GROUP_EXAMPLES = {'jpeg': 8192, 'raw': 1280, 'reference': 1280}
_PREFETCHED = 2  # batches: as many in the making, and as many ready
_PREFETCHED_BYTES = 512 << 20  # of either; a batch of 128 has 77 MB


@dataclasses.dataclass(frozen=True)
class TrainingDataset:
    """Augmented batches for training: the same for the same attributes, on any machine.

    Attributes:
        shards: (path, number of records) of each shard.
        layout: How records hold images.
        augment: The training transformation.
        batch_size: Number of examples in a batch.
        seed: Seed of order and augmentation.
        reshuffle: Whether each epoch has an order of its own; otherwise all have the files' order.
        tolerant: Whether a record that cannot be read gets a mask of 0 and the image of another
            record of its chunk, instead of an error. Slower.
        on_accelerator: Whether everything after decoding is left to the training step.
        dtype: Type of finished images, 'float32' or 'bfloat16'.
        group_examples: Group size over all lanes, see `shuffling.EpochReader`; 0: about 250 MB.
        share: (i, n): only the i-th of n equal parts of every batch.
        balanced_labels, lanes, bytes_read: See `shuffling.EpochReader`.
        in_place: Whether raw images in local files are cropped in place, see `RawPlaces`; if not,
            chunks always hold serialized records.
    """

    shards: lanes_lib.Shards
    layout: manifests.Layout
    augment: augmentation.Augmentation
    batch_size: int
    seed: int = 0
    reshuffle: bool = True
    tolerant: bool = False
    on_accelerator: bool = False
    dtype: str = 'float32'
    group_examples: int = 0
    share: tuple[int, int] = (0, 1)
    balanced_labels: np.ndarray | None = None
    lanes: int = 1
    bytes_read: tf.Variable | None = None
    in_place: bool = True

    @property
    def num_examples(self) -> int:
        """Number of examples in an epoch, of all shares."""
        return self.reader.num_examples

    def read_batches(
        self, *, start: tuple[int, int] = (0, 0), epochs: int | None
    ) -> tf.data.Dataset:
        """Reads the rest of some epochs: records, decoding, augmentation, batches.

        Args:
            start: The first epoch, from 0, and the number of its examples that were already read.
            epochs: Number of the last epoch, plus one; None for another epoch at each iteration,
                see `shuffling.EpochReader.read_chunks`.

        Returns:
            (images, labels (batch,) int64, mask (batch,) float32). Images are (batch, crop, crop,
            3); or, with `on_accelerator`, the arguments of `Augmentation.finish_on_device`. An
            epoch's last batch is filled up with examples whose mask is 0, so that each example
            counts once.
        """
        crops = self.read_crops(start=start, epochs=epochs)
        batch_size = self.batch_size // self.share[1]
        batch_bytes = batch_size * self.augment.crop_size**2 * decoding.CHANNELS * 4
        number = max(1, min(_PREFETCHED, _PREFETCHED_BYTES // batch_bytes))
        batches = _rebatch(crops, batch_size)
        return batches.map(self.finish, num_parallel_calls=number).prefetch(number)

    def read_chunks(
        self, *, start: tuple[int, int] = (0, 0), epochs: int | None
    ) -> tf.data.Dataset:
        """Reads chunks in training order; see `shuffling.EpochReader.read_chunks`."""
        return self.reader.read_chunks(start=start, epochs=epochs)

    @functools.cached_property
    def reader(self) -> shuffling.EpochReader:
        """Reads the records in training order."""
        group_examples = self.group_examples or _GROUP_EXAMPLES[self.layout.encoding]
        return shuffling.EpochReader(
            self.shards,
            batch_size=self.batch_size,
            seed=self.seed,
            reshuffle=self.reshuffle,
            group_examples=group_examples // self.lanes,
            tolerant=self.tolerant,
            share=self.share,
            balanced_labels=self.balanced_labels,
            lanes=self.lanes,
            bytes_read=self.bytes_read,
            raw_places=self._raw_places,
        )

    @functools.cached_property
    def _raw_places(self) -> raw_places.RawPlaces | None:
        is_raw = self.layout.encoding == 'raw' and not self.tolerant and self.in_place
        if not is_raw or any(files.is_remote(path) for path, _ in self.shards):
            return None
        return raw_places.RawPlaces(self.layout)

    def read_crops(self, *, start: tuple[int, int] = (0, 0), epochs: int | None) -> tf.data.Dataset:
        """Reads what a CPU must compute: (crops, mirrored, shifts, scales, labels, mask) chunks."""
        # Any number of cores gives the same order: map is deterministic.
        chunks = self.read_chunks(start=start, epochs=epochs)
        return chunks.map(self.cut, num_parallel_calls=tf.data.AUTOTUNE)

    @tf.autograph.experimental.do_not_convert
    def finish(self, crops, mirrored, shifts, scales, labels, mask):
        """Finishes one element of `read_crops`; the result is one of `read_batches`."""
        if self.on_accelerator:
            return (crops, mirrored, shifts, scales), labels, mask
        dtype = tf.as_dtype(self.dtype)
        return self.augment.finish(crops, shifts, scales, dtype), labels, mask

    def find_first_unreadable(self) -> str:
        """Names the first record that cannot be read, in a sentence; for `iterate`."""
        return checking.find_first_unreadable(self.shards, self.layout)

    @tf.autograph.experimental.do_not_convert
    def cut(self, chunk: shuffling.Chunk):
        """Decodes an element of `read_crops`; mirroring may be left to the accelerator."""
        stored = sum(records for _, records in self.shards)
        parameters = self.augment.sample(
            chunk.indices + stored * chunk.copies,  # each copy is another example
            chunk.positions,
            seed=self.seed,
            epochs=chunk.epochs,
        )
        crop_size = self.augment.crop_size

        def decode(serialized, windows, mirrored=None):
            if self._raw_places:
                return self._raw_places.decode_crops(
                    serialized,
                    windows,
                    mirrored,
                    crop_size=crop_size,
                    is_resized=self.augment.is_resized,
                )
            encoded, labels = reading.parse_records(serialized, self.layout)
            crops = preprocessing.decode_crops(
                encoded,
                windows,
                mirrored,
                crop_size=crop_size,
                is_resized=self.augment.is_resized,
                layout=self.layout,
            )
            return crops, labels

        arguments = (chunk.records, parameters.windows)
        if not self.on_accelerator:
            arguments += (parameters.mirrored,)
        if self.tolerant:
            crops, labels, readable = tolerance.decode_one_by_one(decode, arguments, crop_size)
            mask = chunk.mask * readable
        else:
            crops, labels = decode(*arguments)
            mask = chunk.mask
        return crops, parameters.mirrored, parameters.shifts, parameters.scales, labels, mask


def evaluation_dataset(
    shards: lanes_lib.Shards,
    *,
    layout: manifests.Layout,
    batch_size: int,
    share: tuple[int, int] = (0, 1),
    tolerant: bool = False,
) -> tf.data.Dataset:
    """Reads every example once, in the order of the files.

    Args:
        shards: (path, number of records) of each shard.
        layout: How records hold images.
        batch_size: Number of examples in a batch.
        share: (i, n): only the i-th of n equal parts of every batch.
        tolerant: See `TrainingDataset`.

    Returns:
        (squares (batch, square_size, square_size, 3) uint8, labels (batch,) int64, mask (batch,)
        float32); the last batch is filled up with examples whose mask is 0.

    Raises:
        DataError: A record is cut short or too large, unless `tolerant`.
    """
    if not tolerant:  # else such a record is skipped, if TensorFlow survives it
        checking.check_lengths(shards)

    def decode(records):
        encoded, labels = reading.parse_records(records, layout)
        return reading.decode_squares(encoded, layout), labels

    @tf.autograph.experimental.do_not_convert
    def decode_chunk(chunk):
        if not tolerant:
            return *decode(chunk.records), chunk.mask
        *decoded, readable = tolerance.decode_one_by_one(
            decode, (chunk.records,), layout.square_size
        )
        return *decoded, chunk.mask * readable

    reader = shuffling.EpochReader(
        shards,
        batch_size=batch_size,
        reshuffle=False,
        share=share,
        tolerant=tolerant,
        group_examples=_GROUP_EXAMPLES[layout.encoding],
    )
    squares = reader.read_chunks().map(decode_chunk, num_parallel_calls=tf.data.AUTOTUNE)
    return _rebatch(squares, batch_size // share[1]).prefetch(_PREFETCHED)


def iterate_examples(
    shards: lanes_lib.Shards, *, data_dir: object, layout: manifests.Layout, **options: Any
) -> Iterator:
    """Iterates over the batches of `evaluation_dataset`; raises what `iterate` raises."""
    batches = evaluation_dataset(shards, layout=layout, **options)
    return iterate(batches, data_dir, lambda: checking.find_first_unreadable(shards, layout))


def read_squares(
    shards: lanes_lib.Shards, layout: manifests.Layout, indices: Sequence[int]
) -> list[np.ndarray]:
    """Reads the images of some examples.

    Args:
        shards: (path, number of records) of each shard.
        layout: How records hold images.
        indices: The examples' indices in the data set, in the order of the files.

    Returns:
        (square_size, square_size, 3) uint8 RGB for each index.

    Raises:
        DataError: A record cannot be read.
    """
    squares, first = {}, 0
    for path, number in shards:
        wanted = {index - first for index in indices if first <= index < first + number}
        if wanted:
            with checking.explain_read_errors(path):
                records = itertools.islice(framing.iter_records(path), max(wanted) + 1)
                for row, record in enumerate(records):
                    if row in wanted:
                        encoded, _ = reading.parse_records(record[None], layout)
                        square = reading.decode_squares(encoded, layout)[0]
                        squares[first + row] = square.numpy()
        first += number
    return [squares[index] for index in indices]


def iterate(
    batches: tf.data.Dataset, data_dir: object, find_unreadable: Callable[[], str] | None = None
) -> Iterator:
    """Iterates over batches; an unreadable record becomes an error that names it.

    Args:
        batches: A data set of this module.
        data_dir: The data directory, for the message.
        find_unreadable: Called when a record cannot be read; names it in a sentence.

    Raises:
        DataError: A record cannot be read.
        tf.errors.ResourceExhaustedError: Out of memory.
    """
    with checking.explain_read_errors(f'--data_dir={data_dir}', find_unreadable):
        yield from batches


def _rebatch(chunks: tf.data.Dataset, batch_size: int) -> tf.data.Dataset:
    """Joins chunks of any size into full batches; the reader fills up every epoch."""

    @tf.autograph.experimental.do_not_convert
    def set_size(*parts):
        return tuple(tf.ensure_shape(part, [batch_size, *part.shape[1:]]) for part in parts)

    return chunks.rebatch(batch_size).map(set_size)
