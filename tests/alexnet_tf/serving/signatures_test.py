"""What the served graph shows a network, against what evaluation shows it."""

import keras
import numpy as np
import tensorflow as tf

from alexnet_tf.serving import signatures
from input_pipeline import convert, pipeline, preprocessing, records
from input_pipeline.sources import folder as folders

CROP = 5


def test_served_views_are_evaluations_to_the_bit(shared_folder, tmp_path):
    manifest = convert.prepare(
        folders.find(str(shared_folder), validation_fraction=0.4),
        str(tmp_path),
        settings={'record_encoding': 'jpeg', 'shard_examples': 8, 'seed': 0},
        max_bad_fraction=0,
        report=lambda *_: None,
    )
    mean_image = records.statistics(manifest)['mean_image']
    # A network of which the logits are the pixels that it sees.
    model = keras.Sequential(
        [keras.Input((CROP, CROP, 3)), keras.layers.Flatten(), keras.layers.Rescaling(1 / 64)]
    )
    names = [str(at) for at in range(CROP * CROP * 3)]
    serve, _ = signatures.build(model, names, mean_image, crop_size=CROP)['serving_default']
    shards = manifest.shards('validation')
    batches = pipeline.evaluation(shards, layout=records.Layout(), batch_size=1)
    stored = [
        preprocessing.parse(record[None], records.Layout())[0][0]
        for path, _ in shards
        for record in tf.data.TFRecordDataset(path)
    ]
    served = tf.function(serve)(tf.stack(stored))['scores'].numpy()
    for at, (squares, _, mask) in enumerate(batches):
        assert mask.numpy().all()
        views = preprocessing.views(squares, mean_image, crop_size=CROP, number=1)
        expected = tf.nn.softmax(tf.reshape(views / 64, [1, -1]))
        # A grey level is 1.6 %; the softmax of a batch may round otherwise than that of one.
        np.testing.assert_allclose(served[at], expected[0], rtol=1e-5)
    assert len(served) == at + 1 == manifest.examples('validation')
