"""Scaling and piecewise linear encoding of the encoded columns."""

from numbers import Integral, Real
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import gen_batches
from sklearn.utils.validation import check_is_fitted, validate_data

from skdense import compat
from skdense.base import Saved
from skdense.fit.fitting import set_attributes
from skdense.fit.inputs import MatrixLike, shallow_copy

__all__ = ["TableScaler"]

_BLOCK = 4096
"""Rows at a time: as they stay in the processor's cache, large tables take a quarter of the time."""
CLIP = 3
"""The limit of absolute values after the soft clip."""
LIMITS = {"squash": 1e6, "standard": 300.0, None: np.inf}
"""The largest absolute values before the soft clip, which needs finite values."""
_RARE_SHARE = 0.05
"""The share of rows below which the rarer of two values is a rare level."""
_MOST, _MOST_NUMBERS = 1000, 2**26
"""The most ramps of all columns, approximately, and the most values of ramps."""


class TableScaler(OneToOneFeatureMixin, TransformerMixin, Saved):
    """Scale the columns of encoded data for a model.

    The input is the output of :class:`TableEncoder`, or any numeric array. It may contain missing and
    infinite values.

    Parameters
    ----------
    scaling : {"squash", "standard"} or None, default="squash"
        The scaling of the columns. "squash" and "standard" subtract the median and divide by the
        interquartile range, or by half of the range if that is 0; missing values become the median.
        Then "squash" clips each value z softly to ``z / sqrt(1 + (z / 3)**2)`` [1]_. "standard" limits
        absolute values to 300, and then scales the column to mean 0 and variance 1. None does not
        scale. Missing values stay missing if the column had missing values in `fit`; otherwise they are
        replaced by the median, because trees have not learned how to split on missing values.

    n_ramps : int, default=0
        The maximum number of ramps per column that are appended. A ramp is 0 below one quantile of the
        column and 1 above the next; between them it is linear. Every continuous function that is linear
        between neighbouring quantiles, and constant below the lowest and above the highest one, is a
        weighted sum of the ramps and a constant [2]_. Equal quantiles count once, and a column with two
        distinct values has no ramp. The number of ramps per column is reduced, to no fewer than two, if
        there would be more than 1,000 ramps in total or if they would need more than 256 MB.

    rare_factor : float, default=1.0
        Columns with two distinct values, without missing values, whose rarer value occurs in less than
        5% of the rows, are multiplied by this factor. Ignored if `scaling` is "standard".

    Attributes
    ----------
    center_, scale_ : ndarray of shape (n_features,), of float32
        The value that is subtracted from each column, and the one by which it is then divided.

    n_features_in_ : int
        Number of columns seen during fit.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, if X has names that are all strings.

    References
    ----------
    .. [1] Holzmüller, Grinsztajn and Steinwart (2024), "Better by Default: Strong Pre-Tuned MLPs and
       Boosted Trees on Tabular Data", NeurIPS.
    .. [2] Gorishniy, Rubachev and Babenko (2022), "On Embeddings for Numerical Features in Tabular Deep
       Learning", NeurIPS.

    Examples
    --------
    >>> from skdense.tabular import TableScaler
    >>> TableScaler(n_ramps=2).fit_transform([[0], [1], [3]]).round(2)
    array([[-0.65,  0.  ,  0.  ],
           [ 0.  ,  1.  ,  0.  ],
           [ 1.22,  1.  ,  1.  ]], dtype=float32)
    """

    center_: NDArray
    scale_: NDArray
    n_features_in_: int
    feature_names_in_: NDArray

    _parameter_constraints = {
        "scaling": [compat.StrOptions({"squash", "standard"}), None],
        "n_ramps": [compat.Interval(Integral, 0, None, closed="left")],
        "rare_factor": [compat.Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        scaling: Literal["squash", "standard"] | None = "squash",
        *,
        n_ramps: int = 0,
        rare_factor: float = 1.0,
    ):
        self.scaling = scaling
        self.n_ramps = n_ramps
        self.rare_factor = rare_factor

    @compat.fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: MatrixLike, y: Any = None) -> Self:
        """Learn the scaling of each column and its ramps.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The values; missing ones are NaN.
        y : object
            Ignored.

        Returns
        -------
        self : object
            The fitted transformer. If `fit` raises an error, the previously fitted state is kept.
        """
        fitted = shallow_copy(self)  # an error leaves an earlier fit as it was
        fitted._learn(X)
        set_attributes(self, vars(fitted))
        return self

    def _learn(self, X):
        """Fit. An error leaves this scaler with some attributes of the fit."""
        X = validate_data(self, X, dtype=np.float32, ensure_all_finite=False)
        n_features = X.shape[1]
        known = np.where(np.isfinite(X), X, np.nan)
        # A column may have no finite value.
        known[:, np.isnan(known).all(axis=0)] = 0
        low, below, median, above, high = np.nanpercentile(known, [0, 25, 50, 75, 100], axis=0)
        width = np.where(above > below, above - below, (high - low) / 2)
        zeros, ones = np.zeros(n_features, np.float32), np.ones(n_features, np.float32)
        self._mean, self._factor = zeros, ones
        center, scale, fill = median, np.where(width > 0, width, np.inf), zeros
        if self.scaling is None:
            center, scale, fill = zeros, ones, np.where(np.isnan(X).any(axis=0), np.nan, median)
        self.center_, self.scale_, self._fill = np.float32([center, scale, fill])
        self._ramp_sources = np.zeros(0, int)
        self._ramp_starts = self._ramp_ends = np.zeros(0, np.float32)
        if self.n_ramps:  # of columns before the mean and the factor
            self._learn_ramps(self._scaled(X))
        if self.scaling == "standard":
            scaled = self._scaled(X)[:, :n_features]
            deviation = scaled.std(axis=0, dtype=np.float64)
            self._mean = scaled.mean(axis=0, dtype=np.float64).astype(np.float32)
            self._factor = (1 / np.where(deviation > 0, deviation, 1)).astype(np.float32)
        elif self.rare_factor != 1:
            counts = np.array([(X == end).sum(axis=0) for end in (low, high)])
            is_rare = (counts.sum(axis=0) == len(X)) & (counts.min(axis=0) < _RARE_SHARE * len(X))
            self._factor[is_rare] = self.rare_factor

    def _learn_ramps(self, scaled):
        n_ramps, most = self.n_ramps, min(_MOST, _MOST_NUMBERS // len(scaled))
        knots = _knots(scaled, n_ramps)
        if sum(len(column) - 1 for column in knots) > most:
            n_with_ramps = sum(len(column) > 1 for column in knots)
            knots = _knots(scaled, max(most // n_with_ramps, 2))
        self._ramp_sources = np.repeat(np.arange(len(knots)), [len(column) - 1 for column in knots])
        self._ramp_starts = np.concatenate([column[:-1] for column in knots])
        self._ramp_ends = np.concatenate([column[1:] for column in knots])

    def transform(self, X: MatrixLike) -> NDArray:
        """Scale the columns, and append ramps.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The values; missing ones are NaN.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features + n_all_ramps), of float32
            The scaled columns, followed by the ramps of all columns.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float32, ensure_all_finite=False, reset=False)
        # A copy of a large table would take as much memory as the table.
        return X if self.scaling is None and not self._changes(X) else self._scaled(X)

    def _changes(self, X):
        """Whether unscaled columns get ramps, or a value in the place of a missing one."""
        is_filled = ~np.isnan(self._fill)
        blocks = (X[rows] for rows in gen_batches(len(X), _BLOCK))
        return len(self._ramp_sources) > 0 or any(np.isnan(x[:, is_filled]).any() for x in blocks)

    @np.errstate(over="ignore", invalid="ignore")
    def _scaled(self, X):
        n_features, limit = X.shape[1], np.float32(LIMITS[self.scaling])
        scaled = np.empty((len(X), n_features + len(self._ramp_sources)), np.float32)
        for rows in gen_batches(len(X), _BLOCK):
            block = scaled[rows, :n_features]
            np.subtract(X[rows], self.center_, out=block)
            block /= self.scale_
            np.clip(block, -limit, limit, out=block)
            if self.scaling == "squash":
                block /= np.sqrt(1 + (block / CLIP) ** 2)
            np.copyto(block, self._fill, where=np.isnan(block))
            ramps = block[:, self._ramp_sources] - self._ramp_starts
            ramps /= self._ramp_ends - self._ramp_starts
            np.clip(ramps, 0, 1, out=scaled[rows, n_features:])
            block -= self._mean
            block *= self._factor
        return scaled

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray:
        """Get the names of the columns and of the ramps, which end with `/1`, `/2` and so on.

        Parameters
        ----------
        input_features : array-like of str of shape (n_features,), default=None
            The input feature names; by default `feature_names_in_`, or `x0`, `x1` and so on.

        Returns
        -------
        names : ndarray of shape (n_features + n_all_ramps,)
            In the order of `transform`. If the name of a ramp is also the name of a column, an
            underscore is appended.
        """
        names = [*super().get_feature_names_out(input_features)]
        first_ramps = np.searchsorted(self._ramp_sources, self._ramp_sources)
        for ramp, (source, first_ramp) in enumerate(zip(self._ramp_sources, first_ramps)):
            name = f"{names[source]}/{ramp - first_ramp + 1}"
            while name in names:
                name += "_"
            names.append(name)
        return np.array(names, object)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


def _knots(X, n_ramps):
    """The distinct quantiles of each column.

    Of two quantiles one is kept, so that the column has no ramp: it would only repeat the column.
    """
    shares = np.linspace(0, 1, n_ramps + 1)
    knots = [np.unique(np.quantile(x, shares, method="inverted_cdf")) for x in X.T]
    return [column if len(column) > 2 else column[:1] for column in knots]
