"""Inspection of models: importance of columns, contributions to predictions, dead units of networks.

Contributions need only the predictions of a fitted model on tables with exchanged values, so they work
with any estimator and columns of any type.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from numbers import Integral
from typing import Any
from warnings import catch_warnings

import numpy as np
from numpy.random import RandomState
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, is_classifier
from sklearn.metrics import check_scoring, log_loss
from sklearn.utils import check_random_state, check_scalar, gen_batches
from sklearn.utils.validation import check_is_fitted

from skdense.base import is_network
from skdense.core.formulas.layers import hidden_values
from skdense.exceptions import UnlikeDataWarning
from skdense.final_step import beyond_steps
from skdense.fit.inputs import MatrixLike, validated
from skdense.fit.results import are_dead
from skdense.frames import table_of

__all__ = [
    "Contributions",
    "contributions",
    "dead_unit_masks",
    "feature_importance",
    "plot_importance",
]

_BLOCK = 2**14
"""The most rows of a table that is predicted at once."""


@dataclass(frozen=True)
class Contributions:
    """The contribution of each column to predictions.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_columns)
        The contribution of each column to the prediction of each row, in the unit of the prediction.
        ``base + values.sum(axis=1)`` are the predictions, up to rounding.
    standard_errors : ndarray of shape (n_rows, n_columns)
        The standard errors of the contributions, computed as for means over independent samples.
    base : float
        The mean prediction of the samples with which the rows are compared.
    predictions : ndarray of shape (n_rows,)
        The predictions of the rows.

    Examples
    --------
    >>> import numpy as np
    >>> from skdense.inspection import Contributions
    >>> explained = Contributions(np.array([[2.0, 1.0]]), np.zeros((1, 2)), 4.0, np.array([7.0]))
    >>> bool(explained.base + explained.values.sum() == explained.predictions[0])
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
    """Compute the contribution of each column to predictions, as Shapley values.

    These are sampled Shapley values [1]_, as in the package shap, for columns of any type. Together
    with the mean prediction, they sum to the prediction of a row. The values of a sample of X are
    replaced by the values of the row to explain, one column after the other, in a random order. The
    change of the prediction when the value of a column is replaced is the contribution of this column.
    Each sample is used twice, in a random order and in the reverse order [2]_; contributions are means
    over all samples.

    Parameters
    ----------
    estimator : estimator
        A fitted model. If it has `predict_proba`, the probability of a class is explained, otherwise
        the result of `predict`, which must be numeric.
    X : data frame or array-like of shape (n_samples, n_columns)
        The data from which samples are drawn, for instance the training data.
    rows : data frame or array-like of shape (n_rows, n_columns)
        The rows to explain, with the columns and types of X, such as ``X_test[:1]``.
    target : label or int, default=None
        The class whose probability is explained, or the index of one of several outputs. None selects
        the second of two classes, or the only output.
    n_samples : int, default=200
        The number of samples of X with which each row is compared. Each row needs ``2 * n_columns - 2``
        times as many predictions.
    random_state : int, RandomState instance or None, default=None
        Determines the samples and the orders.

    Returns
    -------
    contributions : Contributions
        The contributions, their standard errors, the mean prediction and the predictions of the rows.

    See Also
    --------
    feature_importance : How much the loss of a model depends on each column.

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
    background, explained = _as_table("X", X), _as_table("rows", rows)
    table = _below(background, explained)
    predict, predictions = _predictor(estimator, target, explained)
    random_state = check_random_state(random_state)
    samples = np.resize(random_state.permutation(len(background)), n_samples)
    n_columns = background.shape[1]
    order = np.argsort(random_state.uniform(size=(n_samples, n_columns)))
    # How many columns a sample takes from the row before this one, in an order and in its reverse.
    before = np.stack([order, n_columns - 1 - order])
    base = predict(_mixed(background, np.tile(samples[:, None], n_columns)))
    values, standard_errors = np.empty((2, len(explained), n_columns))
    for row, prediction in enumerate(predictions):
        path = np.empty((2, n_samples, n_columns + 1))  # predictions while a sample becomes the row
        path[..., 0], path[..., -1] = base, prediction
        for batch in gen_batches(n_samples, max(_BLOCK // (2 * n_columns), 1)):
            if n_columns > 1:
                is_from_row = before[:, batch, None] < np.arange(1, n_columns)[:, None]
                origins = np.where(is_from_row, len(background) + row, samples[batch, None, None])
                with catch_warnings(action="ignore", category=UserWarning):  # of values of one row
                    between = predict(_mixed(table, origins.reshape(-1, n_columns)))
                path[:, batch, 1:-1] = between.reshape(is_from_row.shape[:-1])
        changes = np.take_along_axis(np.diff(path), before, axis=-1).mean(axis=0)
        values[row] = changes.mean(axis=0)
        standard_errors[row] = changes.std(axis=0, ddof=1) / np.sqrt(n_samples)
    return Contributions(values, standard_errors, float(base.mean()), predictions)


def _as_table(name: str, X: Any) -> Any:
    """X as a DataFrame or a two-dimensional array, with at least one row."""
    X = table_of(X, input_name=name)
    if not len(X):
        raise ValueError(f"{name} must have at least one row")
    return X


def _below(X: Any, rows: Any) -> Any:
    """A table of X with the rows below."""
    if isinstance(X, np.ndarray) and isinstance(rows, np.ndarray):
        if X.shape[1] != rows.shape[1]:
            raise ValueError(f"rows must have the {X.shape[1]} columns of X, got {rows.shape[1]}")
        return np.concatenate([X, rows])
    X_types, row_types = (
        dict(zip(getattr(t, "columns", ()), getattr(t, "dtypes", ()))) for t in (X, rows)
    )
    if type(X) is not type(rows) or [*X_types.items()] != [*row_types.items()]:
        raise ValueError(
            f"rows must be a {type(X).__name__} with the columns and types of X, {X_types}, got "
            f"{row_types}; rows[X.columns].astype(X.dtypes) of pandas converts them"
        )
    frames: Any = [X, rows]
    if hasattr(X, "vstack"):
        return frames[0].vstack(rows)
    from pandas import concat

    return concat(frames)


def _mixed(table: Any, origins: NDArray) -> Any:
    """A table whose column j has in row i the value of this table's row origins[i, j]."""
    if hasattr(table, "get_columns"):
        return type(table)(
            [column.gather(rows) for column, rows in zip(table.get_columns(), origins.T)]
        )
    if hasattr(table, "iloc"):
        columns = {j: table.iloc[:, j].array.take(rows) for j, rows in enumerate(origins.T)}
        return type(table)(columns).set_axis(table.columns, axis=1)
    return np.take_along_axis(table, origins, axis=0)


