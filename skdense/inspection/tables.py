"""Looking into models of tables: what moved the prediction of a row, and where intervals hold.

Contributions need only the predictions of a fitted model on tables in which values come from other
rows. So it may be any estimator, and columns may have any type. A picture imports matplotlib.
"""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from numbers import Integral
from typing import Any, Self
from warnings import catch_warnings

import numpy as np
from numpy.random import RandomState
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binom
from sklearn.base import BaseEstimator, is_classifier
from sklearn.utils import (
    check_consistent_length,
    check_random_state,
    check_scalar,
    column_or_1d,
    gen_batches,
)
from sklearn.utils.validation import check_is_fitted

from skdense import compat
from skdense.final_step import beyond_steps
from skdense.fit.inputs import MatrixLike, array_of, check_confidence_level

_BLOCK = 2**14
"""The most rows of a table that is predicted at once."""
_MOST_PARTS = 30
"""The most parts of a table in a picture."""
_LONGEST = 24
"""The most characters of a value in a picture."""
_MISSING = {"None", "nan", "NaN", "NaT", "<NA>"}
"""Missing values of all types, as texts."""
_CHANCE = 0.95
"""The probability of the range that a coverage has by chance."""


@dataclass(frozen=True)
class Contributions:
    """How much each column moved the predictions of rows.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_columns)
        The contribution of each column to the prediction of each row, in the unit of the prediction.
        ``base + values.sum(axis=1)`` are the predictions, up to rounding.
    standard_errors : ndarray of shape (n_rows, n_columns)
        The standard errors of the contributions, as those of means over independent samples.
    base : float
        The mean prediction of the samples that the rows are compared with.
    predictions : ndarray of shape (n_rows,)
        The predictions of the rows.

    Examples
    --------
    >>> import numpy as np
    >>> from skdense.inspection import Contributions
    >>> found = Contributions(np.array([[2.0, 1.0]]), np.zeros((1, 2)), 4.0, np.array([7.0]))
    >>> bool(found.base + found.values.sum() == found.predictions[0])
    True
    """

    values: NDArray
    standard_errors: NDArray
    base: float
    predictions: NDArray


