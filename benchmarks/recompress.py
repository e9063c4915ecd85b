"""Compresses a folder of JPEG images (.jpg) once more, with the grid of 8x8 blocks moved.

    python benchmarks/recompress.py --source_dir FOLDER_OF_CIFAR10 --output_dir cifar10_twice

On the same grid the second compression would lose little, since the first has rounded the same
coefficients. The output has the same folders, with PNG files, and can be prepared like the source;
the signal-to-noise ratio of the second compression is printed.
"""

import io
import pathlib

import measuring
import numpy as np
import PIL.Image


def compress(image: np.ndarray, *, quality: int, subsampling: str, offset: int) -> np.ndarray:
    """Compresses and decodes an image, (height, width, 3) uint8, padded by `offset` pixels."""
    padded = np.pad(image, ((offset, 0), (offset, 0), (0, 0)), 'edge')
    encoded = io.BytesIO()
    PIL.Image.fromarray(padded).save(encoded, 'jpeg', quality=quality, subsampling=subsampling)
    return np.asarray(PIL.Image.open(encoded))[offset:, offset:]


def main() -> None:
    """Compresses every .jpg of the source."""
    parser = measuring.create_parser(__doc__)
    parser.add_argument('--source_dir', type=pathlib.Path, required=True, help='folders of images')
    parser.add_argument('--output_dir', type=pathlib.Path, required=True, help='must not exist')
    parser.add_argument('--quality', type=int, default=75, help='of JPEG')
    parser.add_argument('--subsampling', default='4:2:0', help='of colours')
    parser.add_argument('--offset', type=int, default=4, help='pixels that the grid is moved by')
    args = parser.parse_args()
    paths, squares = sorted(args.source_dir.rglob('*.jpg')), []
    if not paths:
        parser.error(f'--source_dir={args.source_dir}: it holds no .jpg')
    args.output_dir.mkdir(parents=True)
    for path in paths:
        image = np.asarray(PIL.Image.open(path).convert('RGB'))
        again = compress(
            image, quality=args.quality, subsampling=args.subsampling, offset=args.offset
        )
        squares.append(np.mean((again.astype(float) - image) ** 2))
        target = (args.output_dir / path.relative_to(args.source_dir)).with_suffix('.png')
        target.parent.mkdir(parents=True, exist_ok=True)
        PIL.Image.fromarray(again).save(target)
    ratios = 10 * np.log10(255**2 / np.maximum(squares, 1e-9))
    print(
        f'{len(squares):,} images; peak signal-to-noise ratio {np.median(ratios):.1f} dB (median)'
    )


if __name__ == '__main__':
    main()
