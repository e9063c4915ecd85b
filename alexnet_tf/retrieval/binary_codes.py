"""Short binary codes of vectors: similar images have codes that differ in few bits.

Section 6.1 of the paper proposes them; Krizhevsky and Hinton, "Using very deep autoencoders for
content-based image retrieval" (ESANN 2011), use codes of 28 and of 256 bits.
"""

import pathlib
import zipfile
from collections.abc import Callable, Iterator

import keras
import numpy as np
import tensorflow as tf

from alexnet_tf.retrieval import index
from input_pipeline import errors, files

_HIDDEN_UNITS = 1024
_BATCH_SIZE, _EPOCHS, _LEARNING_RATE = 128, 25, 1e-3
_STEP_BOUNDS = 500, 20_000  # with more steps, a small data set is memorised
_CHUNK = 4096  # vectors that are encoded at a time


def pack_bits(bits: np.ndarray) -> np.ndarray:
    """Packs (codes, bits) bool into (codes, bytes) uint8, lowest bit first, padded with zeros.

    >>> pack_bits(np.array([[True, False, True, False, False, False, False, False, True]]))
    array([[5, 1]], dtype=uint8)
    """
    return np.packbits(bits, axis=1, bitorder='little')


class Autoencoder:
    """An autoencoder whose bottleneck is binary: vectors -> code -> vectors.

    There is one hidden layer of 1,024 ReLU units on either side. A unit of the code is a sigmoid
    that is rounded in the forward pass and has the sigmoid's gradient (straight-through). Its input
    is normalised over the batch, so that each bit splits the images into similar halves.

    Args:
        width: Values of a vector.
        bits: Length of a code.
        seed: Seed of the initial weights and of the order of the batches.
    """

    def __init__(self, width: int, bits: int, seed: int = 0):
        self._seed = seed
        self._means, self._deviation = np.zeros(width, np.float32), np.float32(1)
        initializer = keras.initializers.GlorotUniform
        vectors = keras.Input((width,), name='vectors')
        x = keras.layers.Dense(_HIDDEN_UNITS, 'relu', kernel_initializer=initializer(seed))(vectors)
        x = keras.layers.Dense(bits, use_bias=False, kernel_initializer=initializer(seed + 1))(x)
        x = keras.layers.BatchNormalization(scale=False, center=False)(x)
        probabilities = keras.layers.Activation('sigmoid')(x)
        x = keras.layers.Lambda(_round_straight_through)(probabilities)
        x = keras.layers.Dense(_HIDDEN_UNITS, 'relu', kernel_initializer=initializer(seed + 2))(x)
        decoded = keras.layers.Dense(width, kernel_initializer=initializer(seed + 3))(x)
        self._autoencoder = keras.Model(vectors, decoded)
        self._encoder = keras.Model(vectors, probabilities)

    def fit(self, vectors: index.Vectors, report: Callable = lambda *_: None) -> None:
        """Trains with Adam and a cosine decay of the learning rate.

        Args:
            vectors: Training data; values are centred, and scaled by one factor for all.
            report: Called with (steps done, total steps) after each step.
        """
        self._set_scale(vectors)
        steps = int(np.clip(_EPOCHS * len(vectors) // _BATCH_SIZE, *_STEP_BOUNDS))
        schedule = keras.optimizers.schedules.CosineDecay(_LEARNING_RATE, steps)
        adam = keras.optimizers.Adam(schedule)
        adam.build(self._autoencoder.trainable_variables)

        @tf.function(autograph=False)
        def train_step(batch):
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean((self._autoencoder(batch, training=True) - batch) ** 2)
            gradients = tape.gradient(loss, self._autoencoder.trainable_variables)
            adam.apply(gradients, self._autoencoder.trainable_variables)

        for step, batch in enumerate(self._batches(vectors, steps), 1):
            train_step(self._scale(batch))
            report(step, steps)

    def encode(self, vectors: np.ndarray) -> np.ndarray:
        """Encodes (vectors, values) float32 as (vectors, bytes) uint8; see `pack_bits`."""
        return _encode_in_chunks(
            lambda chunk: self._encoder(self._scale(chunk), training=False).numpy() > 0.5, vectors
        )

    def save(self, path: pathlib.Path) -> None:
        """Writes the encoder as an `.npz` file without pickles."""
        with files.atomic_file(path) as aside, open(aside, 'wb') as file:
            np.savez(file, **self._arrays())

    def load(self, path: pathlib.Path) -> None:
        """Reads an encoder that `save` wrote.

        Raises:
            DataError: The file is damaged, or holds an encoder of another shape.
        """
        try:
            with open(path, 'rb') as file, np.load(file, allow_pickle=False) as saved:
                arrays = {name: saved[name] for name in saved.files}
            expected = {name: array.shape for name, array in self._arrays().items()}
            if {name: array.shape for name, array in arrays.items()} != expected:
                raise ValueError('it has other arrays, or arrays of other shapes')
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            if errors.is_of_machine(error):
                raise
            raise errors.DataError(f'{path} is damaged: {error}. Delete it.') from error
        self._means, self._deviation = arrays['means'], arrays['deviation']
        for number, variable in enumerate(self._encoder.variables):
            variable.assign(arrays[f'{number:02d}'])

    def _arrays(self) -> dict[str, np.ndarray]:
        weights = {f'{i:02d}': np.asarray(v) for i, v in enumerate(self._encoder.variables)}
        return {'means': self._means, 'deviation': np.asarray(self._deviation), **weights}

    def _scale(self, vectors: np.ndarray) -> np.ndarray:
        return (vectors - self._means) / self._deviation

    def _set_scale(self, vectors: index.Vectors) -> None:
        # One deviation for all values: rarely active units must not weigh more than others.
        squares = sum((part.astype(float) ** 2).sum(0) for part in vectors.parts)
        means = vectors.mean
        variance = np.maximum(squares / len(vectors) - means**2, 0.0).mean()
        self._means = means.astype(np.float32)
        self._deviation = np.float32(np.sqrt(variance) or 1.0)

    def _batches(self, vectors: index.Vectors, steps: int) -> Iterator[np.ndarray]:
        """Yields batches, with the parts and the rows of each part in random order."""
        rng, waiting = np.random.default_rng(self._seed), np.empty((0, vectors.width), np.float32)
        while True:
            for part in rng.permutation(len(vectors.parts)):
                rows = vectors.parts[part]
                waiting = np.concatenate([waiting, rows[rng.permutation(len(rows))]])
                while len(waiting) >= _BATCH_SIZE:
                    yield waiting[:_BATCH_SIZE]
                    waiting, steps = waiting[_BATCH_SIZE:], steps - 1
                    if not steps:
                        return


def _round_straight_through(probabilities):
    return probabilities + tf.stop_gradient(tf.round(probabilities) - probabilities)


class RandomProjections:
    """Codes from the signs of random projections of centred vectors, without training.

    The expected share of bits in which two codes differ is the vectors' angle as a share of 180
    degrees (Charikar 2002).

    Args:
        width: Values of a vector.
        bits: Length of a code.
        seed: Seed of the projections.
    """

    def __init__(self, width: int, bits: int, seed: int = 0):
        directions = np.random.default_rng(seed).normal(size=(width, bits))
        self._directions = directions.astype(np.float32)
        self._means = np.zeros(width, np.float32)

    def fit(self, vectors: index.Vectors) -> None:
        """Takes the mean of the vectors."""
        self._means = vectors.mean.astype(np.float32)

    def encode(self, vectors: np.ndarray) -> np.ndarray:
        """Encodes (vectors, values) float32 as (vectors, bytes) uint8; see `pack_bits`."""
        return _encode_in_chunks(lambda rows: (rows - self._means) @ self._directions > 0, vectors)


def encode_all(coder: Autoencoder | RandomProjections, vectors: index.Vectors) -> np.ndarray:
    """Encodes all vectors, part by part, as (vectors, bytes) uint8."""
    return np.concatenate([coder.encode(part) for part in vectors.parts])


def _encode_in_chunks(to_bits: Callable, vectors: np.ndarray) -> np.ndarray:
    starts = range(0, len(vectors), _CHUNK)
    return pack_bits(np.concatenate([to_bits(vectors[at : at + _CHUNK]) for at in starts]))
