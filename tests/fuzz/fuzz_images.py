"""Fuzzes the readers of image headers and the decoders, in Python and in the served graph.

`python tests/fuzz/fuzz_images.py --minutes 60` looks for files that end a process, hang, take
gigabytes, fail in another way than by a refusal, or that `prepare` and the served graph do not make
the same of. Nothing is printed of refused files, so TensorFlow's log is off.
"""

import os
import pathlib
import sys

os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'
os.environ['CUDA_VISIBLE_DEVICES'] = ''
ROOT = pathlib.Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / 'tests' / 'repo'), str(pathlib.Path(__file__).parent)]

import fuzzing  # noqa: E402 - its place is known from here on
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

with fuzzing.import_atheris().instrument_imports(include=['input_pipeline.images']):
    import image_formats_test  # its imports, too, must be instrumented

    from alexnet_tf.export import untrusted_images
    from input_pipeline.images import headers, rendering

SIZE = 32


@tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
def serve(encoded):
    return untrusted_images.decode_squares(encoded, size=SIZE, rendering=rendering.OWN_IMAGES)


def prepare(encoded):
    """Returns the square, None if the image is refused, and the reason."""
    try:
        headers.check(encoded)
        return rendering.render_square(encoded, rendering.OWN_IMAGES, SIZE)[0].numpy(), ''
    except (ValueError, tf.errors.OpError) as error:
        return None, str(error)


def compare(encoded: bytes) -> None:
    """Renders a file as `prepare` and as a server do, alone and beside a file that is no JPEG."""
    square, reason = prepare(encoded)
    for images in ([encoded], [encoded, b'']):
        squares, problems = (value.numpy() for value in serve(tf.constant(images)))
        if (problems[0] == b'') != (square is not None):
            raise AssertionError(f'prepare: {reason or "read"}; served: {problems[0] or "read"}')
        if square is not None:
            np.testing.assert_array_equal(squares[0], square)


if __name__ == '__main__':
    files = [file for files in image_formats_test.FILES.values() for file in files]
    fuzzing.run(compare, [*files, *(file[: len(file) // 2] for file in files)], __doc__)