def _predictor(estimator: Any, target: Any, rows: Any) -> tuple[Callable, NDArray]:
    """A function that returns the predictions to explain, and those of the rows."""
    is_probability = hasattr(estimator, "predict_proba")
    predict_outputs = estimator.predict_proba if is_probability else estimator.predict
    outputs = predict_outputs(rows)
    if isinstance(outputs, list) or np.asarray(outputs).dtype.kind not in "biuf":
        raise ValueError(
            "estimator must have numeric predictions, or predict_proba for a single output, got "
            f"{outputs[:1]!r}"
        )
    targets = np.asarray(estimator.classes_ if is_probability else range(np.size(outputs[0]))).tolist()
    if target is None and len(targets) <= 1 + is_probability:
        target = targets[-1]
    if target not in targets:
        raise ValueError(f"target must be one of {targets}, got {target!r}")
    column = targets.index(target)

    def target_of(outputs):
        return np.asarray(outputs, dtype=float).reshape(len(outputs), -1)[:, column]

    return lambda table: target_of(predict_outputs(table)), target_of(outputs)


# --- importance of columns ---------------------------------------------------------------------------


def feature_importance(
    estimator: BaseEstimator,
    X: MatrixLike,
    y: ArrayLike,
    *,
    scoring: str | Callable | None = None,
    n_repeats: int = 5,
    sample_weight: ArrayLike | None = None,
    random_state: int | RandomState | None = None,
) -> Any:
    """Compute how much the loss of a model increases when the values of one column are permuted.

    This is permutation importance [1]_. With the same `random_state`, the values are the same as those
    of :func:`sklearn.inspection.permutation_importance`. This function accepts data frames of any
    library, returns the names of the columns, and does not warn about permuted rows that differ from
    the training data.

    Use rows that the model was not fitted to. On the training rows, a column may seem important only
    because the model has overfitted to it. If two columns are strongly correlated, permuting one of
    them changes little, so both may seem unimportant.

    Parameters
    ----------
    estimator : estimator
        A fitted model.
    X : data frame or array-like of shape (n_samples, n_columns)
        Rows that the model was not fitted to.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Their true values.
    scoring : str, callable or None, default=None
        The score of scikit-learn whose decrease is measured. None means "neg_log_loss" for classifiers
        and "neg_root_mean_squared_error" for regressors, so the increase of the log-loss or of the root
        mean squared error is measured. The log-loss of multilabel problems is the sum over the labels.
    n_repeats : int, default=5
        How often each column is permuted.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the samples in the score.
    random_state : int, RandomState instance or None, default=None
        Draws the permutations.

    Returns
    -------
    importance : pandas.DataFrame of shape (n_columns, 2)
        One row for each column of X, the most important first. `importance` is the mean increase of the
        loss, and `std` is the standard deviation over the permutations.

    See Also
    --------
    plot_importance : Draw the result.
    contributions : The contribution of each column to the prediction of a row.

    References
    ----------
    .. [1] Breiman (2001), "Random Forests", Machine Learning 45, section 10.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn.linear_model import LinearRegression
    >>> from skdense.inspection import feature_importance
    >>> X = pd.DataFrame({"size": [1.0, 2.0, 3.0, 4.0], "age": [5.0, 2.0, 2.0, 1.0]})
    >>> model = LinearRegression().fit(X, 10 * X["size"])
    >>> importance = feature_importance(model, X, 10 * X["size"], random_state=0)
    >>> importance.round(1)
          importance  std
    size        10.7  9.3
    age          0.0  0.0
    """
    from pandas import DataFrame

    check_is_fitted(estimator)
    check_scalar(n_repeats, "n_repeats", Integral, min_val=1)
    table = _as_table("X", X)
    if scoring is None and not is_classifier(estimator):
        scoring = "neg_root_mean_squared_error"
    elif scoring is None:
        if not hasattr(estimator, "predict_proba"):
            raise TypeError(
                "scoring=None needs a classifier that has predict_proba; set a scoring such as "
                f"'accuracy' for {estimator!r}"
            )
        scoring = _negative_log_loss
    elif not (isinstance(scoring, str) or callable(scoring)):
        raise ValueError(f"scoring must be a str, a callable or None, for one score, got {scoring!r}")
    scorer: Any = check_scoring(estimator, scoring=scoring)
    weights = {} if sample_weight is None else {"sample_weight": sample_weight}
    # As in scikit-learn, all columns have the same permutations.
    seed = check_random_state(random_state).randint(np.iinfo(np.int32).max + 1)
    generator, shuffled = np.random.RandomState(seed), np.arange(len(table))
    order, permutations = np.arange(len(table)), []
    for _ in range(n_repeats):
        generator.shuffle(shuffled)
        order = order[shuffled]
        permutations.append(order)
    with catch_warnings(action="ignore", category=UnlikeDataWarning):
        score = scorer(estimator, table, y, **weights)
        increases = [
            [
                score - scorer(estimator, _with_rows_of(table, column, order), y, **weights)
                for order in permutations
            ]
            for column in range(table.shape[1])
        ]
    names = getattr(table, "columns", [f"x{column}" for column in range(table.shape[1])])
    facts = {"importance": np.mean(increases, axis=1), "std": np.std(increases, axis=1)}
    importance = DataFrame(facts, index=[*names])
    return importance.sort_values("importance", ascending=False, kind="stable")


