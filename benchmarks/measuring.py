"""Measures rates and memory, for the scripts in this folder; needs no package."""

import argparse
import os
import pathlib
import resource
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator

ROOT = pathlib.Path(__file__).parents[1]
ENVIRONMENT = os.environ | {'TF_ENABLE_ONEDNN_OPTS': '1'}  # for all, since this package enables it
_WARM_UP = 2  # calls that are not counted


class _Formatter(argparse.RawDescriptionHelpFormatter, argparse.ArgumentDefaultsHelpFormatter):
    pass


def create_parser(description: str) -> argparse.ArgumentParser:
    """Creates a parser that shows a script's docstring as it is written, and defaults."""
    return argparse.ArgumentParser(description=description, formatter_class=_Formatter)


def add_network_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments that every peer of `--mode=benchmark` takes."""
    kinds = ('train_step', 'inference')
    parser.add_argument('--benchmark', choices=kinds, default='train_step', help='what to measure')
    parser.add_argument('--batch_size', type=int, default=128, help='images in a batch')
    parser.add_argument('--runs', type=int, default=5, help='measured batches')


def run(command: list[str]) -> str:
    """Runs a command from the repository's root; returns the last line of its output."""
    process = subprocess.run(
        command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    if process.returncode:
        raise SystemExit(f'{" ".join(command)} failed:\n{process.stderr[-2000:]}')
    return process.stdout.strip().rpartition('\n')[-1]


def measure_calls(call: Callable[[], object], batch_size: int, runs: int) -> float:
    """Measures images per second: the median of some calls, each of a batch."""
    durations = []
    for index in range(_WARM_UP + runs):
        start = time.perf_counter()
        call()
        if index >= _WARM_UP:
            durations.append(time.perf_counter() - start)
    return batch_size / statistics.median(durations)


def measure_stream(batches: Iterator, seconds: float) -> float:
    """Measures images per second of a stream, after a warm-up of half the time.

    Args:
        batches: Batches (images, labels).
        seconds: Least duration of the measurement.
    """
    for duration in (seconds / 2, seconds):
        start, images = time.perf_counter(), 0
        while time.perf_counter() - start < duration:
            images += len(next(batches)[1])
        rate = images / (time.perf_counter() - start)
    return rate


def read_memory() -> float:
    """Reads the memory in MiB that this process holds now."""
    pages = int(pathlib.Path('/proc/self/statm').read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def read_peak_memory() -> float:
    """Reads the peak memory in MiB of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
