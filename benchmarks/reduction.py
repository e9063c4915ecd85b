"""Measures what summing gradients in bfloat16 changes: a table of docs/results/scaling.md.

    python benchmarks/reduction.py --data_dir data/flowers --width 0.25

A batch is divided among 2 to 64 replicas; their gradients are added one after the other, as a ring
does, in float32 and in bfloat16, and compared with their sum in float64.
"""

import measuring
import ml_dtypes
import numpy as np
import tensorflow as tf

from alexnet_tf.config import flags as flags_lib
from alexnet_tf.runs import build, training_data
from alexnet_tf.training import steps
from input_pipeline.records import manifests

REPLICAS = (2, 8, 64)


def compute_gradients(data_dir: str, width: float) -> list[np.ndarray]:
    """Computes the gradients of each image of a batch; returns by variable (images, elements)."""
    flags = ['alexnet_tf', '--mode=train', f'--data_dir={data_dir}', f'--width={width}']
    flags += [f'--batch_size={max(REPLICAS)}', '--recipe=batch_norm']
    config = flags_lib.parse(flags)
    recipe, manifest = build.resolve_recipe(config), training_data.load_manifest(config)
    augment = build.build_augmentation(manifests.load_statistics(manifest), recipe)
    stream = training_data.create_stream(config, recipe, manifest, augment)
    images, labels, _ = next(iter(stream.read_batches(epochs=1)))
    model = build.build_model(config, recipe, len(manifest.classes), devices=(), compiled=False)

    @tf.function(autograph=False)
    def differentiate(image, label):
        with tf.GradientTape() as tape:
            logits = model(image, training=False)
            loss = tf.reduce_sum(steps.compute_cross_entropy(label, logits))
        return tape.gradient(loss, [variable.value for variable in model.trainable_variables])

    rows = [
        [gradient.numpy().ravel() for gradient in differentiate(image[None], label[None])]
        for image, label in zip(images, labels, strict=True)
    ]
    return [np.stack(column) for column in zip(*rows, strict=True)]


def sum_in(dtype: type, shares: np.ndarray) -> np.ndarray:
    """Sums the rows one after the other, each sum rounded to a dtype."""
    total = shares[0].astype(dtype)
    for share in shares[1:]:
        total = (total + share.astype(dtype)).astype(dtype)
    return total.astype(np.float64)


def main() -> None:
    """Prints a row for each number of replicas."""
    parser = measuring.create_parser(__doc__)
    parser.add_argument('--data_dir', required=True, help='prepared records')
    parser.add_argument('--width', type=float, default=0.25, help="multiple of the paper's sizes")
    args = parser.parse_args()
    gradients = compute_gradients(args.data_dir, args.width)
    print('| replicas | float32 | bfloat16 | bfloat16, worst variable |\n|---|---|---|---|')
    for replicas in REPLICAS:
        squares = {np.float32: [], ml_dtypes.bfloat16: []}
        norms = []
        for rows in gradients:
            shares = rows.reshape(replicas, -1, rows.shape[-1]).sum(1)
            exact = shares.sum(0, dtype=np.float64)
            norms.append(np.sum(exact**2))
            for dtype, errors in squares.items():
                errors.append(np.sum((sum_in(dtype, shares) - exact) ** 2))
        whole = [(sum(errors) / sum(norms)) ** 0.5 for errors in squares.values()]
        ratios = np.divide(squares[ml_dtypes.bfloat16], np.maximum(norms, 1e-30))
        print(f'| {replicas} | {whole[0]:.1e} | {whole[1]:.1e} | {max(ratios) ** 0.5:.1e} |')


if __name__ == '__main__':
    main()
