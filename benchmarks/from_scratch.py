"""Trains other people's networks on one's own images for some minutes, to compare errors.

    python benchmarks/from_scratch.py --peer resnet18 --minutes 10 --data_dir data/flowers

Peers: `keras_tutorial`, the network of TensorFlow's image classification tutorial with its
augmentation and Adam; `alexnet` and `resnet18`, torchvision's, with the hyperparameters of its
reference recipes, whose 90 epochs shrink to what fits. They read the images of prepared records
and need a Python with torch and torchvision, or Pillow, beside this package. A minute is a minute
of processor time on every core, so that other programs on the machine change nothing; if
there are none, it is a minute by the clock. Prints one JSON object.
"""

import concurrent.futures
import io
import itertools
import json
import math
import os
import time
from collections.abc import Callable, Iterator

import measuring
import numpy as np
import PIL.Image
import tensorflow as tf

from input_pipeline.records import manifests

_CORES = len(os.sched_getaffinity(0))
_FEATURES = {
    'image/encoded': tf.io.FixedLenFeature([], tf.string),
    'image/class/label': tf.io.FixedLenFeature([], tf.int64),
}
Split = list[tuple[bytes, int]]


def read_split(data_dir: str, split: str) -> Split:
    """Reads the encoded images and labels of a split of prepared records."""
    manifest = manifests.load(data_dir)
    paths = [path for path, _ in manifest.list_shards(split)]
    parsed = [
        tf.io.parse_single_example(record, _FEATURES) for record in tf.data.TFRecordDataset(paths)
    ]
    return [(row['image/encoded'].numpy(), int(row['image/class/label'])) for row in parsed]


def open_image(encoded: bytes) -> PIL.Image.Image:
    """Decodes an image."""
    return PIL.Image.open(io.BytesIO(encoded)).convert('RGB')


def read_batches(
    examples: Split, transform: Callable, batch_size: int, seed: int
) -> Iterator[tuple[list, np.ndarray]]:
    """Yields batches of transformed images for ever, each epoch in an order of its own."""
    random = np.random.default_rng(seed)
    with concurrent.futures.ThreadPoolExecutor(_CORES) as pool:
        pending = []
        while True:
            order = random.permutation(len(examples))
            for start in range(0, len(order), batch_size):
                rows = [examples[index] for index in order[start : start + batch_size]]
                images = [pool.submit(transform, encoded) for encoded, _ in rows]
                pending.append((images, np.array([label for _, label in rows])))
                if len(pending) > 2:
                    ready, labels = pending.pop(0)
                    yield [image.result() for image in ready], labels


def train_for(
    minutes: float, step: Callable[[], int], set_schedule: Callable[[float], None]
) -> int:
    """Trains for some minutes of processor time on every core.

    Args:
        minutes: The time, including what this process has used before.
        step: Trains one step; returns its number of images.
        set_schedule: Called with the share of the time that is over, before each step.

    Returns:
        The number of images.
    """
    images = 0
    while (share := time.process_time() / _CORES / 60 / minutes) < 1:
        set_schedule(share)
        images += step()
    return images


