"""Ramps between the quantiles of a number, of which steps and bends are sums."""

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

__all__ = ["Ramps"]


class Ramps(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Add ramps to each column that has more than two values.

    A ramp is 0 below one quantile of the column and 1 above the next; between them it is linear. Every
    function that is linear between neighbouring quantiles is a weighted sum of the ramps and a constant
    [1]_. Equal quantiles count once.

    Parameters
    ----------
    n_ramps : int, default=7
        The most ramps of a column.

    Attributes
    ----------
    knots_ : list of ndarray
        For each column the quantiles, sorted.

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

    def __init__(self, n_ramps=7):
        self.n_ramps = n_ramps

    def fit(self, X, y=None):
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
        shares = np.linspace(0, 1, self.n_ramps + 1)
        self.knots_ = [np.unique(np.quantile(x, shares, method="inverted_cdf")) for x in X.T]
        return self

    def transform(self, X):
        """Put the ramps beside the columns.

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
        at = n_features
        for x, knots, count in zip(X.T, self.knots_, self._counts()):
            for ramp in range(count):
                low, high = knots[ramp : ramp + 2]
                np.clip((x - low) / (high - low), 0, 1, out=written[:, at])
                at += 1
        return written

    def get_feature_names_out(self, input_features=None):
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
        """How many ramps each column has: none if it has two values, which one would only repeat."""
        return [len(knots) - 1 if len(knots) > 2 else 0 for knots in self.knots_]
