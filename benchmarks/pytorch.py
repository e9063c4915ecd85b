"""The same network in PyTorch on the CPU, channels last, for comparison.

    python benchmarks/pytorch.py --benchmark train_step --precision bfloat16 --runs 5

Requires a Python with torch, which the package itself does not need. Prints one JSON object.
"""

import contextlib
import json

import measuring
import torch
from torch import nn


def build() -> nn.Module:
    """Builds 60,965,224 parameters; images (batch, 3, 224, 224) -> logits (batch, 1000)."""

    def convolution(*sizes, **options):
        return [nn.Conv2d(*sizes, **options), nn.ReLU(inplace=True)]

    # PyTorch divides alpha by the window's size.
    norm = nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)
    pool = nn.MaxPool2d(3, 2)
    model = nn.Sequential(
        nn.ZeroPad2d((0, 3, 0, 3)),
        *convolution(3, 96, 11, stride=4),
        norm,
        pool,
        *convolution(96, 256, 5, padding=2, groups=2),
        norm,
        pool,
        *convolution(256, 384, 3, padding=1),
        *convolution(384, 384, 3, padding=1, groups=2),
        *convolution(384, 256, 3, padding=1, groups=2),
        pool,
        nn.Flatten(),
        nn.Linear(9216, 4096),
        nn.ReLU(inplace=True),
        nn.Dropout(),
        nn.Linear(4096, 4096),
        nn.ReLU(inplace=True),
        nn.Dropout(),
        nn.Linear(4096, 1000),
    )
    assert sum(parameter.numel() for parameter in model.parameters()) == 60_965_224
    return model.to(memory_format=torch.channels_last)


def main() -> None:
    """Measures training or inference and prints the result."""
    parser = measuring.create_parser(__doc__)
    measuring.add_network_arguments(parser)
    parser.add_argument('--precision', choices=('float32', 'bfloat16'), default='float32')
    args = parser.parse_args()
    model = build()
    sgd = torch.optim.SGD(model.parameters(), lr=1e-6, momentum=0.9, weight_decay=0.0005)
    images = 60 * torch.randn(args.batch_size, 3, 224, 224)
    images = images.to(memory_format=torch.channels_last)
    labels = torch.arange(args.batch_size) % 1000
    precision = contextlib.nullcontext()
    if args.precision == 'bfloat16':
        precision = torch.autocast('cpu', torch.bfloat16)

    def train():
        model.train()
        with precision:
            loss = nn.functional.cross_entropy(model(images), labels)
        sgd.zero_grad()
        loss.backward()
        sgd.step()
        return loss.item()

    def infer():
        model.eval()
        with torch.inference_mode(), precision:
            return model(images).sum().item()

    call = train if args.benchmark == 'train_step' else infer
    rate = measuring.measure_calls(call, args.batch_size, args.runs)
    print(json.dumps({'images_per_sec': rate, 'version': torch.__version__}))


if __name__ == '__main__':
    main()
