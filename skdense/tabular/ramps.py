"""Ramps between the quantiles of a column, from which networks can build steps and bends."""

from itertools import pairwise
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import gen_batches
from sklearn.utils.validation import check_is_fitted, validate_data

from skdense.fit.inputs import MatrixLike

__all__ = ["Ramps"]

_MOST, _MOST_NUMBERS = 1000, 2**26
"""About the most ramps of all columns, and the most numbers in them; a column has at least two."""
_BLOCK = 4096
"""Rows at a time: as they stay in the processor's cache, large tables take a quarter of the time."""


class Ramps(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Add ramps to each column that has more than two values.

    A ramp is 0 below one quantile of the column and 1 above the next; between them it is linear. Every
    function that is linear between neighbouring quantiles is a weighted sum of the ramps and a constant
    [1]_. Equal quantiles count once.

    Parameters
    ----------
    n_ramps : int, default=7
        The most ramps of a column. Each has fewer, but at least two, where there would be more than
        1,000 in all, or where they would take more than 256 MB.

    Attributes
    ----------
    knots_ : list of ndarray
        For each column the quantiles between which it has ramps, sorted; one if it has none.

    n_features_in_ : int
        Number of columns seen during fit.

    References
    ----------
    .. [1] Gorishniy, Rubachev and Babenko (2022), "On Embeddings for Numerical Features in Tabular Deep
       Learning", NeurIPS.

    Examples
    --------
    >>> from skdense.tabular.ramps import Ramps
    >>> Ramps(n_ramps=2).fit_transform([[0], [1], [3]])
    array([[0., 0., 0.],
           [1., 1., 0.],
           [3., 1., 1.]], dtype=float32)
    """

    def __init__(self, n_ramps: int = 7):
        self.n_ramps = n_ramps

    def fit(self, X: MatrixLike, y: Any = None) -> Self:
        """Find the quantiles of each column.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Numbers, none missing.
        y : object
            Not used.

        Returns
        -------
        self : object
            The fitted transformer.
        """
        X = validate_data(self, X, dtype=np.float32)
        self.knots_ = _knots(X, self.n_ramps)
        most = min(_MOST, _MOST_NUMBERS // len(X))
        if sum(self._counts()) > most:
            n_with_ramps = np.count_nonzero(self._counts())
            self.knots_ = _knots(X, max(most // n_with_ramps, 2))
        return self

    def transform(self, X: MatrixLike) -> NDArray:
        """Append the ramps to the columns.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Numbers, none missing.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features + n_ramps_of_all), of float32
            The columns, and then the ramps of each.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float32, reset=False)
        n_features = X.shape[1]
        written = np.empty((len(X), n_features + sum(self._counts())), np.float32)
        written[:, :n_features] = X
        for rows in gen_batches(len(X), _BLOCK):
            block = written[rows]
            column = n_features
            for x, knots in zip(block[:, :n_features].T, self.knots_):
                for low, high in pairwise(knots):
                    np.clip((x - low) / (high - low), 0, 1, out=block[:, column])
                    column += 1
        return written

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray:
        """The names of the columns and of their ramps, which end with `__ramp<number>`.

        Parameters
        ----------
        input_features : array-like of str of shape (n_features,), default=None
            The names of the columns; by default `x0`, `x1` and so on.

        Returns
        -------
        names : ndarray of shape (n_features + n_ramps_of_all,)
            In the order of `transform`.
        """
        names = super().get_feature_names_out(input_features)
        ramps = [
            f"{name}__ramp{ramp}" for name, count in zip(names, self._counts()) for ramp in range(count)
        ]
        return np.array([*names, *ramps], dtype=object)

    def _counts(self):
        """How many ramps each column has."""
        return [len(knots) - 1 for knots in self.knots_]


def _knots(X, n_ramps):
    """The distinct quantiles of each column.

    A column with two of them keeps one, and so has no ramp, which would only repeat the column.
    """
    shares = np.linspace(0, 1, n_ramps + 1)
    knots = [np.unique(np.quantile(x, shares, method="inverted_cdf")) for x in X.T]
    return [column if len(column) > 2 else column[:1] for column in knots]
