"""The notebook's two clouds."""

import numpy as np
import pytest
from scipy.stats import norm

from skdense.datasets import make_two_clouds


def test_the_clouds_come_in_class_order_in_float32():
    X, y = make_two_clouds(30, random_state=0)

    assert X.shape == (60, 2)
    assert X.dtype == np.float32
    np.testing.assert_array_equal(y, np.repeat([0, 1], 30))


def test_the_clouds_have_their_means_and_covariances():
    n = 20000
    X, y = make_two_clouds(n, random_state=0)

    for label, mean in enumerate([[0, 3], [3, 0]]):
        cloud = X[y == label]
        np.testing.assert_allclose(cloud.mean(axis=0), mean, atol=5 / np.sqrt(n))
        np.testing.assert_allclose(np.cov(cloud.T), [[1, 0.5], [0.5, 1]], atol=10 / np.sqrt(n))


def test_the_best_line_is_as_accurate_as_the_docstring_says():
    # Along (1, -1) the clouds have means -3 and 3 and variance 1 + 1 - 2 / 2 = 1.
    X, y = make_two_clouds(50000, random_state=0)

    assert norm.cdf(3) == pytest.approx(0.9987, abs=5e-5)
    assert np.mean((X[:, 0] > X[:, 1]) == y) == pytest.approx(norm.cdf(3), abs=5e-4)


def test_the_clouds_repeat_with_their_seed():
    X, _ = make_two_clouds(20, random_state=1)
    again, _ = make_two_clouds(20, random_state=1)
    other, _ = make_two_clouds(20, random_state=2)

    np.testing.assert_array_equal(X, again)
    assert (X != other).any()


def test_the_clouds_advance_a_random_state_that_they_are_given():
    random_state = np.random.RandomState(0)

    first, _ = make_two_clouds(20, random_state=random_state)
    second, _ = make_two_clouds(20, random_state=random_state)

    np.testing.assert_array_equal(first, make_two_clouds(20, random_state=0)[0])
    assert (first != second).any()