def train_keras_tutorial(args, training: Split, classes: int) -> tuple[int, Callable]:
    """Trains TensorFlow's tutorial network: three convolutions, 180 x 180 pixels, Adam."""
    import keras

    keras.utils.set_random_seed(args.seed)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((180, 180, 3)),
            layers.RandomFlip('horizontal'),
            layers.RandomRotation(0.1),
            layers.RandomZoom(0.1),
            layers.Rescaling(1 / 255),
            *itertools.chain.from_iterable(
                (
                    layers.Conv2D(filters, 3, padding='same', activation='relu'),
                    layers.MaxPooling2D(),
                )
                for filters in (16, 32, 64)
            ),
            layers.Dropout(0.2),
            layers.Flatten(),
            layers.Dense(128, activation='relu'),
            layers.Dense(classes),
        ]
    )
    model.compile('adam', keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    batches = read_batches(training, _resize_180, 32, args.seed)

    def step():
        images, labels = next(batches)
        model.train_on_batch(np.stack(images), labels)
        return len(labels)

    images = train_for(args.minutes, step, lambda share: None)

    def predict(encoded):
        return model.predict_on_batch(np.stack([_resize_180(image) for image in encoded]))

    return images, predict


def _resize_180(encoded: bytes) -> np.ndarray:
    resized = open_image(encoded).resize((180, 180), PIL.Image.Resampling.BILINEAR)
    return np.asarray(resized, np.float32)


def train_torchvision(args, training: Split, classes: int) -> tuple[int, Callable]:
    """Trains torchvision's network with its reference recipe: SGD, drops at 1/3 and 2/3."""
    import torch
    import torchvision
    from torchvision.transforms import v2

    torch.manual_seed(args.seed)
    torch.set_num_threads(_CORES)
    model = getattr(torchvision.models, args.peer)(weights=None, num_classes=classes)
    model = model.to(memory_format=torch.channels_last)
    rate = {'alexnet': 0.01, 'resnet18': 0.1}[args.peer]
    sgd = torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9, weight_decay=1e-4)
    finish = [
        v2.PILToTensor(),
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ]
    augment = v2.Compose([v2.RandomResizedCrop(224), v2.RandomHorizontalFlip(), *finish])
    centre = v2.Compose([v2.Resize(256), v2.CenterCrop(224), *finish])
    batches = read_batches(training, lambda data: augment(open_image(data)), 32, args.seed)
    precision = torch.autocast('cpu', torch.bfloat16, enabled=args.precision == 'bfloat16')

    def set_schedule(share):
        for group in sgd.param_groups:
            group['lr'] = rate * 0.1 ** math.floor(3 * share)

    def step():
        images, labels = next(batches)
        images = torch.stack(images).to(memory_format=torch.channels_last)
        with precision:
            loss = torch.nn.functional.cross_entropy(model(images), torch.tensor(labels))
        sgd.zero_grad()
        loss.backward()
        sgd.step()
        return len(labels)

    images = train_for(args.minutes, step, set_schedule)
    model.eval()

    def predict(encoded):
        with torch.inference_mode():
            return model(torch.stack([centre(open_image(data)) for data in encoded])).numpy()

    return images, predict


def main() -> None:
    """Trains one peer, evaluates it on the validation split, and prints the result."""
    parser = measuring.create_parser(__doc__)
    choices = ('keras_tutorial', 'alexnet', 'resnet18')
    parser.add_argument('--peer', choices=choices, required=True, help='what to train')
    parser.add_argument('--data_dir', required=True, help='prepared records')
    parser.add_argument('--minutes', type=float, default=10.0, help='of training')
    parser.add_argument('--seed', type=int, default=0, help='of weights and order')
    parser.add_argument('--precision', choices=('float32', 'bfloat16'), default='float32')
    args = parser.parse_args()
    training = read_split(args.data_dir, manifests.TRAIN)
    validation = read_split(args.data_dir, manifests.VALIDATION)
    classes = len(manifests.load(args.data_dir).classes)
    train = train_keras_tutorial if args.peer == 'keras_tutorial' else train_torchvision
    images, predict = train(args, training, classes)
    wrong = 0
    for start in range(0, len(validation), 32):
        rows = validation[start : start + 32]
        scores = predict([encoded for encoded, _ in rows])
        wrong += int(np.sum(np.argmax(scores, axis=1) != [label for _, label in rows]))
    result = {
        'peer': args.peer,
        'minutes': args.minutes,
        'precision': args.precision,
        'seed': args.seed,
        'epochs': round(images / len(training), 1),
        'top1_error': round(wrong / len(validation), 4),
    }
    print(json.dumps(result))


if __name__ == '__main__':
    main()
