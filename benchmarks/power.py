"""Computes by simulation which differences between two networks an experiment would show.

    python benchmarks/power.py --seeds 5 --images 10000 --error 0.4 --disagreement 0.19

Each of two settings trains a network for each seed, and all are tested on the same images. The
probability that a network misclassifies an image has a beta distribution over the images, with the
given mean, such that two networks disagree about the given share of images; in addition, the errors
of a setting's networks vary normally. Prints, for each difference, the mean half-width of
the 95 % interval of `--mode=experiment`, and how often it excludes 0.
"""

import measuring
import numpy as np

from alexnet_tf.evaluation import trends
from alexnet_tf.reports import tables


def simulate(args, difference: float, random: np.random.Generator) -> trends.Interval:
    """Simulates one experiment, and estimates the difference of its two settings."""
    precision = args.disagreement / (2 * args.error * (1 - args.error) - args.disagreement)
    a, b = args.error * precision, (1 - args.error) * precision
    likely = random.beta(a, b, args.images)
    slope = likely * (1 - likely)
    shifts = random.normal([[0.0], [difference]], args.seed_sd, (2, args.seeds))
    shifted = likely + shifts[..., None] * slope / slope.mean()
    return trends.estimate_difference(*(random.random(shifted.shape) < shifted))


def main() -> None:
    """Simulates experiments, and prints a table."""
    parser = measuring.create_parser(__doc__)
    parser.add_argument('--seeds', type=int, default=5, help='networks of each setting')
    parser.add_argument('--images', type=int, default=10_000, help='held-out images')
    parser.add_argument('--error', type=float, default=0.4, help='mean error, a share')
    parser.add_argument('--disagreement', type=float, default=0.2, help='of two networks, a share')
    parser.add_argument('--seed_sd', type=float, default=0.006, help='of the errors of networks')
    parser.add_argument('--experiments', type=int, default=300, help='for each difference')
    parser.add_argument(
        '--differences', type=float, nargs='+', default=[0.003, 0.005, 0.01, 0.014, 0.02, 0.03]
    )
    args = parser.parse_args()
    if not args.disagreement < 2 * args.error * (1 - args.error):
        parser.error(
            '--disagreement must be below that of independent errors, 2 * error * (1 - error)'
        )
    random, rows = np.random.default_rng(0), []
    for difference in args.differences:
        intervals = [simulate(args, difference, random) for _ in range(args.experiments)]
        width = np.mean([interval.high - interval.low for interval in intervals]) / 2
        power = np.mean([interval.low > 0 or interval.high < 0 for interval in intervals])
        points = (f'{100 * value:.2f}' for value in (difference, width))
        rows.append([*points, tables.format_percent(power)])
    print(tables.format_table(('points', '95 % interval, ±', 'excludes 0'), rows))


if __name__ == '__main__':
    main()
