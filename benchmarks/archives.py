"""Archives of many small members through prepare: time and memory; for docs/results/input.md.

    python benchmarks/archives.py --members 100000

Makes an imitation of ILSVRC-2012 in a temporary folder: 100 classes of pictures of 64x64, a tar of
tars.
"""

import argparse
import io
import pathlib
import resource
import subprocess
import sys
import tarfile
import tempfile
import time

import numpy as np
import PIL.Image
import scipy.io

CLASSES, DIFFERENT = 100, 500  # pictures


def picture(seed: int) -> bytes:
    """A JPEG of 64x64."""
    small = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), np.uint8)
    made = io.BytesIO()
    PIL.Image.fromarray(small).resize((64, 64), PIL.Image.BICUBIC).save(made, 'JPEG')
    return made.getvalue()


def add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    """Adds a file to a tar."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    archive.addfile(info, io.BytesIO(data))


def imitate(root: pathlib.Path, members: int) -> None:
    """Writes the two tars and the development kit."""
    pictures = [picture(seed) for seed in range(DIFFERENT)]
    wnids = [f'n{at:08d}' for at in range(CLASSES)]
    with tarfile.open(root / 'ILSVRC2012_img_train.tar', 'w') as outer:
        for at, wnid in enumerate(wnids):
            inner = io.BytesIO()
            with tarfile.open(fileobj=inner, mode='w') as archive:
                for number in range(members // CLASSES):
                    data = pictures[(at * 7 + number) % DIFFERENT]
                    add(archive, f'{wnid}_{number}.JPEG', data)
            add(outer, f'{wnid}.tar', inner.getvalue())
    with tarfile.open(root / 'ILSVRC2012_img_val.tar', 'w') as archive:
        for at in range(CLASSES):
            add(archive, f'ILSVRC2012_val_{at + 1:08d}.JPEG', pictures[at])
    rows = [(at + 1, wnid, wnid, 0) for at, wnid in enumerate(wnids)]
    fields = ('ILSVRC2012_ID', 'WNID', 'words', 'num_children')
    table = np.array(rows, dtype=[(name, object) for name in fields]).reshape(-1, 1)
    meta = io.BytesIO()
    scipy.io.savemat(meta, {'synsets': table})
    with tarfile.open(root / 'ILSVRC2012_devkit_t12.tar.gz', 'w:gz') as archive:
        add(archive, 'kit/data/meta.mat', meta.getvalue())
        truth = '\n'.join(str(at + 1) for at in range(CLASSES))
        add(archive, 'kit/data/ILSVRC2012_validation_ground_truth.txt', truth.encode())


def main() -> None:
    """Makes the archives, then measures a dry run and a run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--members', type=int, default=100_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        imitate(root, given.members)
        command = [sys.executable, '-m', 'alexnet_tf.main', '--mode=prepare']
        command += [f'--source_dir={root}', f'--data_dir={root / "data"}']
        print('| | seconds | members/s | most memory of a process |\n|---|---|---|---|')
        for name, more in (('dry run (index)', ['--dry_run']), ('prepare', [])):
            start = time.perf_counter()
            subprocess.run(
                [*command, *more],
                cwd=pathlib.Path(__file__).parents[1],
                capture_output=True,
                check=True,
            )
            secs = time.perf_counter() - start
            peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
            print(
                f'| {name} | {secs:,.1f} | {given.members / secs:,.0f} | {peak:,.0f} MB |',
                flush=True,
            )


if __name__ == '__main__':
    main()
