"""Statistics of images that need not be computed: ImageNet's, or those of other records."""

import zipfile

import numpy as np

from input_pipeline import errors, files
from input_pipeline.records import manifests, statistics

IMAGENET = 'imagenet'
# As the author published them with his code of 2014: the mean of all pixels (R, G, B), and the
# standard deviations along the principal components of their colours.
_MEAN = (127.30, 119.72, 104.91)
_DEVIATIONS = (121.780, 37.094, 19.721)
_COMPONENTS = (
    (-0.5635, -0.5762, -0.5920),
    (-0.7126, -0.0235, 0.7012),
    (0.4180, -0.8170, 0.3973),
)


def load(choice: str, size: int) -> manifests.ImageStatistics:
    """Loads known statistics.

    >>> load('imagenet', 256).eigenvalues.round()
    array([14830.,  1376.,   389.])

    Args:
        choice: 'imagenet', whose mean image is one colour; or the statistics.npz of prepared
            records, or their directory.
        size: Side of the images.

    Raises:
        DataError: There is no such file, it holds something else, or its images have another size.
    """
    if choice == IMAGENET:
        return _create_imagenet(size)
    path = files.as_path(choice)
    path = path / manifests.STATISTICS if path.is_dir() else path
    try:
        loaded = manifests.ImageStatistics(**manifests.load_arrays(path))
        shapes = loaded.mean_image.shape, loaded.eigenvectors.shape, loaded.eigenvalues.shape
    except (OSError, EOFError, ValueError, TypeError, zipfile.BadZipFile) as error:
        raise errors.DataError(
            f'--statistics={choice}: {path} cannot be read ({errors.describe(error)}). Expected '
            f'a number of images, {IMAGENET}, or the {manifests.STATISTICS} of prepared records.'
        ) from error
    if shapes != ((size, size, 3), (3, 3), (3,)):
        raise errors.DataError(
            f'--statistics={choice}: its mean image is {" x ".join(map(str, shapes[0]))}; '
            f'expected {size} x {size} x 3. Name statistics of such images.'
        )
    return loaded


def _create_imagenet(size: int) -> manifests.ImageStatistics:
    components = np.array(_COMPONENTS)
    covariance = components.T @ np.diag(np.square(_DEVIATIONS)) @ components
    eigenvalues, eigenvectors = statistics.compute_principal_components(covariance)
    mean_image = np.broadcast_to(np.float32(_MEAN), (size, size, 3)).copy()
    return manifests.ImageStatistics(mean_image, covariance, eigenvalues, eigenvectors)
