"""Fuzzes the signatures of a served network: a SavedModel of three classes, queried as clients do.

`python tests/fuzz/fuzz_served.py --minutes 60` looks for an image that ends the process, hangs,
takes gigabytes, affects the image beside it, or that the signatures do not agree about. Graphs are
not instrumented: the checks of headers in Python, which do the same, guide the fuzzer.
"""

import contextlib
import os
import pathlib
import sys
import tempfile

os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'
os.environ['CUDA_VISIBLE_DEVICES'] = ''
ROOT = pathlib.Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / 'tests' / 'repo'), str(pathlib.Path(__file__).parent)]

import fuzzing  # noqa: E402 - its place is known from here on
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

with fuzzing.import_atheris().instrument_imports(include=['input_pipeline.images']):
    import image_formats_test

    from alexnet_tf.export import saved_model, signatures
    from alexnet_tf.models import alexnet, recipes
    from input_pipeline.batches import preprocessing
    from input_pipeline.images import headers, rendering

CLASSES, CROP = ('cat', 'dog', 'emu'), 67
SEEDS = [file for files in image_formats_test.FILES.values() for file in files]
GOOD = SEEDS[0]
PROBABILITY = 1e-5  # how far the scores of one image may differ between batches, and their sum


def load_signatures():
    """Exports a network with random weights, and loads it as a server does."""
    recipe = recipes.SOURCE2012.replace(crop_size=CROP, initial_sd=0.1, initial_sd_hidden=0.1)
    model = alexnet.build(recipe, num_classes=len(CLASSES), width=0.1)
    preprocess = preprocessing.Preprocessing(np.full((80, 80, 3), 120, np.float32), CROP)
    served = signatures.ServedModel.from_keras(
        model, CLASSES, preprocess, rendering=rendering.OWN_IMAGES
    )
    with tempfile.TemporaryDirectory() as folder:
        saved_model.save(pathlib.Path(folder), served, signatures.build(served))
        return saved_model.load(pathlib.Path(folder))


def query(name: str, *images: bytes):
    """Returns a signature's outputs, or the message that refuses the request."""
    try:
        outputs = LOADED.signatures[name](images=tf.constant(images, tf.string))
        return {key: value.numpy() for key, value in outputs.items()}, ''
    except tf.errors.InvalidArgumentError as error:
        return None, str(error)


def serve(encoded: bytes) -> None:
    """Queries all signatures of encoded images with a file, alone and beside a good one."""
    with contextlib.suppress(ValueError, tf.errors.OpError):  # the graph's own checks count
        headers.check(encoded)
    rows, _ = query('tolerant', encoded, GOOD)
    is_readable = rows['errors'][0] == b''
    assert rows['errors'][1] == b''
    np.testing.assert_allclose(rows['scores'][1], EXPECTED, atol=PROBABILITY)
    np.testing.assert_allclose(rows['scores'][0].sum(), is_readable, atol=PROBABILITY)
    for name, output in (('serving_default', 'scores'), ('features', 'features')):
        outputs, message = query(name, encoded)
        assert (outputs is not None) == is_readable, (name, message, rows['errors'])
        assert is_readable or 'images[0]: ' in message, message
        assert not is_readable or np.isfinite(outputs[output]).all()
        if is_readable and output in rows:
            np.testing.assert_allclose(outputs[output][0], rows[output][0], atol=PROBABILITY)


if __name__ == '__main__':
    LOADED = load_signatures()
    EXPECTED = query('serving_default', GOOD)[0]['scores'][0]
    fuzzing.run(serve, [*SEEDS, *(file[: len(file) // 2] for file in SEEDS)], __doc__)
