"""Measures what other JPEGs in records cost and give: a table of docs/results/input.md.

    python benchmarks/record_quality.py --source_dir photos

Each square is encoded with every setting. The error is that of the decoded squares, as PSNR over
all images. The time is that of the decoder alone, for a random crop of 224 pixels, on one core;
rounds alternate between the settings.
"""

import math
import pathlib
import statistics
import time

import measuring
import numpy as np
import tensorflow as tf

from input_pipeline.images import decoding, plain_jpegs, rendering
from input_pipeline.sources import folder

WAYS = [(95, False), (90, False), (95, True), (90, True), (85, True), (75, True)]
CROP, CHUNK = 224, 32


def load_squares(source_dir: str, images: int) -> np.ndarray:
    """Loads the squares of the first plain JPEGs of a folder of class folders."""
    source = folder.find_images(source_dir, validation_fraction=0.1)
    paths = (pathlib.Path(source_dir, entry.name) for entry in source.splits['train'])
    files = (path.read_bytes() for path in paths)
    encoded = [file for file in files if plain_jpegs.recognize(file, rendering.PLAIN)]
    encoded = encoded[:: max(1, len(encoded) // images)][:images]
    squares = [
        plain_jpegs.render(encoded[start : start + CHUNK], 256, quality=0, halves_colour=False)[0]
        for start in range(0, len(encoded), CHUNK)
    ]
    return np.concatenate(squares)


def compute_psnr(squares: np.ndarray, stored: list[bytes]) -> float:
    """Computes the ratio of the largest level to the mean error, in decibels."""
    decoded = np.stack([tf.io.decode_jpeg(jpeg, dct_method=decoding.DCT_METHOD) for jpeg in stored])
    error = np.mean((decoded.astype(np.float32) - squares) ** 2, dtype=np.float64)
    return 20 * math.log10(255) - 10 * math.log10(error)


def measure_decoder(stored: tf.Tensor, windows: tf.Tensor) -> float:
    """Measures microseconds of processor time per image."""
    start = time.process_time()
    decode_crops(stored, windows)
    return (time.process_time() - start) / len(stored) * 1e6


@tf.function(
    input_signature=[tf.TensorSpec([None], tf.string), tf.TensorSpec([None, 4], tf.int32)],
    autograph=False,
)
def decode_crops(stored: tf.Tensor, windows: tf.Tensor) -> tf.Tensor:
    """Decodes a crop of each image, and keeps one pixel."""

    def decode(arguments):
        method = decoding.DCT_METHOD
        return tf.io.decode_and_crop_jpeg(*arguments, channels=3, dct_method=method)[0, 0]

    spec = tf.TensorSpec([3], tf.uint8)
    return tf.map_fn(decode, (stored, windows), fn_output_signature=spec, parallel_iterations=1)


def main() -> None:
    """Measures all ways and prints the table."""
    parser = measuring.create_parser(__doc__)
    parser.add_argument('--source_dir', required=True, help='a folder of class folders')
    parser.add_argument('--images', type=int, default=256, help='how many of them')
    parser.add_argument('--rounds', type=int, default=9, help='rounds; their medians are printed')
    args = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    squares = load_squares(args.source_dir, args.images)
    offsets = np.random.default_rng(0).integers(0, 256 - CROP + 1, (len(squares), 2))
    windows = tf.constant(np.pad(offsets, ((0, 0), (0, 2)), constant_values=CROP), tf.int32)
    ways = {
        way: [decoding.encode_jpeg(s, way[0], halves_colour=way[1]).numpy() for s in squares]
        for way in WAYS
    }
    encoded = {way: tf.constant(stored) for way, stored in ways.items()}
    durations = {way: [] for way in WAYS}
    for _ in range(args.rounds):
        for way in WAYS:
            durations[way].append(measure_decoder(encoded[way], windows))
    usual = statistics.median(durations[WAYS[0]])
    print('| record_quality | record_subsampling | kB | PSNR, dB | decoder, us | speed |')
    print('|---|---|---|---|---|---|')
    for way, stored in ways.items():
        size, duration = statistics.mean(map(len, stored)) / 1e3, statistics.median(durations[way])
        print(
            f'| {way[0]} | {"420" if way[1] else "444"} | {size:.1f} | '
            f'{compute_psnr(squares, stored):.1f} | {duration:.0f} | {usual / duration:.2f} |'
        )


if __name__ == '__main__':
    main()
