"""Runs a coverage-guided fuzzer on a function of bytes: the frame of the programs beside it.

A program is a target (a function of bytes that raises where something is wrong), and seeds (files
of each kind that it reads, made by a script). To add one, write a module like `fuzz_images.py`.
"""

import argparse
import hashlib
import pathlib
import sys
import tempfile
from collections.abc import Callable, Iterable

_MAX_BYTES, _MAX_SECS, _MAX_MEGABYTES = 1 << 16, 20, 6000  # of an input; for one input


def import_atheris():
    """Imports the fuzzer, or ends with what to install."""
    try:
        import atheris
    except ImportError:
        sys.exit('The fuzzers need atheris: pip install "alexnet_tf[fuzz]".')
    return atheris


def run(target: Callable[[bytes], None], seeds: Iterable[bytes], description: str) -> None:
    """Fuzzes a target for as long as the flags say; ends the process, 0 if nothing was found.

    An input that makes the target raise, hang or take too much memory is written to `--findings`,
    and stops the run. Give its path to run it alone.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument('--minutes', type=float, default=60.0)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--corpus', help='Directory that keeps interesting inputs for later runs.')
    parser.add_argument('--findings', default='findings', help='Directory of inputs that fail.')
    parser.add_argument('inputs', nargs='*', help='Inputs to run once, instead of fuzzing.')
    flags = parser.parse_args()
    if flags.inputs:
        for path in flags.inputs:
            target(pathlib.Path(path).read_bytes())
            print(f'{path}: nothing is wrong')
        return
    corpus = pathlib.Path(flags.corpus or tempfile.mkdtemp())
    for directory in (corpus, pathlib.Path(flags.findings)):
        directory.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        target(seed)  # nothing is wrong with the seeds; and graphs are built before the clock runs
        (corpus / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)
    options = [
        f'-max_total_time={round(60 * flags.minutes)}',
        f'-max_len={_MAX_BYTES}',
        f'-timeout={_MAX_SECS}',
        f'-rss_limit_mb={_MAX_MEGABYTES}',
        f'-seed={flags.seed}',
        f'-artifact_prefix={flags.findings}/',
        '-len_control=0',
        '-print_final_stats=1',
    ]
    atheris = import_atheris()
    atheris.Setup([sys.argv[0], *options, str(corpus)], target)
    atheris.Fuzz()
