"""Random crops, mirrors and colour shifts (paper, section 4.1), each a function of the example.

Parameters depend on (seed, epoch, example index) only, so they are the same for any parallelism and
after a resume; crops that neighbouring images share depend on the position in the epoch instead.
"""

import dataclasses
import math

import numpy as np
import tensorflow as tf

from input_pipeline.batches import preprocessing, random_bits
from input_pipeline.records import manifests

_CROP_STREAM, _COLOUR_STREAM, _CONTRAST_STREAM = range(3)  # of random numbers


@dataclasses.dataclass(frozen=True)
class AugmentationSettings:
    """The hyperparameters of the training transformation.

    Attributes:
        crop_size: Side of the crop. All offsets from 0 to square_size - crop_size are equally
            likely.
        colour_shift_sd: Standard deviation of the factors of the principal components. 0 disables
            the shift and the division.
        colour_shift_divisor: Images are divided by it while they are shifted: 1 in the paper, 1.1
            in its source, which keeps the scale near that of evaluation.
        colour_shift_epochs: Number of epochs with shift and division; 0: all.
        crop_chunk: Number of consecutive images that share crop and mirror: 1, or the 32 of the
            source, for speed.
        random_crops: False for the central view, never mirrored.
        view_size: Side of the window that a crop shows, see `preprocessing.Preprocessing`.
        min_crop_area: Above 0, windows have sizes and aspects of their own: areas from this share
            of the square up to all of it are equally likely, and are resized to `crop_size`.
        max_crop_aspect: The largest ratio of a window's width to its height, or the reverse.
        contrast: Images minus the mean are multiplied by a factor that is uniformly distributed
            from 1 - contrast to 1 + contrast.
    """

    crop_size: int
    colour_shift_sd: float
    colour_shift_divisor: float = 1.0
    colour_shift_epochs: int = 0
    crop_chunk: int = 1
    random_crops: bool = True
    view_size: int = 0
    min_crop_area: float = 0.0
    max_crop_aspect: float = 4 / 3
    contrast: float = 0.0


@dataclasses.dataclass(frozen=True)
class AugmentationParameters:
    """The random parameters of n images in one epoch.

    Attributes:
        windows: (n, 4) int32, the window that is cut from the square: offset from the top, offset
            from the left, height and width; the last two are the crop's unless windows are resized.
        mirrored: (n,) bool.
        shifts: (n, 3) float32: added to every pixel's R, G and B, in grey levels.
        scales: (n,) float32: factor of the shifted image; only random with `contrast`.
    """

    windows: tf.Tensor
    mirrored: tf.Tensor
    shifts: tf.Tensor
    scales: tf.Tensor


