"""Prepares archives of many small members: time and memory, for docs/results/input.md.

    python benchmarks/archives.py --members 100000

The archives imitate ILSVRC-2012 in a temporary folder: 100 classes of 64x64 images, in a tar of
tars.
"""

import io
import os
import pathlib
import subprocess
import sys
import tarfile
import tempfile
import time

import measuring
import numpy as np
import PIL.Image
import scipy.io

CLASSES = 100
DISTINCT_IMAGES = 500


def create_jpeg(seed: int) -> bytes:
    """Creates a JPEG of 64x64 pixels."""
    noise = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), np.uint8)
    buffer = io.BytesIO()
    PIL.Image.fromarray(noise).resize((64, 64), PIL.Image.BICUBIC).save(buffer, 'JPEG')
    return buffer.getvalue()


def add_member(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    """Adds a file to a tar."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    archive.addfile(info, io.BytesIO(data))


def write_archives(root: pathlib.Path, members: int) -> None:
    """Writes the training and validation archives and the development kit."""
    images = [create_jpeg(seed) for seed in range(DISTINCT_IMAGES)]
    wnids = [f'n{index:08d}' for index in range(CLASSES)]
    with tarfile.open(root / 'ILSVRC2012_img_train.tar', 'w') as outer:
        for index, wnid in enumerate(wnids):
            inner = io.BytesIO()
            with tarfile.open(fileobj=inner, mode='w') as archive:
                for number in range(members // CLASSES):
                    image = images[(index * 7 + number) % DISTINCT_IMAGES]
                    add_member(archive, f'{wnid}_{number}.JPEG', image)
            add_member(outer, f'{wnid}.tar', inner.getvalue())
    with tarfile.open(root / 'ILSVRC2012_img_val.tar', 'w') as archive:
        for index in range(CLASSES):
            add_member(archive, f'ILSVRC2012_val_{index + 1:08d}.JPEG', images[index])
    write_devkit(root / 'ILSVRC2012_devkit_t12.tar.gz', wnids)


def write_devkit(path: pathlib.Path, wnids: list[str]) -> None:
    """Writes a development kit: the classes, and the labels of the validation images."""
    rows = [(index + 1, wnid, wnid, 0) for index, wnid in enumerate(wnids)]
    fields = ('ILSVRC2012_ID', 'WNID', 'words', 'num_children')
    synsets = np.array(rows, dtype=[(name, object) for name in fields]).reshape(-1, 1)
    meta = io.BytesIO()
    scipy.io.savemat(meta, {'synsets': synsets})
    labels = '\n'.join(str(index + 1) for index in range(CLASSES))
    with tarfile.open(path, 'w:gz') as archive:
        add_member(archive, 'kit/data/meta.mat', meta.getvalue())
        add_member(archive, 'kit/data/ILSVRC2012_validation_ground_truth.txt', labels.encode())


def run(command: list[str]) -> float:
    """Runs a command; returns the peak memory in MiB of its process."""
    process = subprocess.Popen(command, cwd=measuring.ROOT, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f'{" ".join(command)} failed')
    return usage.ru_maxrss / 1024


def main() -> None:
    """Writes the archives, then measures a dry run and a whole run of prepare."""
    parser = measuring.create_parser(__doc__)
    parser.add_argument('--members', type=int, default=100_000, help='training images')
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        (root / 'archives').mkdir()
        write_archives(root / 'archives', args.members)
        command = [sys.executable, '-m', 'alexnet_tf.main', '--mode=prepare']
        command += [f'--source_dir={root / "archives"}', f'--data_dir={root / "data"}']
        print('| | seconds | members/s | peak memory of a process |\n|---|---|---|---|')
        for name, options in (('dry run (index)', ['--dry_run']), ('prepare', [])):
            start = time.perf_counter()
            peak = run([*command, *options])
            secs = time.perf_counter() - start
            print(
                f'| {name} | {secs:,.1f} | {args.members / secs:,.0f} | {peak:,.0f} MiB |',
                flush=True,
            )


if __name__ == '__main__':
    main()
