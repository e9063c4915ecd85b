"""Other programs' input pipelines, for comparison: records or JPEGs to augmented batches of 128.

    python benchmarks/input_peers.py --peer conventional --source train-00000-of-00003.tfrecord
    python benchmarks/input_peers.py --peer torchvision --source FOLDER_OF_JPEGS

Crop 224 from 256 at random, mirror at random, subtract the mean, shift colours (DALI: no shift),
float32. Runs for some seconds after some that do not count, and prints one JSON object.
"""

import argparse
import json
import pathlib
import time

BATCH, CROP, SQUARE = 128, 224, 256
MEAN = (123.0, 117.0, 104.0)
# Principal components of ImageNet's pixels, a tenth of their deviations long.
COMPONENTS = ((-6.86, -2.64, 0.82), (-7.02, -0.09, -1.61), (-7.21, 2.60, 0.78))
INSTALL = {
    'conventional': 'pip install tensorflow',
    'keras': 'pip install tensorflow keras',
    'torchvision': 'pip install torch torchvision',
    'dali': 'pip install nvidia-dali-cuda130',
}


def conventional(source: str):
    """A tf.data map as the tutorials have it, over TFRecords; `source` is a pattern of files."""
    import tensorflow as tf

    features = {
        'image/encoded': tf.io.FixedLenFeature([], tf.string),
        'image/class/label': tf.io.FixedLenFeature([], tf.int64),
    }

    def load(record):
        parsed = tf.io.parse_single_example(record, features)
        x = tf.io.decode_jpeg(parsed['image/encoded'], channels=3)
        x = tf.image.random_flip_left_right(tf.image.random_crop(x, [CROP, CROP, 3]))
        x = tf.cast(x, tf.float32) - MEAN
        return x + tf.linalg.matvec(COMPONENTS, tf.random.normal([3])), parsed['image/class/label']

    records = tf.data.TFRecordDataset(tf.io.gfile.glob(source)).repeat().shuffle(1024)
    made = records.map(load, num_parallel_calls=tf.data.AUTOTUNE)
    yield from made.batch(BATCH, drop_remainder=True).prefetch(tf.data.AUTOTUNE)


def keras_layers(source: str):
    """`image_dataset_from_directory` and preprocessing layers; `source` has class folders."""
    import keras
    import tensorflow as tf

    files = keras.utils.image_dataset_from_directory(
        source, image_size=(SQUARE, SQUARE), batch_size=BATCH, verbose=0
    )
    crop, flip = keras.layers.RandomCrop(CROP, CROP), keras.layers.RandomFlip('horizontal')

    def augment(images, labels):
        x = flip(crop(images, training=True), training=True) - MEAN
        shifts = tf.random.normal((tf.shape(x)[0], 3)) @ tf.transpose(COMPONENTS)
        return x + shifts[:, None, None], labels

    yield from files.repeat().map(augment, num_parallel_calls=tf.data.AUTOTUNE).prefetch(2)


def torchvision(source: str):
    """ImageFolder and v2 transforms on tensors, two workers; `source` has class folders."""
    import torch
    from torchvision import datasets, io
    from torchvision.transforms import v2

    mean, components = torch.tensor(MEAN)[:, None, None], torch.tensor(COMPONENTS)

    def shift(x):
        return x - mean + (components @ torch.randn(3))[:, None, None]

    chain = [v2.RandomCrop(CROP), v2.RandomHorizontalFlip(), v2.ToDtype(torch.float32), shift]
    folder = datasets.ImageFolder(source, v2.Compose(chain), loader=io.decode_image)
    while True:
        yield from torch.utils.data.DataLoader(
            folder, BATCH, shuffle=True, num_workers=2, drop_last=True
        )


def dali(source: str):
    """NVIDIA DALI's CPU operators; `source` has class folders."""
    from nvidia.dali import fn, pipeline_def, types

    @pipeline_def(batch_size=BATCH, num_threads=2, device_id=None)
    def build():
        encoded, labels = fn.readers.file(file_root=source, random_shuffle=True)
        place = {f'crop_pos_{axis}': fn.random.uniform(range=(0, 1)) for axis in 'xy'}
        images = fn.decoders.image_crop(encoded, crop=(CROP, CROP), **place)
        mirror = fn.random.coin_flip()
        return fn.crop_mirror_normalize(
            images, mirror=mirror, mean=MEAN, dtype=types.FLOAT, output_layout='HWC'
        ), labels

    made = build()
    made.build()
    while True:
        yield made.run()


PEERS = {
    'conventional': conventional,
    'keras': keras_layers,
    'torchvision': torchvision,
    'dali': dali,
}


def main() -> None:
    """Measures one peer; says how to install what it lacks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--peer', choices=PEERS, required=True)
    parser.add_argument('--source', required=True)
    parser.add_argument('--seconds', type=float, default=6.0)
    given = parser.parse_args()
    try:
        batches = PEERS[given.peer](given.source)
        next(batches)
    except ImportError as error:
        print(json.dumps({'peer': given.peer, 'skipped': f'{error}; {INSTALL[given.peer]}'}))
        return
    for seconds in (given.seconds / 2, given.seconds):
        start, number = time.perf_counter(), 0
        while time.perf_counter() - start < seconds:
            next(batches)
            number += BATCH
        taken = time.perf_counter() - start
    print(json.dumps({'peer': given.peer, 'images_per_sec': number / taken}))


def write_files(records: str, folder: pathlib.Path) -> None:
    """The pictures of TFRecords as JPEG files in class folders, for peers that read files."""
    import tensorflow as tf

    for path in tf.io.gfile.glob(records):
        for at, record in enumerate(tf.data.TFRecordDataset(path).as_numpy_iterator()):
            features = tf.train.Example.FromString(record).features.feature
            label = features['image/class/label'].int64_list.value[0]
            target = folder / str(label) / f'{pathlib.Path(path).stem}-{at}.jpg'
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(features['image/encoded'].bytes_list.value[0])


if __name__ == '__main__':
    main()
