"""The same network in PyTorch on the CPU, channels last, for comparison.

    python benchmarks/pytorch.py --benchmark train_step --precision bfloat16 --runs 5

Run it with a Python that has torch; the package does not need it. Prints one JSON object.
"""

import argparse
import contextlib
import json
import statistics
import time

import torch
from torch import nn


def build() -> nn.Module:
    """60,965,224 parameters; images (batch, 3, 224, 224) -> logits (batch, 1000)."""

    def convolution(*sizes, **more):
        return [nn.Conv2d(*sizes, **more), nn.ReLU(inplace=True)]

    # PyTorch divides alpha by the window's size.
    normalised = nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)
    pooled = nn.MaxPool2d(3, 2)
    model = nn.Sequential(
        nn.ZeroPad2d((0, 3, 0, 3)),
        *convolution(3, 96, 11, stride=4),
        normalised,
        pooled,
        *convolution(96, 256, 5, padding=2, groups=2),
        normalised,
        pooled,
        *convolution(256, 384, 3, padding=1),
        *convolution(384, 384, 3, padding=1, groups=2),
        *convolution(384, 256, 3, padding=1, groups=2),
        pooled,
        nn.Flatten(),
        nn.Linear(9216, 4096),
        nn.ReLU(inplace=True),
        nn.Dropout(),
        nn.Linear(4096, 4096),
        nn.ReLU(inplace=True),
        nn.Dropout(),
        nn.Linear(4096, 1000),
    )
    assert sum(each.numel() for each in model.parameters()) == 60_965_224
    return model.to(memory_format=torch.channels_last)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser()
    parser.add_argument('--benchmark', choices=('train_step', 'inference'), default='train_step')
    parser.add_argument('--precision', choices=('float32', 'bfloat16'), default='float32')
    parser.add_argument('--batch_size', type=int, default=128)
    parser.add_argument('--runs', type=int, default=5)
    given = parser.parse_args()
    model = build()
    sgd = torch.optim.SGD(model.parameters(), lr=1e-6, momentum=0.9, weight_decay=0.0005)
    images = 60 * torch.randn(given.batch_size, 3, 224, 224)
    images = images.to(memory_format=torch.channels_last)
    labels = torch.arange(given.batch_size) % 1000
    half = contextlib.nullcontext()
    if given.precision == 'bfloat16':
        half = torch.autocast('cpu', torch.bfloat16)

    def train():
        model.train()
        with half:
            loss = nn.functional.cross_entropy(model(images), labels)
        sgd.zero_grad()
        loss.backward()
        sgd.step()
        return loss.item()

    def infer():
        model.eval()
        with torch.inference_mode(), half:
            return model(images).sum().item()

    call, taken = train if given.benchmark == 'train_step' else infer, []
    for number in range(2 + given.runs):
        start = time.perf_counter()
        call()
        if number >= 2:
            taken.append(time.perf_counter() - start)
    rate = given.batch_size / statistics.median(taken)
    print(json.dumps({'images_per_sec': rate, 'version': torch.__version__}))


if __name__ == '__main__':
    main()
