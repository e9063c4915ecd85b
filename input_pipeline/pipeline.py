"""Batches for training and for evaluation, made on the CPU while the accelerator works."""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf

from input_pipeline import augmentation, errors, order, preprocessing

Shards = Sequence[tuple[str, int]]


def training(
    shards: Shards,
    *,
    record_encoding: str,
    augment: 'Augment',
    batch_size: int,
    seed: int,
    start: tuple[int, int],
    epochs: int,
) -> tf.data.Dataset:
    """Batches of epochs `start[0]` to `epochs` - 1, without `start[1]` examples of the first.

    Returns:
        (images (batch, crop, crop, 3) float32, labels (batch,) int64, mask (batch,) float32).
        An epoch's last batch is filled up with zeros where mask is 0, so each example counts
        once.
    """

    def one_epoch(epoch, skip):
        records = order.shuffled_epoch(shards, seed=seed, epoch=epoch, skip=skip)

        def picture(record, index):
            encoded, label = preprocessing.parse(record)
            return augment(encoded, index, epoch, seed, record_encoding), label

        # Any number of cores gives the same stream: the map keeps the order.
        pictures = records.map(picture, num_parallel_calls=tf.data.AUTOTUNE)
        return _full_batches(pictures, batch_size)

    first = start[0]
    skips = [start[1]] + [0] * (epochs - first - 1)
    each = tf.data.Dataset.from_tensor_slices(
        (np.arange(first, epochs, dtype=np.int64), np.array(skips, np.int64))
    )
    return each.flat_map(one_epoch).prefetch(2)


class Augment:
    """The training transformation of one picture, with its numbers.

    Args:
        mean_image: (256, 256, 3) float32.
        eigenvalues, eigenvectors: Of the RGB covariance of the training pixels, grey levels
            squared; column i of `eigenvectors` belongs to eigenvalue i.
        crop_size: Side of the crop.
        shift_sd: Sd of the draw that multiplies each component's standard deviation. The paper
            writes the eigenvalue there; its source uses the square root, as here (on 0..255
            pixels eigenvalues would shift by over a thousand grey levels).
        divisor: See `augmentation.apply`; without a shift there is no division either.
        shift_epochs: After so many epochs there is neither shift nor division; 0: never.
    """

    def __init__(
        self,
        mean_image,
        eigenvalues,
        eigenvectors,
        *,
        crop_size: int,
        shift_sd: float,
        divisor: float = 1.0,
        shift_epochs: int = 0,
    ):
        deviations = np.sqrt(np.maximum(eigenvalues, 0.0))
        self.components = np.asarray(eigenvectors * deviations * shift_sd, np.float32)
        self.mean_crop = preprocessing.central_crop(mean_image, crop_size)
        self.crop_size, self.shift_epochs = crop_size, shift_epochs
        self.divisor = divisor if shift_sd else 1.0

    def __call__(self, encoded, index, epoch, seed: int, record_encoding: str) -> tf.Tensor:
        """(crop, crop, 3) float32 of one encoded picture; see `augmentation`."""
        drawn = augmentation.draw(
            index,
            tf.constant(self.components),
            seed=seed,
            epoch=epoch,
            border=preprocessing.SQUARE_SIZE - self.crop_size,
        )
        crop = preprocessing.decode_crop(
            encoded,
            drawn.row,
            drawn.column,
            crop_size=self.crop_size,
            record_encoding=record_encoding,
        )
        if self.shift_epochs:
            late = epoch >= self.shift_epochs
            drawn = dataclasses.replace(drawn, shift=tf.where(late, 0.0, drawn.shift))
            divisor = tf.where(late, 1.0, self.divisor)
            return augmentation.apply(crop, drawn, self.mean_crop, divisor)
        return augmentation.apply(crop, drawn, self.mean_crop, self.divisor)


def evaluation(shards: Shards, *, record_encoding: str, batch_size: int) -> tf.data.Dataset:
    """Every example once, in the order of the files.

    Returns:
        (squares (batch, 256, 256, 3) uint8, labels (batch,) int64, mask (batch,) float32); the
        last batch is filled up with zeros where mask is 0.
    """

    def picture(record, _):
        encoded, label = preprocessing.parse(record)
        return preprocessing.decode(encoded, record_encoding), label

    records = order.in_file_order(shards)
    pictures = records.map(picture, num_parallel_calls=tf.data.AUTOTUNE)
    return _full_batches(pictures, batch_size).prefetch(2)


def read(batches: tf.data.Dataset, data_dir: object) -> Iterator:
    """Iterates over batches.

    Raises:
        DataError: A record cannot be read.
        tf.errors.ResourceExhaustedError: The memory does not suffice.
    """
    try:
        yield from batches
    except tf.errors.ResourceExhaustedError:
        raise
    except tf.errors.OpError as error:
        raise errors.DataError(
            f'--data_dir={data_dir}: a record cannot be read ({errors.reason(error)}). '
            '--mode=prepare with the flags that made it finds the damaged file.'
        ) from error


def _full_batches(pictures: tf.data.Dataset, batch_size: int) -> tf.data.Dataset:
    def fill(images, labels):
        number = tf.shape(labels)[0]
        missing = batch_size - number
        mask = tf.cast(tf.range(batch_size) < number, tf.float32)
        # Only the last batch pays for the copy.
        images = tf.cond(missing > 0, lambda: _padded(images, missing), lambda: images)
        images = tf.ensure_shape(images, [batch_size, *images.shape[1:]])
        return images, tf.ensure_shape(_padded(labels, missing), [batch_size]), mask

    return pictures.batch(batch_size, num_parallel_calls=tf.data.AUTOTUNE).map(fill)


def _padded(values, missing):
    return tf.pad(values, [[0, missing]] + [[0, 0]] * (len(values.shape) - 1))
