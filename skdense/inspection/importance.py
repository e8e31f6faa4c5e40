"""What the columns of a table are worth: how much a score falls if one of them is shuffled."""

from collections.abc import Sequence
from functools import wraps
from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.random import RandomState
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, is_classifier
from sklearn.metrics import check_scoring
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from skdense.fit.inputs import MatrixLike
from skdense.inspection.displays import axes_for

_ROWS = 2**15
"""About how many rows are predicted at a time: small tables are predicted many times at once."""
_MOST_DRAWN = 30
"""The most columns in a picture."""
_RESPONSES = ("predict", "predict_proba", "predict_log_proba", "decision_function")


class ColumnImportanceDisplay:
    """How much the score of a model falls if the values of one column are shuffled.

    This is scikit-learn's :func:`~sklearn.inspection.permutation_importance`, which tells how much the
    model makes use of each column of the table as it was given to `fit`, before categories and dates
    become numbers. It is faster, since it predicts many shuffled copies of a small table at once. Make
    it with :meth:`from_estimator`.

    Parameters
    ----------
    importances : ndarray of shape (n_columns, n_repeats)
        By how much the score falls, for each column and repetition.
    names : list of str
        The names of the columns.
    label : str, default=None
        What the importances are, for the axis.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        What was drawn on.
    figure_ : matplotlib.figure.Figure
        The figure of the axes.
    bars_ : matplotlib.container.BarContainer
        The mean of each column, with the standard deviation over the repetitions as error bar. The most
        important column is on top; of more than 30 columns, the 30 most important ones are drawn.

    See Also
    --------
    sklearn.inspection.PartialDependenceDisplay : How predictions depend on a column.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from sklearn.linear_model import LinearRegression
    >>> from skdense.inspection import ColumnImportanceDisplay
    >>> X = pd.DataFrame({"age": np.arange(50.0), "noise": np.arange(50.0) % 7})
    >>> model = LinearRegression().fit(X, X.age)
    >>> display = ColumnImportanceDisplay.from_estimator(model, X, X.age, random_state=0)
    >>> [label.get_text() for label in display.ax_.get_yticklabels()]
    ['age', 'noise']
    """

    def __init__(self, importances: NDArray, names: Sequence[str], *, label: str | None = None):
        self.importances = importances
        self.names = names
        self.label = label

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        X: MatrixLike,
        y: ArrayLike,
        *,
        scoring: Any = None,
        n_repeats: int = 5,
        random_state: int | RandomState | None = None,
        ax: Any = None,
    ) -> Self:
        """Shuffle each column of a table and draw how much the score falls.

        Parameters
        ----------
        estimator : estimator
            A fitted classifier or regressor, such as that of :func:`skdense.make_tabular_classifier`.
        X : DataFrame of pandas or polars, or array-like, of shape (n_samples, n_columns)
            Samples that the model was not fitted to. The time grows with their number.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            What is to be predicted for them.
        scoring : str or scorer, default=None
            The score: a name that scikit-learn knows, such as "neg_log_loss", or what
            :func:`~sklearn.metrics.make_scorer` returns. None takes the accuracy of a classifier and
            the R2 of a regressor.
        n_repeats : int, default=5
            How many times each column is shuffled.
        random_state : int, RandomState instance or None, default=None
            Shuffles the columns.
        ax : matplotlib.axes.Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : ColumnImportanceDisplay
            The display, which has been plotted.
        """
        check_is_fitted(estimator)
        if not (isinstance(n_repeats, Integral) and n_repeats > 0):
            raise ValueError(f"n_repeats must be a positive int, got {n_repeats!r}")
        if not hasattr(X, "columns"):
            X = X if hasattr(X, "shape") else np.array(X, dtype=object)
            X = check_array(X, dtype=None, ensure_all_finite=False)
        check_consistent_length(X, y)
        if scoring is None:
            scoring = "accuracy" if is_classifier(estimator) else "r2"
        n_rows, n_columns = X.shape
        random_state = check_random_state(random_state)
        orders = [
            (column, random_state.permutation(n_rows))
            for column in range(n_columns)
            for _ in range(n_repeats)
        ]
        at_once = max(_ROWS // n_rows, 1)
        scores = []
        for start in range(0, len(orders), at_once):
            tables = [_shuffled(X, *order) for order in orders[start : start + at_once]]
            scores += _scores(estimator, tables, y, scoring)
        (score,) = _scores(estimator, [X], y, scoring)
        importances = score - np.reshape(scores, (n_columns, n_repeats))
        names = [str(name) for name in getattr(X, "columns", map("x{}".format, range(n_columns)))]
        return cls(importances, names, label=_label(scoring)).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw a bar for each column.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : ColumnImportanceDisplay
            The display itself.
        """
        means = self.importances.mean(axis=1)
        drawn = np.argsort(-means, kind="stable")[:_MOST_DRAWN]
        size = {"figsize": (6.4, 1.2 + 0.28 * len(drawn)), "layout": "constrained"}
        self.ax_ = axes_for(ax, type(self).__name__, **size)
        self.figure_ = self.ax_.figure
        spread = self.importances[drawn].std(axis=1)
        positions = np.arange(len(drawn))
        self.bars_ = self.ax_.barh(positions, means[drawn], xerr=spread)
        self.ax_.set_yticks(positions, [self.names[column] for column in drawn])
        self.ax_.set_ylim(len(drawn) - 0.4, -0.6)
        self.ax_.set_xlabel(self.label)
        return self


class _Predicted:
    """An estimator for scorers: it takes row numbers, and has predicted all rows of a table at once."""

    def __init__(self, estimator, X):
        self._estimator, self._X, self._outputs = estimator, X, {}

    def __getattr__(self, name):
        value = getattr(self._estimator, name)
        if name not in _RESPONSES:
            return value
        if name not in self._outputs:
            self._outputs[name] = value(self._X)
        return wraps(value)(lambda rows: self._outputs[name][rows])  # scorers look at its name


def _scores(estimator, tables, y, scoring):
    """The score on each of several tables of the same rows."""
    predicted = _Predicted(estimator, _concatenated(tables))
    scorer = check_scoring(estimator, scoring)
    rows = np.arange(len(tables) * len(y)).reshape(len(tables), -1)
    return [scorer(predicted, part, y) for part in rows]


def _shuffled(X, column, order):
    """The table with one column in another order."""
    if hasattr(X, "with_columns"):
        return X.with_columns(X.to_series(column).gather(order))
    if not hasattr(X, "iloc"):
        X = X.copy()
        X[:, column] = X[order, column]
        return X
    X = X.copy(deep=False)
    X.isetitem(column, X.iloc[order, column].set_axis(X.index))
    return X


def _concatenated(tables):
    """Tables of the same columns, one below the other."""
    if hasattr(tables[0], "with_columns"):
        from polars import concat
    elif hasattr(tables[0], "iloc"):
        from pandas import concat
    else:
        from numpy import concatenate as concat
    return concat(tables)


def _label(scoring):
    """What the importances are, in words."""
    name = scoring if isinstance(scoring, str) else getattr(scoring, "__name__", "score")
    name = {"r2": "R2"}.get(name, name.replace("_", " "))
    what = f"rise of the {name[4:]}" if name.startswith("neg ") else f"fall of the {name}"
    return f"{what} if the column is shuffled"
