"""What the columns of a table are worth: for the score of a model, and for the prediction of a row.

Both need only the predictions of a fitted model on tables in which values come from other rows. So it
may be any estimator, and columns may have any type.
"""

from collections.abc import Sequence
from numbers import Integral
from typing import Any, NamedTuple, Self
from warnings import catch_warnings

import numpy as np
from numpy.random import RandomState
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, is_classifier
from sklearn.metrics import check_scoring
from sklearn.utils import check_array, check_random_state, check_scalar, gen_batches, resample
from sklearn.utils.validation import check_is_fitted

from skdense.fit.inputs import MatrixLike
from skdense.inspection.networks import axes_for

_BLOCK = 2**14
"""The most rows of a table that is predicted at once."""
_MOST_IMPORTANCES, _MOST_CONTRIBUTIONS = 30, 12
"""The most columns in a picture."""
_LONGEST = 24
"""The most characters of a value in a picture."""


class ColumnImportanceDisplay:
    """How much the score of a model falls when the values of one column are shuffled.

    This is permutation importance, as in :func:`sklearn.inspection.permutation_importance`, also for
    tables of polars. It tells how much the model makes use of each column of the table as it was given
    to `fit`, before categories and dates become numbers. Make it with :meth:`from_estimator`.

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
    ContributionsDisplay : How much each column moved the prediction of one row.
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
        max_samples: int = 1000,
        random_state: int | RandomState | None = None,
        ax: Any = None,
    ) -> Self:
        """Shuffle each column of a table and draw how much the score falls.

        Parameters
        ----------
        estimator : estimator
            A fitted classifier or regressor, such as that of :func:`skdense.make_tabular_classifier`.
        X : DataFrame of pandas or polars, or array-like, of shape (n_samples, n_columns)
            Samples that the model was not fitted to.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            What is to be predicted for them.
        scoring : str or scorer, default=None
            The score: a name that scikit-learn knows, such as "neg_log_loss", or what
            :func:`~sklearn.metrics.make_scorer` returns. None takes the accuracy of a classifier and
            the R2 of a regressor.
        n_repeats : int, default=5
            How many times each column is shuffled.
        max_samples : int, default=1000
            How many samples of X are used. If X has more, so many are drawn.
        random_state : int, RandomState instance or None, default=None
            Draws the samples and shuffles the columns.
        ax : matplotlib.axes.Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : ColumnImportanceDisplay
            The display, which has been plotted.
        """
        check_is_fitted(estimator)
        check_scalar(n_repeats, "n_repeats", Integral, min_val=1)
        check_scalar(max_samples, "max_samples", Integral, min_val=1)
        if scoring is None:
            scoring = "accuracy" if is_classifier(estimator) else "r2"
        elif not (isinstance(scoring, str) or callable(scoring)):
            raise ValueError(f"scoring must be the name of one score or a scorer, got {scoring!r}")
        random_state = check_random_state(random_state)
        X = _as_table("X", X)
        n_samples = min(max_samples, len(X))
        X, y = resample(X, y, replace=False, n_samples=n_samples, random_state=random_state)
        scorer = check_scoring(estimator, scoring)
        score = scorer(estimator, X, y)
        importances = np.empty((X.shape[1], n_repeats))
        rows = np.tile(np.arange(n_samples)[:, None], X.shape[1])
        for column, repeat in np.ndindex(importances.shape):
            shuffled = rows.copy()
            random_state.shuffle(shuffled[:, column])
            importances[column, repeat] = score - scorer(estimator, _mixed(X, shuffled), y)
        return cls(importances, _names(X), label=_label(scoring)).plot(ax)

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
        drawn = np.argsort(-means, kind="stable")[:_MOST_IMPORTANCES]
        self.ax_ = _axes_of_bars(self, ax, [self.names[column] for column in drawn])
        spread = self.importances[drawn].std(axis=1)
        self.bars_ = self.ax_.barh(np.arange(len(drawn)), means[drawn], xerr=spread, ecolor="gray")
        self.ax_.set_xlabel(self.label)
        self.figure_ = self.ax_.figure
        return self


class Contributions(NamedTuple):
    """How much each column moved the predictions of rows.

    Attributes
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
    ContributionsDisplay : Draws the contributions to the prediction of one row.

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
    predict, _ = _response(estimator, target, rows)
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
        for part in gen_batches(n_samples, max(_BLOCK // (2 * n_columns), 1)):
            if n_columns > 1:
                taken = before[:, part, None] < np.arange(1, n_columns)[:, None]
                sources = np.where(taken, len(X) + row, samples[part, None, None])
                with catch_warnings(action="ignore", category=UserWarning):  # of values of one row
                    between = predict(_mixed(table, sources.reshape(-1, n_columns)))
                path[:, part, 1:-1] = between.reshape(taken.shape[:-1])
        changes = np.take_along_axis(np.diff(path), before, axis=-1).mean(axis=0)
        values[row] = changes.mean(axis=0)
        standard_errors[row] = changes.std(axis=0, ddof=1) / np.sqrt(n_samples)
    return Contributions(values, standard_errors, float(base.mean()), predictions)


class ContributionsDisplay:
    """How much each column moved the prediction of one row from the mean prediction: a waterfall.

    The numbers are those of :func:`contributions`. Make it with :meth:`from_estimator`.

    Parameters
    ----------
    contributions : Contributions
        The contributions to the prediction of one row.
    names : list of str
        The names of the columns, with the values of the row.
    label : str, default=None
        What is predicted, for the axis.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        What was drawn on.
    figure_ : matplotlib.figure.Figure
        The figure of the axes.
    bars_ : matplotlib.container.BarContainer
        The bars, from the mean prediction at the bottom to the prediction of the row on top, with two
        standard errors in each direction as error bars. The column that moved the prediction most is on
        top. Of more than 12 columns, the sum of those that moved it least is one bar at the bottom.

    See Also
    --------
    contributions : The contributions to the predictions of many rows, as an array.
    ColumnImportanceDisplay : How much the score of a model depends on each column.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from sklearn.linear_model import LinearRegression
    >>> from skdense.inspection import ContributionsDisplay
    >>> X = pd.DataFrame({"age": np.arange(50.0), "noise": np.arange(50.0) % 7})
    >>> model = LinearRegression().fit(X, X.age)
    >>> display = ContributionsDisplay.from_estimator(model, X, X[:1], random_state=0)
    >>> [label.get_text() for label in display.ax_.get_yticklabels()]
    ['age = 0', 'noise = 0']
    """

    def __init__(self, contributions: Contributions, names: Sequence[str], *, label: str | None = None):
        self.contributions = contributions
        self.names = names
        self.label = label

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        X: MatrixLike,
        row: MatrixLike,
        *,
        target: Any = None,
        n_samples: int = 200,
        random_state: int | RandomState | None = None,
        ax: Any = None,
    ) -> Self:
        """Draw the contributions of the columns to the prediction of one row.

        Parameters
        ----------
        estimator : estimator
            A fitted model with `predict_proba` or `predict`, as for :func:`contributions`.
        X : DataFrame of pandas or polars, or array-like, of shape (n_samples, n_columns)
            The table from which samples are drawn, for instance the training data.
        row : DataFrame of pandas or polars, or array-like, of shape (1, n_columns)
            The row to explain, with the columns and types of X, such as ``X_test[:1]``.
        target : label or int, default=None
            The class whose probability is explained, or the index of one of several outputs. None takes
            the second of two classes, or the only output.
        n_samples : int, default=200
            How many samples of X the row is compared with.
        random_state : int, RandomState instance or None, default=None
            Draws the samples and the orders of the columns.
        ax : matplotlib.axes.Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : ContributionsDisplay
            The display, which has been plotted.
        """
        row = _as_table("row", row)
        if len(row) != 1:
            raise ValueError(f"row must be a table with one row, such as X[:1], got {len(row)} rows")
        explained = contributions(
            estimator, X, row, target=target, n_samples=n_samples, random_state=random_state
        )
        names = [
            f"{name} = {_as_text(value)}"
            for name, value in zip(_names(row), np.array(row, dtype=object)[0], strict=True)
        ]
        return cls(explained, names, label=_response(estimator, target, row)[1]).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw the waterfall.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : ContributionsDisplay
            The display itself.
        """
        (values,), (errors,), base, (prediction,) = self.contributions
        drawn = np.argsort(-abs(values), kind="stable")
        names, values, errors = [self.names[column] for column in drawn], values[drawn], errors[drawn]
        kept, n_other = _MOST_CONTRIBUTIONS, len(values) - _MOST_CONTRIBUTIONS
        if n_other > 0:
            names = [*names[:kept], f"{n_other} other columns"]
            values = np.append(values[:kept], values[kept:].sum())
            errors = np.append(errors[:kept], np.nan)
        starts = prediction - np.cumsum(values)
        self.ax_ = _axes_of_bars(self, ax, names)
        self.bars_ = self.ax_.barh(
            np.arange(len(values)), values, left=starts, xerr=2 * errors, ecolor="gray",
            color=np.where(values > 0, "tab:orange", "tab:blue"),
        )  # fmt: skip
        # At the right they cover neither names nor error bars.
        numbers = self.ax_.secondary_yaxis("right")
        numbers.set_yticks(np.arange(len(values)), [f"{value:+.3g}" for value in values])
        numbers.tick_params(length=0)
        for x in (base, prediction):
            self.ax_.axvline(x, color="gray", linestyle=":", zorder=0)
        self.ax_.set_xlabel(f"{self.label}\nmean {base:.4g}, this row {prediction:.4g}")
        self.ax_.use_sticky_edges = False
        self.figure_ = self.ax_.figure
        return self


def _as_table(name, X):
    """X as a DataFrame or a two-dimensional array, with at least one row."""
    if not hasattr(X, "columns"):
        X = X if hasattr(X, "shape") else np.array(X, dtype=object)
        return check_array(X, dtype=None, ensure_all_finite=False, input_name=name)
    if not len(X):
        raise ValueError(f"{name} must have at least one row")
    return X


def _names(X):
    return [str(name) for name in getattr(X, "columns", map("x{}".format, range(X.shape[1])))]


def _below(X, rows):
    """A table of X with the rows below."""
    if not (hasattr(X, "columns") or hasattr(rows, "columns")):
        return np.concatenate([X, rows])
    types, types_of_rows = ([*zip(_names(table), getattr(table, "dtypes", ()))] for table in (X, rows))
    if type(X) is not type(rows) or types != types_of_rows:
        differing = sorted({name for name, _ in {*types}.symmetric_difference(types_of_rows)})
        raise ValueError(
            f"rows must be a {type(X).__name__} with the columns and types of X, got others in "
            f"{differing}; rows[X.columns].astype(X.dtypes) of pandas converts them"
        )
    if hasattr(X, "vstack"):
        return X.vstack(rows)
    from pandas import concat

    return concat([X, rows])


def _mixed(table, sources):
    """A table whose column j has in row i the value of this table's row sources[i, j]."""
    if hasattr(table, "get_columns"):
        columns = zip(table.get_columns(), sources.T, strict=True)
        return type(table)([column.gather(rows) for column, rows in columns])
    if hasattr(table, "iloc"):
        columns = {j: table.iloc[:, j].array.take(rows) for j, rows in enumerate(sources.T)}
        return type(table)(columns).set_axis(table.columns, axis=1)
    return np.take_along_axis(table, sources, axis=0)


def _response(estimator, target, rows):
    """A function that predicts the numbers to explain, and what they are, in words."""
    is_probability = hasattr(estimator, "predict_proba")
    outputs_of = estimator.predict_proba if is_probability else estimator.predict
    outputs = outputs_of(rows)
    if isinstance(outputs, list) or np.asarray(outputs).dtype.kind not in "biuf":
        raise ValueError(
            "estimator must predict numbers, or probabilities of classes of a single output by "
            f"predict_proba, got {outputs[:1]!r}"
        )
    targets = [*range(np.size(outputs[0]))]
    if is_probability:
        targets = np.asarray(estimator.classes_).tolist()
    if target is None and len(targets) <= 1 + is_probability:
        target = targets[-1]
    if target not in targets:
        raise ValueError(f"target must be one of {targets}, got {target!r}")
    column = targets.index(target)

    def predict(table):
        return np.asarray(outputs_of(table), dtype=float).reshape(len(table), -1)[:, column]

    return predict, f"probability of {target}" if is_probability else "prediction"


def _label(scoring):
    """What the importances are, in words."""
    name = scoring if isinstance(scoring, str) else getattr(scoring, "__name__", "score")
    name = {"r2": "R2"}.get(name, name.replace("_", " "))
    what = f"rise in {name[4:]}" if name.startswith("neg ") else f"drop in {name}"
    return f"{what} when the column is shuffled"


def _as_text(value):
    text = f"{value:.4g}" if isinstance(value, float) else str(value).removesuffix(" 00:00:00")
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _axes_of_bars(display, ax, names):
    """Axes with room for horizontal bars of these names, from top to bottom."""
    size = {"figsize": (6.4, 1.2 + 0.28 * len(names)), "layout": "constrained"}
    ax = axes_for(ax, type(display).__name__, **size)
    ax.set_yticks(np.arange(len(names)), names, parse_math=False)
    ax.set_ylim(len(names) - 0.4, -0.6)
    return ax
