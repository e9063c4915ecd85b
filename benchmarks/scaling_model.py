"""Predicts training on many GPUs from measured parts: the tables of docs/explanation/scaling.md.

    python benchmarks/scaling_model.py
    python benchmarks/scaling_model.py --measured /tmp/clusters/speed.csv

A step takes as long as the slower of two: decoding the images; and computing, plus the part of the
gradient sums that it does not hide. No GPU was measured: speeds of GPUs are published or assumed.
--measured compares the model with results of `benchmarks/clusters.py speed` instead.
"""

import dataclasses
import pathlib
import sys

import measuring

from alexnet_tf.models import alexnet, flops, recipes
from alexnet_tf.reports import tables

RECORD_BYTES = 39e3  # of a 256x256 JPEG of quality 95: docs/results/input.md
DECODED_PER_CORE = 1_600.0  # images/s, with crop and augmentation: docs/results/input.md
P100 = 2_987.0  # images/s, 512 in a batch: tf_cnn_benchmarks of May 2017, synthetic images
FASTER = 10 * P100  # assumed, for GPUs of today: nothing trustworthy is published of AlexNet
NVLINK = 20e9  # bytes/s a GPU sends to its neighbour in a host; assumed
GBIT = 1e9 / 8
EXAMPLES = (14e6, 100e6, 1e9)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cluster:
    """Hosts that train together.

    Attributes:
        hosts: Their number.
        gpus: GPUs of each host.
        cores: Cores of each host, for decoding.
        network: Bytes a second that a host sends.
        images_per_sec: Speed of a single GPU.
        batch: Images of a step on each GPU.
        gradient_bytes: Bytes that all GPUs sum in a step.
        hidden: Share of the computing during which most gradients are there to be summed.
    """

    hosts: int
    gpus: int = 8
    cores: int = 64
    network: float
    images_per_sec: float
    batch: int = 512
    gradient_bytes: float
    hidden: float

    @property
    def sum_secs(self) -> float:
        """Seconds of two rings, in the hosts and between them: 2 (n - 1) / n of the bytes each."""
        rings = ((self.gpus, NVLINK), (self.hosts, self.network))
        return sum(2 * (n - 1) / n * self.gradient_bytes / speed for n, speed in rings)

    @property
    def train_secs(self) -> float:
        """Seconds of computing, and of the part of the sums that it does not hide."""
        return add_sums(self.batch / self.images_per_sec, self.sum_secs, self.hidden)

    @property
    def step_secs(self) -> float:
        """Seconds of a step."""
        decode = self.batch * self.gpus / self.cores / DECODED_PER_CORE
        return max(self.train_secs, decode)

    @property
    def total(self) -> float:
        """Images a second."""
        return self.batch * self.gpus * self.hosts / self.step_secs

    @property
    def limit(self) -> str:
        """What limits the speed of a step."""
        if self.step_secs > self.train_secs:
            return 'decoding'
        is_waiting = self.train_secs > self.batch / self.images_per_sec
        return 'network' if is_waiting else 'computing'


def add_sums(compute: float, sums: float, hidden: float) -> float:
    """Adds to seconds of computing those of the sums that its share `hidden` does not hide."""
    return compute + max(0.0, sums - hidden * compute)


def describe_network() -> tuple[float, float]:
    """Returns the bytes of the paper's gradients, and the share of computing after fc6's."""
    model = alexnet.build(recipes.RECIPES['paper'], num_classes=1000)
    counts = flops.count_multiply_adds(model)
    first = sum(count for name, count in counts.items() if name.startswith('conv1'))
    convolutions = sum(count for name, count in counts.items() if name.startswith('conv'))
    # Backward, a convolution takes the time of two forward passes, conv1 that of one.
    share = (2 * convolutions - first) / (3 * sum(counts.values()) - first)
    return 4.0 * model.count_params(), share


def print_predictions(gradient_bytes: float, hidden: float) -> None:
    """Prints a row for each cluster, with the minutes of epochs of several sizes."""
    sizes = [f'{examples / 1e6:,.0f} million' for examples in EXAMPLES]
    names = ('a GPU', 'network', 'sums in', 'GPUs', 'steps/s', 'images/s', 'of linear', 'limit')
    print_head(*names, 'a host reads, GB/s', 'without lanes', *sizes)
    for speed, network in ((P100, 10), (P100, 100), (FASTER, 10), (FASTER, 100)):
        for size, dtype in ((1.0, 'float32'), (0.5, 'bfloat16')):
            for hosts in (1, 2, 4, 8) if size == 1 else (2, 4, 8):
                cluster = Cluster(
                    hosts=hosts,
                    network=network * GBIT,
                    images_per_sec=speed,
                    gradient_bytes=size * gradient_bytes,
                    hidden=hidden,
                )
                read = cluster.total * RECORD_BYTES / 1e9
                minutes = ' | '.join(f'{count / cluster.total / 60:,.1f}' for count in EXAMPLES)
                print(
                    f'| {speed:,.0f} | {network} Gbit/s | {dtype} | {8 * hosts} '
                    f'| {1 / cluster.step_secs:.2f} | {cluster.total:,.0f} '
                    f'| {cluster.total / speed / 8 / hosts:.0%} | {cluster.limit} '
                    f'| {read / hosts:.2f} | {read:.2f} | {minutes} |'
                )


def print_head(*names: str) -> None:
    """Prints the head of a table."""
    print(f'| {" | ".join(names)} |\n|{"---|" * len(names)}')


def print_comparison(path: pathlib.Path, hidden: float) -> None:
    """Prints step times that the model predicts for slower networks, beside measured ones.

    The processes share cores, so the computing time is that of as many workers without a limit.
    """
    rows = tables.read_csv(path)
    free = {
        (row['workers'], row['flags']): float(row['step_secs']) for row in rows if not row['rate']
    }
    print_head('workers', 'network', 'MB sent', 'no limit', 'predicted', 'measured')
    for row in (row for row in rows if row['rate']):
        compute, sent = free[row['workers'], row['flags']], float(row['mb_a_step']) * 1e6
        seconds = sent / (float(row['rate'].removesuffix('gbit')) * GBIT)
        predicted = add_sums(compute, seconds, hidden)
        print(
            f'| {row["workers"]} | {row["rate"]} | {sent / 1e6:.1f} | {compute:.2f} s '
            f'| {predicted:.2f} s | {float(row["step_secs"]):.2f} s |'
        )


def main() -> None:
    """Prints the tables."""
    parser = measuring.create_parser(__doc__)
    parser.add_argument('--measured', type=pathlib.Path, help='table of benchmarks/clusters.py')
    args = parser.parse_args()
    gradient_bytes, hidden = describe_network()
    print(f'{gradient_bytes / 1e6:.1f} MB; {hidden:.2f} of computing', file=sys.stderr)
    if args.measured:
        print_comparison(args.measured, hidden)
    else:
        print_predictions(gradient_bytes, hidden)


if __name__ == '__main__':
    main()
