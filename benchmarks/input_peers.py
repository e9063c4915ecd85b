"""Input pipelines of other programs: records or JPEGs to augmented batches of 128.

    python benchmarks/input_peers.py --peer conventional --source train-00000-of-00003.tfrecord
    python benchmarks/input_peers.py --peer torchvision --source FOLDER_OF_JPEGS
    python benchmarks/input_peers.py --peer dali --source FOLDER_OF_PHOTOS --resize

Each crops 224 from 256 at random, mirrors at random, subtracts the mean, shifts the colours (but
not DALI), and returns float32. Keras draws one crop position for each batch. With `--resize` images
have any size, and their shorter side is first rescaled to 256 (Keras: the central square). Prints
one JSON object.
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


def read_conventional(source: str, resize: bool) -> Iterator:
    """Reads TFRecords, or class folders, by a tf.data map, as tutorials do."""
    import tensorflow as tf

    features = {
        'image/encoded': tf.io.FixedLenFeature([], tf.string),
        'image/class/label': tf.io.FixedLenFeature([], tf.int64),
    }

    def load(encoded, label):
        x = tf.io.decode_jpeg(encoded, channels=3)
        if resize:
            size = tf.cast(tf.shape(x)[:2], tf.float32)
            size = tf.cast(tf.round(size * SQUARE_SIZE / tf.reduce_min(size)), tf.int32)
            x = tf.image.resize(x, size, antialias=True)
        x = tf.image.random_flip_left_right(tf.image.random_crop(x, [CROP_SIZE, CROP_SIZE, 3]))
        x = tf.cast(x, tf.float32) - MEAN
        return x + tf.linalg.matvec(COMPONENTS, tf.random.normal([3])), label

    def load_record(record):
        example = tf.io.parse_single_example(record, features)
        return load(example['image/encoded'], example['image/class/label'])

    def load_file(path, label):
        return load(tf.io.read_file(path), label)

    if resize:
        paths = sorted(map(str, pathlib.Path(source).glob('*/*')))
        folders = [pathlib.Path(path).parent.name for path in paths]
        labels = [sorted(set(folders)).index(name) for name in folders]
        stored, load_one = tf.data.Dataset.from_tensor_slices((paths, labels)), load_file
    else:
        stored, load_one = tf.data.TFRecordDataset(tf.io.gfile.glob(source)), load_record
    examples = stored.repeat().shuffle(1024).map(load_one, num_parallel_calls=tf.data.AUTOTUNE)
    yield from examples.batch(BATCH_SIZE, drop_remainder=True).prefetch(tf.data.AUTOTUNE)


def read_keras(source: str, resize: bool) -> Iterator:
    """Reads class folders by `image_dataset_from_directory` and preprocessing layers."""
    import keras
    import tensorflow as tf

    files = keras.utils.image_dataset_from_directory(
        source,
        image_size=(SQUARE_SIZE, SQUARE_SIZE),
        batch_size=BATCH_SIZE,
        crop_to_aspect_ratio=resize,
        verbose=0,
    )
    crop = keras.layers.RandomCrop(CROP_SIZE, CROP_SIZE)
    flip = keras.layers.RandomFlip('horizontal')

    def augment(images, labels):
        x = flip(crop(images, training=True), training=True) - MEAN
        shifts = tf.random.normal((tf.shape(x)[0], 3)) @ tf.transpose(COMPONENTS)
        return x + shifts[:, None, None], labels

    yield from files.repeat().map(augment, num_parallel_calls=tf.data.AUTOTUNE).prefetch(2)


def read_torchvision(source: str, resize: bool) -> Iterator:
    """Reads class folders by ImageFolder and v2 transforms on tensors, with two workers.

    If torchvision was built without JPEG, Pillow decodes, which is the default of ImageFolder.
    """
    import torch
    from torchvision import datasets, io
    from torchvision.transforms import v2

    decodes = hasattr(torch.ops.image, 'decode_image')

    mean, components = torch.tensor(MEAN)[:, None, None], torch.tensor(COMPONENTS)

    def shift(x):
        return x - mean + (components @ torch.randn(3))[:, None, None]

    transforms = [
        *([] if decodes else [v2.ToImage()]),
        *([v2.Resize(SQUARE_SIZE)] if resize else []),
        v2.RandomCrop(CROP_SIZE),
        v2.RandomHorizontalFlip(),
        v2.ToDtype(torch.float32),
        shift,
    ]
    loader = io.decode_image if decodes else datasets.folder.default_loader
    folder = datasets.ImageFolder(source, v2.Compose(transforms), loader=loader)
    # One endless epoch: workers would restart with every epoch, which few photos soon fill.
    sampler = torch.utils.data.RandomSampler(folder, num_samples=10**9)
    yield from torch.utils.data.DataLoader(folder, BATCH_SIZE, sampler=sampler, num_workers=2)


def read_dali(source: str, resize: bool) -> Iterator:
    """Reads class folders by NVIDIA DALI's CPU operators."""
    from nvidia.dali import fn, pipeline_def, types

    @pipeline_def(batch_size=BATCH_SIZE, num_threads=2, device_id=None)
    def create_pipeline():
        encoded, labels = fn.readers.file(file_root=source, random_shuffle=True)
        offset = {f'crop_pos_{axis}': fn.random.uniform(range=(0, 1)) for axis in 'xy'}
        crop = {'crop': (CROP_SIZE, CROP_SIZE), **offset}
        if resize:
            images = fn.resize(fn.decoders.image(encoded), resize_shorter=SQUARE_SIZE)
        else:
            images, crop = fn.decoders.image_crop(encoded, **crop), {}
        mirror = fn.random.coin_flip()
        return fn.crop_mirror_normalize(
            images, mirror=mirror, mean=MEAN, dtype=types.FLOAT, output_layout='HWC', **crop
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
    parser.add_argument('--resize', action='store_true', help='images of any size, in a folder')
    parser.add_argument('--seconds', type=float, default=6.0, help='of the measurement')
    args = parser.parse_args()
    try:
        batches = PEERS[args.peer](args.source, args.resize)
        next(batches)
    except ImportError as error:
        print(json.dumps({'peer': args.peer, 'skipped': f'{error}; {INSTALL[args.peer]}'}))
        return
    rate = measuring.measure_stream(batches, args.seconds)
    print(json.dumps({'peer': args.peer, 'images_per_sec': rate}))


if __name__ == '__main__':
    main()