class Augmentation:
    """The training transformation of 8-bit squares.

    Args:
        statistics: Statistics of the training images; they fix the size of the square, the mean
            image and the principal components of the colour shift.
        settings: The hyperparameters.

    Attributes:
        crop_size: Side of a crop.
        window_size: Side of the window that a crop shows, unless windows have random sizes.
    """

    # Paper: it counts 32 x 32 x 2 = 2048 crops of an image; offsets 0 to 32 make 33 x 33 x 2.
    # Paper: it multiplies each component by its eigenvalue; the source by the square root, as here.
    # Eigenvalues of pixels in 0..255 would shift by more than a thousand grey levels.

    def __init__(self, statistics: manifests.ImageStatistics, settings: AugmentationSettings):
        deviations = np.sqrt(np.maximum(statistics.eigenvalues, 0.0))
        sd = settings.colour_shift_sd
        self._components = np.asarray(statistics.eigenvectors * deviations * sd, np.float32)
        preprocess = preprocessing.Preprocessing(
            statistics.mean_image, settings.crop_size, settings.view_size
        )
        self.window_size, self._square_size = preprocess.window_size, preprocess.square_size
        self._mean_crop = preprocess.mean_view
        self._divisor = settings.colour_shift_divisor if sd else 1.0
        self._settings, self.crop_size = settings, settings.crop_size

    def sample(self, indices, positions, *, seed: int, epochs) -> AugmentationParameters:
        """Samples the parameters of n examples.

        Args:
            indices: (n,) int64, the examples' indices in the data set.
            positions: (n,) int64, their positions in the epoch.
            seed: Seed of all parameters.
            epochs: (n,) int64.
        """
        chunk = self._settings.crop_chunk
        owners = indices if chunk == 1 else positions // chunk
        keys = random_bits.make_keys(seed, epochs, _CROP_STREAM, owners)
        crops = self._sample_crops(random_bits.uniform(keys, 5 if self._has_sizes else 3))
        return AugmentationParameters(*crops, *self._sample_shifts(indices, seed, epochs))

    def _sample_crops(self, uniform):
        """Computes windows and mirroring from three or five uniform values an image."""
        sizes = self._sample_sizes(uniform[:, 3:])
        borders = self._square_size - sizes
        offsets = tf.cast(uniform[:, :2] * tf.cast(borders + 1, tf.float64), tf.int32)
        mirrored = uniform[:, 2] < 0.5
        if not self._settings.random_crops:
            offsets, mirrored = borders // 2, mirrored & False
        return tf.concat([offsets, sizes], 1), mirrored

    @property
    def _has_sizes(self) -> bool:
        """Whether each window has a size of its own."""
        return self._settings.random_crops and self._settings.min_crop_area > 0

    def _sample_sizes(self, uniform):
        """Computes (n, 2) int32, the heights and widths of windows."""
        if not self._has_sizes:
            return tf.fill([tf.shape(uniform)[0], 2], self.window_size)
        area, aspect = uniform[:, 0], uniform[:, 1]
        smallest, widest = self._settings.min_crop_area, math.log(self._settings.max_crop_aspect)
        side = self._square_size * tf.sqrt(smallest + area * (1 - smallest))
        stretch = tf.exp(widest * (aspect - 0.5))  # the square root of the ratio
        sizes = tf.cast(tf.round(tf.stack([side / stretch, side * stretch], 1)), tf.int32)
        return tf.clip_by_value(sizes, 1, self._square_size)

    def _sample_shifts(self, indices, seed, epochs):
        normal = random_bits.normal(random_bits.make_keys(seed, epochs, _COLOUR_STREAM, indices), 3)
        # Spelled out: a matrix product may add up in another order on another machine.
        shifts = tf.add_n([normal[:, i, None] * self._components[:, i] for i in range(3)])
        scales = tf.fill(tf.shape(indices), tf.constant(1.0 / self._divisor, tf.float32))
        if self._settings.colour_shift_epochs:
            late = epochs >= self._settings.colour_shift_epochs
            shifts, scales = tf.where(late[:, None], 0.0, shifts), tf.where(late, 1.0, scales)
        if contrast := self._settings.contrast:
            keys = random_bits.make_keys(seed, epochs, _CONTRAST_STREAM, indices)
            spread = tf.cast(2.0 * random_bits.uniform(keys, 1)[:, 0] - 1.0, tf.float32)
            scales *= 1.0 + contrast * spread
        return shifts, scales

    @property
    def is_resized(self) -> bool:
        """Whether windows may have another size than the crop."""
        return self._settings.min_crop_area > 0 or self.window_size != self.crop_size

    def finish(self, crops, shifts, scales, dtype=tf.float32):
        """Computes (crops - mean + shifts) * scales, which XLA fuses into one pass.

        The mean is the central crop of the mean image, whatever the offset of the crop, and never
        mirrored, as in the 2012 source.

        Args:
            crops: (n, crop_size, crop_size, 3) uint8 RGB, already mirrored.
            shifts: (n, 3) float32.
            scales: (n,) float32.
            dtype: Type of the result.

        Returns:
            (n, crop_size, crop_size, 3), about -160 to 190.
        """
        # Rows of size * 3 values: an innermost dimension of 3 is several times slower.
        rows = tf.reshape(crops, [-1, self.crop_size, self.crop_size * 3])
        tiled = tf.tile(shifts, [1, self.crop_size])
        mean = self._mean_crop.reshape(self.crop_size, -1)
        return tf.reshape(_normalize(rows, mean, tiled, scales, dtype), tf.shape(crops))

    def finish_on_device(self, crops, mirrored, shifts, scales):
        """Mirrors and finishes crops as operations of the training step.

        Args:
            crops: (n, crop_size, crop_size, 3) uint8 RGB, not mirrored.
            mirrored: (n,) bool.
            shifts: (n, 3) float32.
            scales: (n,) float32.

        Returns:
            (n, crop_size, crop_size, 3) float32, as of `finish`.
        """
        crops = tf.where(mirrored[:, None, None, None], tf.reverse(crops, [2]), crops)
        centred = tf.cast(crops, tf.float32) - self._mean_crop
        return (centred + shifts[:, None, None, :]) * scales[:, None, None, None]


@tf.function(jit_compile=True, autograph=False)
def _normalize(rows, mean, shifts, scales, dtype):
    shifted = tf.cast(rows, tf.float32) - mean + shifts[:, None, :]
    return tf.cast(shifted * scales[:, None, None], dtype)
