"""Short binary codes of vectors, so that like pictures have codes with few other bits.

After section 6.1 of the paper, and Krizhevsky and Hinton, "Using very deep autoencoders for
content-based image retrieval" (ESANN 2011), which codes by 28 and by 256 bits.
"""

import pathlib
import zipfile
from collections.abc import Callable, Iterator

import keras
import numpy as np
import tensorflow as tf

from alexnet_tf.retrieval import index
from input_pipeline import errors, files

_HIDDEN = 1024
_BATCH, _EPOCHS, _RATE = 128, 25, 1e-3
_STEPS = 500, 20_000  # least and most; with more, few pictures are learned by heart
_CHUNK = 4096  # vectors at a time


def packed(bits: np.ndarray) -> np.ndarray:
    """(codes, bits) bool -> (codes, bytes) uint8, lowest bits first, filled up with zeros."""
    return np.packbits(bits, axis=1, bitorder='little')


class Autoencoder:
    """Vectors -> bits -> vectors; the bits are the code.

    A hidden layer of 1024 on either side of the code's. A unit of the code is a sigmoid, rounded
    in the forward pass; its gradient is that of the sigmoid (straight-through). The units' inputs
    are normalised over the batch, so that each bit parts the pictures in halves or nearly so.

    Args:
        values: Of a vector.
        bits: Of its code.
        seed: Of weights and order.
    """

    def __init__(self, values: int, bits: int, seed: int = 0):
        self._seed = seed
        self._means, self._deviation = np.zeros(values, np.float32), np.float32(1)
        dense, drawn = keras.layers.Dense, keras.initializers.GlorotUniform
        vectors = keras.Input((values,), name='vectors')
        x = dense(_HIDDEN, 'relu', kernel_initializer=drawn(seed), name='encode')(vectors)
        x = dense(bits, use_bias=False, kernel_initializer=drawn(seed + 1), name='code')(x)
        x = keras.layers.BatchNormalization(scale=False, center=False, name='halves')(x)
        shares = keras.layers.Activation('sigmoid', name='shares')(x)
        x = keras.layers.Lambda(_rounded, name='bits')(shares)
        x = dense(_HIDDEN, 'relu', kernel_initializer=drawn(seed + 2), name='decode')(x)
        again = dense(values, kernel_initializer=drawn(seed + 3), name='again')(x)
        self._whole = keras.Model(vectors, again)
        self._encoder = keras.Model(vectors, shares)

    def learn(
        self, vectors: index.Vectors, report: Callable[[int, int], None] = lambda *_: None
    ) -> float:
        """Learns to repeat vectors, by Adam; gives the last batches' mean squared error.

        Args:
            vectors: Standardised first, each value by one scale for all.
            report: Called with (steps done, steps) from time to time.
        """
        self._set_standard(vectors)
        steps = int(np.clip(_EPOCHS * len(vectors) // _BATCH, *_STEPS))
        adam = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(_RATE, steps))
        adam.build(self._whole.trainable_variables)

        @tf.function(autograph=False)
        def step(batch):
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean((self._whole(batch, training=True) - batch) ** 2)
            gradients = tape.gradient(loss, self._whole.trainable_variables)
            adam.apply(gradients, self._whole.trainable_variables)
            return loss

        losses = []
        for done, batch in enumerate(self._batches(vectors, steps), 1):
            losses.append(float(step(self._standard(batch))))
            report(done, steps)
        return float(np.mean(losses[-50:]))

    def encode(self, vectors: np.ndarray) -> np.ndarray:
        """(vectors, values) -> (vectors, bytes) uint8, packed."""
        parts = [vectors[at : at + _CHUNK] for at in range(0, len(vectors), _CHUNK)]
        shares = [self._encoder(self._standard(each), training=False).numpy() for each in parts]
        return packed(np.concatenate(shares) > 0.5)

    def save(self, path: pathlib.Path) -> None:
        """Writes the encoder; no pickle."""
        with files.atomic_file(path) as aside, open(aside, 'wb') as file:
            np.savez(file, **self._arrays())

    def load(self, path: pathlib.Path) -> None:
        """Reads what `save` wrote.

        Raises:
            DataError: It is damaged, or of another shape.
        """
        try:
            with open(path, 'rb') as file, np.load(file, allow_pickle=False) as saved:
                arrays = {name: saved[name] for name in saved.files}
            shapes = {name: each.shape for name, each in self._arrays().items()}
            if {name: each.shape for name, each in arrays.items()} != shapes:
                raise ValueError('its arrays are others, or of other shapes')
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise errors.DataError(f'{path} is damaged: {error}. Delete it.') from error
        self._means, self._deviation = arrays['means'], arrays['deviation']
        for at, variable in enumerate(self._encoder.variables):
            variable.assign(arrays[f'{at:02d}'])

    def _arrays(self) -> dict[str, np.ndarray]:
        weights = {f'{at:02d}': np.asarray(v) for at, v in enumerate(self._encoder.variables)}
        return {'means': self._means, 'deviation': np.asarray(self._deviation), **weights}

    def _standard(self, vectors: np.ndarray) -> np.ndarray:
        return (vectors - self._means) / self._deviation

    def _set_standard(self, vectors: index.Vectors) -> None:
        """Means of each value; one deviation for all, for rare values shall not weigh more."""
        number, sums, squares = len(vectors), 0.0, 0.0
        for part in vectors.parts:
            sums = sums + part.sum(0, dtype=float)
            squares = squares + (part.astype(float) ** 2).sum(0)
        means = sums / number
        variance = np.maximum(squares / number - means**2, 0.0).mean()
        self._means = means.astype(np.float32)
        self._deviation = np.float32(np.sqrt(variance) or 1.0)

    def _batches(self, vectors: index.Vectors, left: int) -> Iterator[np.ndarray]:
        """`left` batches: parts in a drawn order, and the rows of each in a drawn order."""
        random = np.random.default_rng(self._seed)
        held = np.empty((0, vectors.width), np.float32)
        while True:
            for part in random.permutation(len(vectors.parts)):
                rows = vectors.parts[part]
                held = np.concatenate([held, rows[random.permutation(len(rows))]])
                while len(held) >= _BATCH:
                    yield held[:_BATCH]
                    held, left = held[_BATCH:], left - 1
                    if not left:
                        return


def _rounded(shares):
    return shares + tf.stop_gradient(tf.round(shares) - shares)


class Projections:
    """The signs of random projections of centred vectors: a code that learns nothing.

    Two vectors' codes differ in a share of bits that is their angle's share of 180 degrees, on
    average (Charikar 2002).

    Args:
        values, bits, seed: As of `Autoencoder`.
    """

    def __init__(self, values: int, bits: int, seed: int = 0):
        self._directions = np.random.default_rng(seed).normal(size=(values, bits))
        self._directions = self._directions.astype(np.float32)
        self._means = np.zeros(values, np.float32)

    def learn(self, vectors: index.Vectors, report=None) -> float:
        """Takes the mean, no more."""
        sums = sum(part.sum(0, dtype=float) for part in vectors.parts)
        self._means = (sums / len(vectors)).astype(np.float32)
        return 0.0

    def encode(self, vectors: np.ndarray) -> np.ndarray:
        """See `Autoencoder.encode`."""
        parts = [vectors[at : at + _CHUNK] for at in range(0, len(vectors), _CHUNK)]
        return packed(
            np.concatenate([(each - self._means) @ self._directions > 0 for each in parts])
        )


def every(coder: Autoencoder | Projections, vectors: index.Vectors) -> np.ndarray:
    """The codes of all vectors, (vectors, bytes) uint8, a part at a time."""
    return np.concatenate([coder.encode(part) for part in vectors.parts])
