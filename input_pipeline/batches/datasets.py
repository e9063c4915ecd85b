"""Batches for training and for evaluation, made on the CPU while the accelerator works."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import tensorflow as tf

from input_pipeline.batches import augmentation, preprocessing, shuffling
from input_pipeline.records import checking, manifests

Shards = Sequence[tuple[str, int]]
_GROUP_EXAMPLES = {'jpeg': 8192, 'raw': 1280}  # about 250 MB
_FINISHED = 2  # batches at once in float, 77 MB each, and as many ready


@dataclasses.dataclass(frozen=True)
class Training:
    """A training stream: the same batches for the same values, on any machine.

    Attributes:
        shards: (path, number of records) of each.
        layout: How records hold pictures.
        augment: What is done to pictures.
        batch_size: Examples a batch.
        seed: Of order and draws.
        reshuffle: Whether there is a new order each epoch; otherwise all have the files'.
        tolerant: Blank a record that cannot be read, with a mask of 0, instead of failing. Slower.
        on_accelerator: Leave everything after decoding to the training step.
        dtype: Of finished images, 'float32' or 'bfloat16'.
        group_examples: See `order.chunks`; 0: as many as have about 250 MB.
        share: (i, n): of every batch, the i-th of n equal parts only.
    """

    shards: Shards
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

    def batches(self, *, start: tuple[int, int] = (0, 0), epochs: int) -> tf.data.Dataset:
        """Batches of epochs `start[0]` to `epochs` - 1, without `start[1]` examples of the first.

        Returns:
            (images, labels (batch,) int64, mask (batch,) float32). Images are (batch, crop, crop,
            3); or, `on_accelerator`, the arguments of `Augmentation.finish_on_device`. An epoch's
            last batch is filled up with pictures of which mask is 0, so each example counts once.
        """
        return self.finished(self.crops(start=start, epochs=epochs))

    def chunks(self, *, start: tuple[int, int] = (0, 0), epochs: int) -> tf.data.Dataset:
        """The records, in order; see `order.chunks`."""
        return shuffling.chunks(
            self.shards,
            batch_size=self.batch_size,
            seed=self.seed,
            start=start,
            epochs=epochs,
            reshuffle=self.reshuffle,
            group_examples=self.group_examples or _GROUP_EXAMPLES[self.layout.encoding],
            tolerant=self.tolerant,
            share=self.share,
        )

    def crops(self, *, start: tuple[int, int] = (0, 0), epochs: int) -> tf.data.Dataset:
        """What a CPU must do: (crops, mirrored, shifts, scales, labels, mask), some at a time."""
        # Any number of cores gives the same stream: maps keep the order.
        chunks = self.chunks(start=start, epochs=epochs)
        return chunks.map(self._cut, num_parallel_calls=tf.data.AUTOTUNE)

    def finished(self, crops: tf.data.Dataset) -> tf.data.Dataset:
        """`batches` of what `crops` gave."""
        batches = _batched(crops, self.batch_size // self.share[1])
        return batches.map(self.finish, num_parallel_calls=_FINISHED).prefetch(_FINISHED)

    @tf.autograph.experimental.do_not_convert
    def finish(self, crops, mirrored, shifts, scales, labels, mask):
        """One of `batches`, of as many crops."""
        if self.on_accelerator:
            return (crops, mirrored, shifts, scales), labels, mask
        dtype = tf.as_dtype(self.dtype)
        return self.augment.finish(crops, shifts, scales, dtype), labels, mask

    def first_unreadable(self) -> str:
        """See `inspection.first_unreadable`; for `read`."""
        return checking.first_unreadable(self.shards, self.layout)

    @tf.autograph.experimental.do_not_convert
    def _cut(self, chunk: shuffling.Chunk):
        """Crops, mirrored if it is done here, with what is left to do."""
        drawn = self.augment.draw(
            chunk.indices, chunk.positions, seed=self.seed, epochs=chunk.epochs
        )
        mirrored = None if self.on_accelerator else drawn.mirrored

        def decoded(serialized, *places):
            encoded, labels = preprocessing.parse(serialized, self.layout)
            size = self.augment.crop_size
            crops = preprocessing.decode_crops(encoded, *places, crop_size=size, layout=self.layout)
            return crops, labels

        places = (drawn.rows, drawn.columns, mirrored)
        if self.tolerant:
            crops, labels, good = _one_by_one(
                decoded, chunk.records, places, self.augment.crop_size
            )
            mask = chunk.mask * good
        else:
            crops, labels = decoded(chunk.records, *places)
            mask = chunk.mask
        return crops, drawn.mirrored, drawn.shifts, drawn.scales, labels, mask


def evaluation(
    shards: Shards, *, layout: manifests.Layout, batch_size: int, share: tuple[int, int] = (0, 1)
) -> tf.data.Dataset:
    """Every example once, in the order of the files; of every batch the `share`, as in training.

    Returns:
        (squares (batch, square_size, square_size, 3) uint8, labels (batch,) int64, mask (batch,)
        float32); the last batch is filled up with pictures of which mask is 0.
    """

    @tf.autograph.experimental.do_not_convert
    def whole(chunk):
        encoded, labels = preprocessing.parse(chunk.records, layout)
        return preprocessing.decode(encoded, layout), labels, chunk.mask

    chunks = shuffling.chunks(
        shards,
        batch_size=batch_size,
        reshuffle=False,
        share=share,
        group_examples=_GROUP_EXAMPLES[layout.encoding],
    )
    pictures = chunks.map(whole, num_parallel_calls=tf.data.AUTOTUNE)
    return _batched(pictures, batch_size // share[1]).prefetch(_FINISHED)


def squares(shards: Shards, layout: manifests.Layout, places: Sequence[int]) -> list[np.ndarray]:
    """Some examples' pictures, (square_size, square_size, 3) uint8 RGB each.

    Args:
        shards, layout: Of the records.
        places: Of the examples, counted through the files.

    Raises:
        DataError: A record cannot be read.
    """
    found, first = {}, 0
    for path, number in shards:
        inside = {at - first for at in places if first <= at < first + number}
        if inside:
            with checking.readable(path):
                for at, record in enumerate(tf.data.TFRecordDataset(path).take(max(inside) + 1)):
                    if at in inside:
                        encoded, _ = preprocessing.parse(record[None], layout)
                        found[first + at] = preprocessing.decode(encoded, layout)[0].numpy()
        first += number
    return [found[at] for at in places]


def read(batches: tf.data.Dataset, data_dir: object, find: Callable[[], str] = str) -> Iterator:
    """Iterates over batches.

    Args:
        batches: Made by this module.
        data_dir: For the message.
        find: Called when a record cannot be read; says which, in a sentence.

    Raises:
        DataError: A record cannot be read.
        tf.errors.ResourceExhaustedError: The memory does not suffice.
    """
    with checking.readable(f'--data_dir={data_dir}', find):
        yield from batches


def _one_by_one(decoded, records, places, crop_size: int):
    """Each record in a data set of its own, which an error leaves empty."""
    given = tuple(each for each in places if each is not None)
    blank = tf.zeros([1, crop_size, crop_size, preprocessing.CHANNELS], tf.uint8)
    missing = tf.data.Dataset.from_tensors((blank, tf.zeros([1], tf.int64), tf.zeros([1])))

    def one(each):
        record, *where = (part[None] for part in each)
        where = [*where, None] if len(where) < len(places) else where
        found = tf.data.Dataset.from_tensors(record).map(
            lambda record: (*decoded(record, *where), tf.ones([1]))
        )
        return found.ignore_errors().concatenate(missing).take(1).get_single_element()

    signature = tuple(
        tf.TensorSpec([1, *spec.shape[1:]], spec.dtype) for spec in missing.element_spec
    )
    made = tf.map_fn(one, (records, *given), fn_output_signature=signature)
    return tuple(tf.squeeze(part, 1) for part in made)


def _batched(chunks: tf.data.Dataset, batch_size: int) -> tf.data.Dataset:
    """Chunks of any sizes as batches of one, which the order has made possible."""

    @tf.autograph.experimental.do_not_convert
    def of_one_size(*parts):
        return tuple(tf.ensure_shape(part, [batch_size, *part.shape[1:]]) for part in parts)

    return chunks.rebatch(batch_size).map(of_one_size)
