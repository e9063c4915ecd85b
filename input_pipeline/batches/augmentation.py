"""Random crops, mirrors and colour shifts (paper, section 4.1), each a function of the example.

Draws depend on (seed, epoch, example index) only, but for crops that pictures in a row share: those
depend on the place in the epoch. They are the same whatever the parallelism, and after a resume,
and are made for many pictures at once.
"""

import dataclasses

import numpy as np
import tensorflow as tf

from input_pipeline.batches import preprocessing, random_bits

_PLACE, _COLOUR = 0, 1  # streams of random numbers


@dataclasses.dataclass(frozen=True)
class Draws:
    """What chance decided for each of n pictures in one epoch.

    Attributes:
        rows, columns: (n,) int32: the crop's offset, 0 to the border inclusive.
        mirrored: (n,) bool.
        shifts: (n, 3) float32: what is added to every pixel's R, G, B, in grey levels.
        scales: (n,) float32: what the picture is multiplied by at the end; no matter of chance.
    """

    rows: tf.Tensor
    columns: tf.Tensor
    mirrored: tf.Tensor
    shifts: tf.Tensor
    scales: tf.Tensor


class Augmentation:
    """The training transformation, with its numbers.

    Args:
        mean_image: (size, size, 3) float32; 256 is the usual size.
        eigenvalues, eigenvectors: Of the RGB covariance of the training pixels, grey levels
            squared; column i of `eigenvectors` belongs to eigenvalue i.
        crop_size: Side of the crop. All offsets from 0 to 256 - crop_size are as likely: 33 x 33 x
            2 pictures of one; the paper counts 2048, as if there were 32.
        shift_sd: Sd of the draw that multiplies each component's standard deviation. The paper
            writes the eigenvalue there; its source uses the square root, as here (on 0..255
            pixels eigenvalues would shift by over a thousand grey levels).
        divisor: Pictures are divided by it while there is a shift: 1 in the paper; 1.1 in its
            source, which keeps the scale near the test's.
        shift_epochs: After so many epochs there is neither shift nor division; 0: never.
        crop_chunk: So many pictures in a row share crop and mirror: 1, or the 32 of the source,
            which saved it time.
        random_crops: False for the central crop, never mirrored.
    """

    def __init__(
        self,
        mean_image: np.ndarray,
        eigenvalues: np.ndarray,
        eigenvectors: np.ndarray,
        *,
        crop_size: int,
        shift_sd: float,
        divisor: float = 1.0,
        shift_epochs: int = 0,
        crop_chunk: int = 1,
        random_crops: bool = True,
    ):
        deviations = np.sqrt(np.maximum(eigenvalues, 0.0))
        self._components = np.asarray(eigenvectors * deviations * shift_sd, np.float32)
        self._border = len(mean_image) - crop_size
        self._mean_crop = preprocessing.central_crop(mean_image, crop_size)
        self._divisor = divisor if shift_sd else 1.0
        self._shift_epochs, self._crop_chunk = shift_epochs, crop_chunk
        self._random_crops, self.crop_size = random_crops, crop_size

    def draw(self, indices, positions, *, seed: int, epochs) -> Draws:
        """The draws for some examples.

        Args:
            indices: (n,) int64, the examples' places in the data set.
            positions: (n,) int64, their places in the epoch.
            seed: Of all draws.
            epochs: (n,) int64.
        """
        one_each = self._crop_chunk == 1
        place = random_bits.keys(
            seed, epochs, _PLACE, indices if one_each else positions // self._crop_chunk
        )
        uniform = random_bits.uniform(place, 3)
        offsets, mirrored = uniform[:, :2] * (self._border + 1), uniform[:, 2] < 0.5
        if not self._random_crops:
            offsets, mirrored = tf.fill(tf.shape(offsets), self._border // 2), mirrored & False
        offsets = tf.cast(offsets, tf.int32)
        normal = random_bits.normal(random_bits.keys(seed, epochs, _COLOUR, indices), 3)
        # Spelled out: a matrix product may add up in another order on another machine.
        shifts = tf.add_n([normal[:, i, None] * self._components[:, i] for i in range(3)])
        scales = tf.fill(tf.shape(indices), tf.constant(1.0 / self._divisor, tf.float32))
        if self._shift_epochs:
            late = epochs >= self._shift_epochs
            shifts, scales = tf.where(late[:, None], 0.0, shifts), tf.where(late, 1.0, scales)
        return Draws(offsets[:, 0], offsets[:, 1], mirrored, shifts, scales)

    def finish(self, crops, shifts, scales, dtype=tf.float32):
        """(crops - mean + shifts) * scales, in one pass that XLA makes of it.

        Args:
            crops: (n, size, size, 3) uint8, mirrored.
            shifts: (n, 3) float32.
            scales: (n,) float32.
            dtype: Of the result.

        Returns:
            (n, size, size, 3), about [-160, 190]. The mean is the mean image's central crop,
            wherever the crop was taken, and never mirrored, as in the 2012 source.
        """
        # Rows of size * 3 numbers: an innermost dimension of 3 is several times slower.
        rows = tf.reshape(crops, [-1, self.crop_size, self.crop_size * 3])
        tiled = tf.tile(shifts, [1, self.crop_size])
        mean = self._mean_crop.reshape(self.crop_size, -1)
        return tf.reshape(_finished(rows, mean, tiled, scales, dtype), tf.shape(crops))

    def finish_on_device(self, crops, mirrored, shifts, scales):
        """The same of crops that are not yet mirrored, in operations of the training step."""
        crops = tf.where(mirrored[:, None, None, None], tf.reverse(crops, [2]), crops)
        centred = tf.cast(crops, tf.float32) - self._mean_crop
        return (centred + shifts[:, None, None, :]) * scales[:, None, None, None]


@tf.function(jit_compile=True, autograph=False)
def _finished(rows, mean, tiled, scales, dtype):
    shifted = tf.cast(rows, tf.float32) - mean + tiled[:, None, :]
    return tf.cast(shifted * scales[:, None, None], dtype)