def contributions(
    estimator: BaseEstimator,
    X: MatrixLike,
    rows: MatrixLike,
    *,
    target: Any = None,
    n_samples: int = 200,
    random_state: int | RandomState | None = None,
) -> Contributions:
    """Compute how much each column moved the predictions of rows from the mean prediction.

    These are sampled Shapley values [1]_, as the package shap has them, for tables with columns of any
    type. A sample of X becomes the row to explain, column by column, in a random order. The change of
    the prediction when a column takes the row's value is the contribution of this column. Each sample
    is used twice, in an order and its reverse [2]_; contributions are means over all samples.

    Parameters
    ----------
    estimator : estimator
        A fitted model. If it has `predict_proba`, the probability of a class is explained, otherwise
        what `predict` returns, which must be numbers.
    X : DataFrame of pandas or polars, or array-like, of shape (n_samples, n_columns)
        The table from which samples are drawn, for instance the training data.
    rows : DataFrame of pandas or polars, or array-like, of shape (n_rows, n_columns)
        The rows to explain, with the columns and types of X, such as ``X_test[:1]``.
    target : label or int, default=None
        The class whose probability is explained, or the index of one of several outputs. None takes the
        second of two classes, or the only output.
    n_samples : int, default=200
        How many samples of X each row is compared with. Each row needs ``2 * n_columns - 2`` times as
        many predictions.
    random_state : int, RandomState instance or None, default=None
        Draws the samples and the orders.

    Returns
    -------
    contributions : Contributions
        The contributions, their standard errors, the mean prediction and the predictions of the rows.

    See Also
    --------
    sklearn.inspection.permutation_importance : How much the score of a model depends on each column.

    References
    ----------
    .. [1] Strumbelj and Kononenko (2014), "Explaining prediction models and individual predictions with
       feature contributions", Knowledge and Information Systems 41.
    .. [2] Mitchell, Cooper, Frank and Holmes (2022), "Sampling Permutations for Shapley Value
       Estimation", JMLR 23.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn.linear_model import LinearRegression
    >>> from skdense.inspection import contributions
    >>> X = pd.DataFrame({"size": [1.0, 2.0, 3.0], "age": [5.0, 2.0, 2.0]})
    >>> model = LinearRegression().fit(X, 10 * X["size"] - X["age"])
    >>> explained = contributions(model, X, X[2:], n_samples=3)
    >>> explained.values.round(6), round(explained.base, 6)
    (array([[10.,  1.]]), 17.0)
    """
    check_is_fitted(estimator)
    check_scalar(n_samples, "n_samples", Integral, min_val=2)
    X, rows = _as_table("X", X), _as_table("rows", rows)
    table = _below(X, rows)
    predict = _predictor(estimator, target, rows)
    random_state = check_random_state(random_state)
    samples = np.resize(random_state.permutation(len(X)), n_samples)
    n_columns = X.shape[1]
    order = np.argsort(random_state.uniform(size=(n_samples, n_columns)))
    # How many columns a sample takes from the row before this one, in an order and in its reverse.
    before = np.stack([order, n_columns - 1 - order])
    base, predictions = predict(_mixed(X, np.tile(samples[:, None], n_columns))), predict(rows)
    values, standard_errors = np.empty((2, len(rows), n_columns))
    for row, prediction in enumerate(predictions):
        path = np.empty((2, n_samples, n_columns + 1))  # predictions while a sample becomes the row
        path[..., 0], path[..., -1] = base, prediction
        for batch in gen_batches(n_samples, max(_BLOCK // (2 * n_columns), 1)):
            if n_columns > 1:
                taken = before[:, batch, None] < np.arange(1, n_columns)[:, None]
                origins = np.where(taken, len(X) + row, samples[batch, None, None])
                with catch_warnings(action="ignore", category=UserWarning):  # of values of one row
                    between = predict(_mixed(table, origins.reshape(-1, n_columns)))
                path[:, batch, 1:-1] = between.reshape(taken.shape[:-1])
        changes = np.take_along_axis(np.diff(path), before, axis=-1).mean(axis=0)
        values[row] = changes.mean(axis=0)
        standard_errors[row] = changes.std(axis=0, ddof=1) / np.sqrt(n_samples)
    return Contributions(values, standard_errors, float(base.mean()), predictions)


@dataclass(eq=False, repr=False)
class CoverageDisplay:
    """The share of rows whose interval, or set of classes, has the true value, in parts of a table.

    Intervals of 90 % have 90 % of new values in all. They may have more of them in one part of the
    table, and fewer in another. For each part, a bar shows the range in which its coverage is with a
    probability of 95 % if each of its rows is covered with this confidence. A point outside of its bar
    says that intervals or sets are too narrow or too wide there. Make it with :meth:`from_estimator`.

    Parameters
    ----------
    coverage : ndarray of shape (n_parts,)
        The share of rows in each part whose interval or set has the true value.
    counts : ndarray of shape (n_parts,)
        The number of rows in each part, or what their weights are worth: the number of rows of equal
        weight whose mean is as precise.
    names : list of str
        The names of the parts.
    confidence_level : float, default=0.9
        The share that is expected.
    axis_label : str, default=None
        What the parts are.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        What was drawn on.
    figure_ : matplotlib.figure.Figure
        The figure of the axes.
    points_ : matplotlib.lines.Line2D
        The coverage of each part, the first part on top. Of more than 30 parts, the 30 with the most
        rows are drawn.
    chance_bars_ : matplotlib.container.BarContainer
        The ranges of chance.

    See Also
    --------
    sklearn.calibration.CalibrationDisplay : The same question about probabilities.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LinearRegression
    >>> from skdense.ensemble import CrossFitRegressor
    >>> from skdense.inspection import CoverageDisplay
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(1000, 2))
    >>> y = X[:, 0] + rng.normal(size=1000)
    >>> model = CrossFitRegressor(LinearRegression(), random_state=0).fit(X[:500], y[:500])
    >>> display = CoverageDisplay.from_estimator(model, X[500:], y[500:], by=1)
    >>> display.coverage.shape, display.counts
    ((5,), array([100, 100, 100, 100, 100]))
    """

    coverage: NDArray
    counts: NDArray
    names: Sequence[str]
    _: KW_ONLY
    confidence_level: float = 0.9
    axis_label: str | None = None

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        X: MatrixLike,
        y: ArrayLike,
        *,
        by: Any = None,
        confidence_level: float = 0.9,
        n_bins: int = 5,
        sample_weight: ArrayLike | None = None,
        ax: Any = None,
    ) -> Self:
        """Predict intervals or sets of new rows, and draw how many have the true value.

        Parameters
        ----------
        estimator : estimator
            A fitted regressor whose `predict` takes `quantiles`, or a classifier with `predict_set`,
            such as :class:`skdense.TabularRegressor` and :class:`skdense.TabularClassifier`.
        X : DataFrame of pandas or polars, or array-like, of shape (n_samples, n_columns)
            Samples that the model was not fitted to.
        y : array-like of shape (n_samples,)
            Their true values or classes.
        by : str, int or array-like of shape (n_samples,), default=None
            What divides the rows into parts: the name of a column of a DataFrame, the number of a
            column of an array, or a value or group for each row. None takes the median that a regressor
            predicts, and the true class for a classifier.
        confidence_level : float, default=0.9
            The share of values that intervals or sets should have, between 0 and 1.
        n_bins : int, default=5
            Numbers and dates with more different values than this are divided into so many parts of
            about equally many rows.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows. If `fit` had weights, intervals and sets hold for the population that
            they describe, and so it takes them here. Weights of classes change no coverage.
        ax : matplotlib.axes.Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : CoverageDisplay
            The display, which has been plotted.
        """
        check_is_fitted(estimator)
        check_confidence_level(confidence_level)
        check_scalar(n_bins, "n_bins", Integral, min_val=1)
        y = column_or_1d(y)
        if is_classifier(estimator):
            model, transformed = beyond_steps(estimator, X)
            sets = model.predict_set(transformed, confidence_level)
            covered = (sets & (model.classes_ == y[:, None])).any(axis=1)
            predicted, label = y, "true class"
        else:
            quantiles = (1 - confidence_level) / 2, 0.5, (1 + confidence_level) / 2
            low, predicted, high = np.moveaxis(estimator.predict(X, quantiles=quantiles), -1, 0)
            covered, label = (low <= y) & (y <= high), "prediction"
        if by is None:
            by = predicted
        elif np.ndim(by) == 0:
            by, label = X[by] if hasattr(X, "columns") else np.asarray(X)[:, by], f"column {by}"
        else:
            label = None
        by = np.asarray(by)
        check_consistent_length(covered, by)
        weights = compat.check_sample_weight(sample_weight, covered, ensure_non_negative=True)
        rows = np.flatnonzero(weights)
        part, names = _parts(by[rows], n_bins)
        weights = weights[rows]
        total = np.bincount(part, weights)
        counts = np.rint(total**2 / np.bincount(part, weights**2)).astype(int)
        coverage = np.bincount(part, weights * covered[rows]) / total
        return cls(coverage, counts, names, confidence_level=confidence_level, axis_label=label).plot(
            ax
        )

    def plot(self, ax: Any = None) -> Self:
        """Draw the coverage of each part.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : CoverageDisplay
            The display itself.
        """
        drawn = np.sort(np.argsort(-self.counts, kind="stable")[:_MOST_PARTS])
        counts, positions = self.counts[drawn], np.arange(len(drawn))
        names = [f"{self.names[part]} ({self.counts[part]} rows)" for part in drawn]
        low, high = np.array(binom.interval(_CHANCE, counts, self.confidence_level)) / counts
        if ax is None:
            from matplotlib.pyplot import subplots

            _, ax = subplots(figsize=(6.4, 1.2 + 0.28 * len(names)), layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        label = f"range of chance ({_CHANCE:.0%})"
        self.chance_bars_ = ax.barh(positions, high - low, left=low, color="lightgray", label=label)
        (self.points_,) = ax.plot(self.coverage[drawn], positions, "o", label="coverage")
        ax.axvline(self.confidence_level, color="gray", linestyle=":")
        ax.set_yticks(positions, names, parse_math=False)
        ax.set_ylim(len(names) - 0.4, -0.6)  # the first part is on top
        ax.set(xlabel="share of true values in intervals or sets", ylabel=self.axis_label or "")
        ax.legend()
        return self


def _as_table(name, X):
    """X as a DataFrame or a two-dimensional array, with at least one row."""
    if not hasattr(X, "columns"):
        return array_of(X, input_name=name)
    if not len(X):
        raise ValueError(f"{name} must have at least one row")
    return X


def _below(X, rows):
    """A table of X with the rows below."""
    if isinstance(X, np.ndarray) and isinstance(rows, np.ndarray):
        return np.concatenate([X, rows])
    types, types_of_rows = (
        dict(zip(getattr(t, "columns", ()), getattr(t, "dtypes", ()))) for t in (X, rows)
    )
    if type(X) is not type(rows) or [*types.items()] != [*types_of_rows.items()]:
        raise ValueError(
            f"rows must be a {type(X).__name__} with the columns and types of X, {types}, got "
            f"{types_of_rows}; rows[X.columns].astype(X.dtypes) of pandas converts them"
        )
    if hasattr(X, "vstack"):
        return X.vstack(rows)
    from pandas import concat

    return concat([X, rows])


def _mixed(table, origins):
    """A table whose column j has in row i the value of this table's row origins[i, j]."""
    if hasattr(table, "get_columns"):
        columns = zip(table.get_columns(), origins.T, strict=True)
        return type(table)([column.gather(rows) for column, rows in columns])
    if hasattr(table, "iloc"):
        columns = {j: table.iloc[:, j].array.take(rows) for j, rows in enumerate(origins.T)}
        return type(table)(columns).set_axis(table.columns, axis=1)
    return np.take_along_axis(table, origins, axis=0)


def _predictor(estimator, target, rows):
    """A function that predicts the numbers to explain."""
    is_probability = hasattr(estimator, "predict_proba")
    outputs_of = estimator.predict_proba if is_probability else estimator.predict
    outputs = outputs_of(rows)
    if isinstance(outputs, list) or np.asarray(outputs).dtype.kind not in "biuf":
        raise ValueError(
            "estimator must predict numbers, or probabilities of classes of a single output by "
            f"predict_proba, got {outputs[:1]!r}"
        )
    targets = np.asarray(estimator.classes_ if is_probability else range(np.size(outputs[0]))).tolist()
    if target is None and len(targets) <= 1 + is_probability:
        target = targets[-1]
    if target not in targets:
        raise ValueError(f"target must be one of {targets}, got {target!r}")
    column = targets.index(target)

    def predict(table):
        return np.asarray(outputs_of(table), dtype=float).reshape(len(table), -1)[:, column]

    return predict


def _parts(values, n_bins):
    """The part of each row, and the names of the parts."""
    missing = np.array([not isinstance(v, str) and str(v) in _MISSING for v in values])
    present = np.array([*values[~missing]])  # numbers beside None or NA may be objects
    part = present
    if values.dtype.kind in "iufmM" and len(np.unique(present)) > n_bins:
        bounds = np.sort(present)[np.arange(1, n_bins) * len(present) // n_bins]
        part = np.searchsorted(bounds, present, side="right")
    _, part = np.unique(part, return_inverse=True)
    within = [np.sort(present[part == i]) for i in range(part.max(initial=-1) + 1)]
    names = [" to ".join(dict.fromkeys(map(_as_text, its[[0, -1]]))) for its in within]
    part_of_row = np.full(len(values), len(names))
    part_of_row[~missing] = part
    return part_of_row, [*names, "missing"][: part_of_row.max() + 1]


def _as_text(value):
    """A value, in a few characters."""
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    if isinstance(value, np.datetime64):
        text = np.datetime_as_string(value, "auto")  # a day without hours, whatever its unit
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
