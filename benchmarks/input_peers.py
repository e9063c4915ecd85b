"""Input pipelines of other programs: records or JPEGs to augmented batches of 128.

    python benchmarks/input_peers.py --peer conventional --source train-00000-of-00003.tfrecord
    python benchmarks/input_peers.py --peer torchvision --source FOLDER_OF_JPEGS

Each crops 224 from 256 at random, mirrors at random, subtracts the mean, shifts the colours (but
not DALI), and returns float32. Prints one JSON object.
"""

import json
import pathlib
from collections.abc import Iterator

import measuring

BATCH_SIZE, CROP_SIZE, SQUARE_SIZE = 128, 224, 256
MEAN = (123.0, 117.0, 104.0)
# Principal components of ImageNet's pixels, times a tenth of their standard deviations.
COMPONENTS = ((-6.86, -2.64, 0.82), (-7.02, -0.09, -1.61), (-7.21, 2.60, 0.78))
INSTALL = {
    'conventional': 'pip install tensorflow',
    'keras': 'pip install tensorflow keras',
    'torchvision': 'pip install torch torchvision',
    'dali': 'pip install nvidia-dali-cuda130',
}


def read_conventional(source: str) -> Iterator:
    """Reads TFRecords by a tf.data map, as tutorials do; `source` is a pattern of files."""
    import tensorflow as tf

    features = {
        'image/encoded': tf.io.FixedLenFeature([], tf.string),
        'image/class/label': tf.io.FixedLenFeature([], tf.int64),
    }

    def load(record):
        example = tf.io.parse_single_example(record, features)
        x = tf.io.decode_jpeg(example['image/encoded'], channels=3)
        x = tf.image.random_flip_left_right(tf.image.random_crop(x, [CROP_SIZE, CROP_SIZE, 3]))
        x = tf.cast(x, tf.float32) - MEAN
        shift = tf.linalg.matvec(COMPONENTS, tf.random.normal([3]))
        return x + shift, example['image/class/label']

    records = tf.data.TFRecordDataset(tf.io.gfile.glob(source)).repeat().shuffle(1024)
    examples = records.map(load, num_parallel_calls=tf.data.AUTOTUNE)
    yield from examples.batch(BATCH_SIZE, drop_remainder=True).prefetch(tf.data.AUTOTUNE)


def read_keras(source: str) -> Iterator:
    """Reads class folders by `image_dataset_from_directory` and preprocessing layers."""
    import keras
    import tensorflow as tf

    files = keras.utils.image_dataset_from_directory(
        source, image_size=(SQUARE_SIZE, SQUARE_SIZE), batch_size=BATCH_SIZE, verbose=0
    )
    crop = keras.layers.RandomCrop(CROP_SIZE, CROP_SIZE)
    flip = keras.layers.RandomFlip('horizontal')

    def augment(images, labels):
        x = flip(crop(images, training=True), training=True) - MEAN
        shifts = tf.random.normal((tf.shape(x)[0], 3)) @ tf.transpose(COMPONENTS)
        return x + shifts[:, None, None], labels

    yield from files.repeat().map(augment, num_parallel_calls=tf.data.AUTOTUNE).prefetch(2)


def read_torchvision(source: str) -> Iterator:
    """Reads class folders by ImageFolder and v2 transforms on tensors, with two workers."""
    import torch
    from torchvision import datasets, io
    from torchvision.transforms import v2

    mean, components = torch.tensor(MEAN)[:, None, None], torch.tensor(COMPONENTS)

    def shift(x):
        return x - mean + (components @ torch.randn(3))[:, None, None]

    transforms = [
        v2.RandomCrop(CROP_SIZE),
        v2.RandomHorizontalFlip(),
        v2.ToDtype(torch.float32),
        shift,
    ]
    folder = datasets.ImageFolder(source, v2.Compose(transforms), loader=io.decode_image)
    while True:
        yield from torch.utils.data.DataLoader(
            folder, BATCH_SIZE, shuffle=True, num_workers=2, drop_last=True
        )


def read_dali(source: str) -> Iterator:
    """Reads class folders by NVIDIA DALI's CPU operators."""
    from nvidia.dali import fn, pipeline_def, types

    @pipeline_def(batch_size=BATCH_SIZE, num_threads=2, device_id=None)
    def create_pipeline():
        encoded, labels = fn.readers.file(file_root=source, random_shuffle=True)
        offset = {f'crop_pos_{axis}': fn.random.uniform(range=(0, 1)) for axis in 'xy'}
        images = fn.decoders.image_crop(encoded, crop=(CROP_SIZE, CROP_SIZE), **offset)
        mirror = fn.random.coin_flip()
        return fn.crop_mirror_normalize(
            images, mirror=mirror, mean=MEAN, dtype=types.FLOAT, output_layout='HWC'
        ), labels

    pipeline = create_pipeline()
    pipeline.build()
    while True:
        yield pipeline.run()


PEERS = {
    'conventional': read_conventional,
    'keras': read_keras,
    'torchvision': read_torchvision,
    'dali': read_dali,
}


def write_files(records: str, folder: pathlib.Path) -> None:
    """Writes the images of TFRecords to class folders, for peers that read files."""
    import tensorflow as tf

    for path in tf.io.gfile.glob(records):
        for index, record in enumerate(tf.data.TFRecordDataset(path).as_numpy_iterator()):
            features = tf.train.Example.FromString(record).features.feature
            label = features['image/class/label'].int64_list.value[0]
            target = folder / str(label) / f'{pathlib.Path(path).stem}-{index}.jpg'
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(features['image/encoded'].bytes_list.value[0])


def main() -> None:
    """Measures one peer, or prints how to install what it lacks."""
    parser = measuring.create_parser(__doc__)
    parser.add_argument('--peer', choices=PEERS, required=True, help='the program')
    parser.add_argument('--source', required=True, help='a pattern of records, or a folder')
    parser.add_argument('--seconds', type=float, default=6.0, help='of the measurement')
    args = parser.parse_args()
    try:
        batches = PEERS[args.peer](args.source)
        next(batches)
    except ImportError as error:
        print(json.dumps({'peer': args.peer, 'skipped': f'{error}; {INSTALL[args.peer]}'}))
        return
    rate = measuring.measure_stream(batches, BATCH_SIZE, args.seconds)
    print(json.dumps({'peer': args.peer, 'images_per_sec': rate}))


if __name__ == '__main__':
    main()
