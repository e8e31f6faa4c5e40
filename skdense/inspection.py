"""Looking into models: what moved the prediction of a row, and dead units of networks.

Contributions need only the predictions of a fitted model on tables in which values come from other
rows. So it may be any estimator, and columns may have any type.
"""

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral
from typing import Any
from warnings import catch_warnings

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state, check_scalar, gen_batches
from sklearn.utils.validation import check_is_fitted

from skdense.core.formulas.layers import hidden_values
from skdense.final_step import beyond_steps
from skdense.fit.inputs import MatrixLike, table_of, validated
from skdense.fit.results import are_dead
from skdense.many import check_networks

__all__ = ["Contributions", "contributions", "dead_unit_masks"]

_BLOCK = 2**14
"""The most rows of a table that is predicted at once."""


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
    X : data frame or array-like of shape (n_samples, n_columns)
        The table from which samples are drawn, for instance the training data.
    rows : data frame or array-like of shape (n_rows, n_columns)
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
    background, explained = _as_table("X", X), _as_table("rows", rows)
    table = _below(background, explained)
    predict = _predictor(estimator, target, explained)
    random_state = check_random_state(random_state)
    samples = np.resize(random_state.permutation(len(background)), n_samples)
    n_columns = background.shape[1]
    order = np.argsort(random_state.uniform(size=(n_samples, n_columns)))
    # How many columns a sample takes from the row before this one, in an order and in its reverse.
    before = np.stack([order, n_columns - 1 - order])
    base = predict(_mixed(background, np.tile(samples[:, None], n_columns)))
    predictions = predict(explained)
    values, standard_errors = np.empty((2, len(explained), n_columns))
    for row, prediction in enumerate(predictions):
        path = np.empty((2, n_samples, n_columns + 1))  # predictions while a sample becomes the row
        path[..., 0], path[..., -1] = base, prediction
        for batch in gen_batches(n_samples, max(_BLOCK // (2 * n_columns), 1)):
            if n_columns > 1:
                taken = before[:, batch, None] < np.arange(1, n_columns)[:, None]
                origins = np.where(taken, len(background) + row, samples[batch, None, None])
                with catch_warnings(action="ignore", category=UserWarning):  # of values of one row
                    between = predict(_mixed(table, origins.reshape(-1, n_columns)))
                path[:, batch, 1:-1] = between.reshape(taken.shape[:-1])
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
        return np.concatenate([X, rows])
    types, types_of_rows = (
        dict(zip(getattr(t, "columns", ()), getattr(t, "dtypes", ()))) for t in (X, rows)
    )
    if type(X) is not type(rows) or [*types.items()] != [*types_of_rows.items()]:
        raise ValueError(
            f"rows must be a {type(X).__name__} with the columns and types of X, {types}, got "
            f"{types_of_rows}; rows[X.columns].astype(X.dtypes) of pandas converts them"
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


def _predictor(estimator: Any, target: Any, rows: Any) -> Callable:
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


# --- networks ----------------------------------------------------------------------------------------


def dead_unit_masks(estimator: BaseEstimator, X: MatrixLike) -> list[NDArray]:
    """Find the hidden units whose output is the same for every sample, up to rounding.

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
    check_networks([network], "fit", "predict")
    layers, parameters = network._layers_and_parameters()
    return [*map(are_dead, hidden_values(layers, parameters, validated(network, inputs, reset=False)))]
