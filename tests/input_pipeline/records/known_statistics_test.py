"""Checks statistics that are not computed from the images."""

import numpy as np
import pytest

from input_pipeline import errors
from input_pipeline.records import known_statistics, manifests


def test_imagenets_are_those_that_the_author_published():
    known = known_statistics.load('imagenet', 4)
    assert known.mean_image.shape == (4, 4, 3)
    np.testing.assert_allclose(known.mean_image[2, 1], (127.30, 119.72, 104.91))
    np.testing.assert_allclose(np.sqrt(known.eigenvalues), (121.78, 37.094, 19.721), rtol=1e-3)
    brightest = known.eigenvectors[:, 0] / known.eigenvectors[:, 0].sum()
    expected = np.array([0.5635, 0.5762, 0.5920])
    np.testing.assert_allclose(brightest, expected / expected.sum(), atol=1e-3)
    sds = np.sqrt(np.diag(known.covariance))  # of the channels, as the fact sheet has them
    np.testing.assert_allclose(sds, (74.0, 72.0, 77.0), atol=0.6)


def test_those_of_other_records_are_read_from_their_directory(prepared):
    known = known_statistics.load(str(prepared.directory), 256)
    own = manifests.load_statistics(prepared)
    np.testing.assert_array_equal(known.mean_image, own.mean_image)
    np.testing.assert_array_equal(known.covariance, own.covariance)


@pytest.mark.parametrize('content', [b'', b'PK\3\4'])
def test_another_file_is_refused(tmp_path, content):
    path = tmp_path / 'statistics.npz'
    path.write_bytes(content)
    with pytest.raises(errors.DataError, match='Expected a number of images, imagenet, or'):
        known_statistics.load(str(path), 256)


def test_statistics_of_another_size_are_refused(prepared):
    with pytest.raises(errors.DataError, match='its mean image is 256 x 256 x 3; expected 32 x'):
        known_statistics.load(str(prepared.directory), 32)