def _negative_log_loss(estimator: Any, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> float:
    """The score "neg_log_loss", also for rows in which some classes do not occur, and for multilabel y.

    scikit-learn's score takes the columns of a multilabel y for the classes of one label.
    """
    proba = estimator.predict_proba(X)
    columns = y.toarray() if issparse(y) else np.asarray(y)
    if columns.ndim == 1 or columns.shape[1] == 1:
        return -log_loss(y, proba, labels=estimator.classes_, sample_weight=sample_weight)
    if isinstance(proba, list):  # forests have an array for each label
        proba = np.column_stack([proba_of_label[:, -1] for proba_of_label in proba])
    pairs = zip(columns.T, proba.T, strict=True)
    return -sum(log_loss(*pair, labels=[0, 1], sample_weight=sample_weight) for pair in pairs)


def _with_rows_of(table: Any, column: int, order: NDArray) -> Any:
    """A table in which one column has its rows in another order."""
    if hasattr(table, "iloc"):
        changed = table.copy(deep=False)
        changed.isetitem(column, table.iloc[:, column].array.take(order))
        return changed
    if hasattr(table, "get_columns"):
        return table.with_columns(table.to_series(column).gather(order))
    changed = table.copy()
    changed[:, column] = table[order, column]
    return changed


def plot_importance(importance: Any, *, max_columns: int = 20, ax: Any = None) -> Any:
    """Draw the importance of columns as bars, with their standard deviations.

    Parameters
    ----------
    importance : pandas.DataFrame
        The result of :func:`feature_importance`.
    max_columns : int, default=20
        The maximum number of columns to draw; the most important ones are drawn.
    ax : matplotlib.axes.Axes, default=None
        The axes to draw on. None creates a new figure.

    Returns
    -------
    ax : matplotlib.axes.Axes
        The axes, the most important column at the top.

    Raises
    ------
    ImportError
        Without matplotlib.
    TypeError
        If `importance` is not a result of :func:`feature_importance`.

    Examples
    --------
    >>> import pandas as pd
    >>> from skdense.inspection import plot_importance
    >>> importance = pd.DataFrame({"importance": [0.4, 0.1], "std": [0.02, 0.03]}, ["calls", "plan"])
    >>> ax = plot_importance(importance)
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['plan', 'calls']
    """
    check_scalar(max_columns, "max_columns", Integral, min_val=1)
    if not {"importance", "std"} <= {*getattr(importance, "columns", ())}:
        raise TypeError(
            "importance must be the data frame that feature_importance(model, X, y) returns, got "
            f"{type(importance).__name__}"
        )
    if ax is None:
        _, ax = import_module("matplotlib.pyplot").subplots(layout="constrained")
    drawn = importance.sort_values("importance", ascending=False, kind="stable")[:max_columns][::-1]
    ax.barh([str(name) for name in drawn.index], drawn["importance"], xerr=drawn["std"], capsize=3)
    ax.set_xlabel("increase of the loss when the column is permuted")
    return ax


# --- networks ----------------------------------------------------------------------------------------


def dead_unit_masks(estimator: BaseEstimator, X: MatrixLike) -> list[NDArray]:
    """Find hidden units with the same output for every sample, up to rounding.

    Such a unit carries no information about the sample. With ``activation="relu"`` its output is
    usually 0 for all samples; then no gradient reaches the unit, so it stays dead.

    Parameters
    ----------
    estimator : LowLevelMLPClassifier, LowLevelMLPRegressor or Pipeline
        A fitted estimator, or a fitted Pipeline whose last step is one.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        The samples.

    Returns
    -------
    dead : list of ndarray of bool of shape (width,)
        One array for each hidden layer.

    Examples
    --------
    >>> from skdense import LowLevelMLPClassifier
    >>> from skdense.datasets import make_two_clouds
    >>> from skdense.inspection import dead_unit_masks
    >>> X, y = make_two_clouds(random_state=0)
    >>> clf = LowLevelMLPClassifier((50, 20), max_iter=20, tol=0.1, random_state=0).fit(X, y)
    >>> [f"{dead.sum()} of {len(dead)}" for dead in dead_unit_masks(clf, X)]
    ['0 of 50', '3 of 20']
    """
    check_is_fitted(estimator)
    network, inputs = beyond_steps(estimator, X)
    if not is_network(network, "fit", "predict"):
        raise TypeError(
            "estimator must be a LowLevelMLPClassifier or LowLevelMLPRegressor that does not override "
            f"fit or predict, or a Pipeline that ends with one, got {network!r}"
        )
    layers, parameters = network._layers_and_parameters()
    return [*map(are_dead, hidden_values(layers, parameters, validated(network, inputs, reset=False)))]
