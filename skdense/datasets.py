"""Data sets for the examples."""

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray
from sklearn.utils import check_random_state

__all__ = ["make_two_clouds"]


def make_two_clouds(
    n_samples_per_class: int = 1000, *, random_state: int | RandomState | None = None
) -> tuple[NDArray, NDArray]:
    """Two overlapping Gaussian clouds in the plane, one for each class.

    The mean of class 0 is (0, 3), and the mean of class 1 is (3, 0); both have the covariance [[1,
    0.5], [0.5, 1]]. The best possible accuracy is 99.87%.

    Parameters
    ----------
    n_samples_per_class : int, default=1000
        Number of samples of each class.
    random_state : int, RandomState instance or None, default=None
        Determines the random samples.

    Returns
    -------
    X : ndarray of shape (2 * n_samples_per_class, 2), dtype float32
        All samples of class 0, then all of class 1.
    y : ndarray of shape (2 * n_samples_per_class,), dtype int64
        The classes, 0 or 1.

    Examples
    --------
    >>> from skdense.datasets import make_two_clouds
    >>> X, y = make_two_clouds(100, random_state=0)
    >>> X.shape, y.shape
    ((200, 2), (200,))
    """
    random_state = check_random_state(random_state)
    means, covariance, n = ([0, 3], [3, 0]), [[1, 0.5], [0.5, 1]], n_samples_per_class
    clouds = [random_state.multivariate_normal(mean, covariance, n) for mean in means]
    return np.concatenate(clouds).astype(np.float32), np.repeat([0, 1], n)
