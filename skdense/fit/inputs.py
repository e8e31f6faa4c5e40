"""What a user passes to fit, checked: parameters that go together, arrays and their weights."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from numbers import Integral, Real
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray
from scipy.sparse import issparse, sparray, spmatrix
from sklearn.exceptions import DataConversionWarning
from sklearn.utils import column_or_1d
from sklearn.utils.validation import validate_data

from skdense.compat import check_sample_weight
from skdense.core.formulas.optimizers import ANY_OPTIMIZER
from skdense.core.network import Data
from skdense.core.numbers import LBFGS
from skdense.fit.callers import warn_at_caller

Estimator = Any
"""An estimator of this package, or a model that contains some."""
MatrixLike = ArrayLike | sparray | spmatrix
"""X as users pass it: what NumPy can convert, such as a DataFrame, or a sparse matrix."""


class FitInput(NamedTuple):
    """The arguments of `fit` and `partial_fit`, as the user passed them.

    An ensemble, whose networks share one X, also says which rows to train on and which rows to validate
    on for early stopping. None means all rows, and a split of the network's own.
    """

    X: Any
    y: Any
    sample_weight: Any = None
    X_val: Any = None
    y_val: Any = None
    sample_weight_val: Any = None
    classes: Any = None
    incremental: bool = False
    rows: NDArray | None = None
    validation_rows: NDArray | None = None


_FEWEST_TO_COMPARE = 10
"""With fewer rows, most values may lie outside of the range of others by chance."""

_FOR_TABLES = "skdense.make_tabular_classifier and skdense.make_tabular_regressor accept"
_NAN_OF_OBJECTS = "Input contains NaN"
"""scikit-learn's error about objects, such as labels of which one is missing. X is of numbers."""
_NO_NUMBERS = "could not convert string", "float() argument must be", "The DType"
"""How NumPy's errors about strings, objects such as dates, and dates beside numbers begin."""


@contextmanager
def explained() -> Iterator[None]:
    """Errors of scikit-learn about NaN, strings and dates also name what accepts them."""
    try:
        yield
    except (ValueError, TypeError) as error:
        message = str(error)
        before, nan, after = message.partition("contains NaN.\n")
        if message == _NAN_OF_OBJECTS:
            message = "Input y contains NaN"
        elif nan:
            message = f"{before}{nan}{_FOR_TABLES} missing values, as they impute them.\n{after}"
        elif message.startswith(_NO_NUMBERS):
            message = (
                f"{message}\nNetworks need numbers. {_FOR_TABLES} columns of any type: strings, "
                "categories, dates and missing values."
            )
        else:
            raise
        raise type(error)(message) from None


def validated(estimator: Estimator, X: Any, y: Any = "no_validation", **checks: Any) -> Any:
    """What `validate_data` returns."""
    with explained():
        return validate_data(estimator, X, y, accept_sparse="csr", **checks)


def check_parameters(
    estimator: Estimator, inputs: FitInput
) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """The widths and dropout rates of the hidden layers.

    Raises if parameters that are valid by themselves do not go together.
    """
    widths = hidden_sizes(estimator)
    rates = _dropout_rates(estimator.dropout, len(widths))
    if estimator.solver == LBFGS and any(rates):
        raise ValueError(
            f"solver='lbfgs' does not support dropout, got dropout={estimator.dropout}; use "
            f"{ANY_OPTIMIZER}, or dropout=0"
        )
    if estimator.solver == LBFGS and inputs.X_val is not None:
        raise ValueError(f"solver='lbfgs' does not support X_val; use {ANY_OPTIMIZER}, or X_val=None")
    if inputs.incremental and estimator.n_init > 1:
        raise ValueError(f"partial_fit supports only n_init=1, got n_init={estimator.n_init}; use fit")
    if inputs.incremental and estimator.early_stopping:
        raise ValueError(
            "partial_fit does not support early_stopping=True; use fit, or early_stopping=False"
        )
    smoothing = getattr(estimator, "label_smoothing", 0)
    if smoothing and estimator.loss != "log_loss":
        raise ValueError(
            f"label_smoothing needs loss='log_loss', got label_smoothing={smoothing} with "
            f"loss={estimator.loss!r}; use label_smoothing=0"
        )
    return widths, rates


def hidden_sizes(estimator: Estimator) -> tuple[int, ...]:
    """The widths of the hidden layers as a tuple of ints."""
    sizes = estimator.hidden_layer_sizes
    sizes = list(sizes) if np.iterable(sizes) else [sizes]
    are_ints = all(isinstance(size, Integral) and not isinstance(size, bool) for size in sizes)
    if not are_ints or not all(size > 0 for size in sizes):
        raise ValueError(
            f"hidden_layer_sizes must be {'> 0' if are_ints else 'ints'}, got {sizes}: give each "
            "hidden layer a positive int, as in (100,) or (64, 64), or () for no hidden layer"
        )
    return tuple(int(size) for size in sizes)


def _dropout_rates(rates: Any, n_hidden: int) -> tuple[float, ...]:
    """The dropout rates of the hidden layers as a tuple of floats."""
    if isinstance(rates, Real):
        return (float(rates),) * n_hidden
    rates = list(rates)
    if not all(isinstance(rate, Real) and 0 <= float(rate) < 1 for rate in rates):
        raise ValueError(f"dropout rates must be at least 0 and less than 1, got {rates}")
    if len(rates) != n_hidden:
        raise ValueError(
            f"dropout must be a number, or have one for each of the {n_hidden} hidden layers, got "
            f"{len(rates)}: {rates}"
        )
    return tuple(map(float, rates))


def check_inputs(estimator: Estimator, inputs: FitInput, continues: bool) -> tuple[Data, Data | None]:
    """The samples to train on, and the user's own to validate on, if there are any; y is not encoded.

    The number and the names of the features are set on the estimator, or, where training goes on,
    compared with the estimator's.
    """
    checks: dict[str, Any] = {"multi_output": True, "order": "C"}
    checks |= {"dtype": float_dtypes(estimator), "reset": not continues}
    X, y = validated(estimator, inputs.X, inputs.y, **checks)
    if continues and estimator.dtype is None:
        X = X.astype(estimator.coefs_[0].dtype, copy=False)
    y = one_column(y)
    weights = _check_weights(inputs.sample_weight, X, "sample_weight", inputs.rows)
    data = Data(X, y, weights, inputs.rows)
    X_val, y_val = inputs.X_val, inputs.y_val
    if X_val is None and y_val is None:
        if inputs.sample_weight_val is not None:
            raise ValueError("sample_weight_val is provided, but X_val and y_val were not provided.")
        return data, None
    if y_val is None:
        raise ValueError("X_val is provided, but y_val was not provided.")
    if X_val is None:
        raise ValueError("y_val is provided, but X_val was not provided.")
    checks |= {"dtype": X.dtype, "reset": False}
    try:
        X_val, y_val = validated(estimator, X_val, y_val, **checks)
    except ValueError as error:
        raise ValueError(f"X_val and y_val cannot be used: {error}") from error
    y_val = one_column(y_val, "y_val")
    if y_val.shape[1:] != y.shape[1:]:
        raise ValueError(f"y_val must have the columns of y, got shape {y_val.shape} and {y.shape}")
    _warn_if_not_transformed(X, X_val)
    weights = _check_weights(inputs.sample_weight_val, X_val, "sample_weight_val")
    return data, Data(X_val, y_val, weights)


def float_dtypes(estimator: Estimator) -> DTypeLike | tuple[DTypeLike, ...]:
    """The dtypes that X may have: the estimator's, or both floats if it has none."""
    return (np.float64, np.float32) if estimator.dtype is None else np.dtype(estimator.dtype)


def one_column(y: Any, name: str = "y") -> Any:
    """Return y, as one dimension if it has one column."""
    if y.ndim == 1 or y.shape[1] > 1:
        return y
    warn_at_caller(
        f"A column-vector {name} was passed when a 1d array was expected. Please change the shape of "
        f"{name} to (n_samples, ), for example using ravel().",
        DataConversionWarning,
    )
    return column_or_1d(y)


def _warn_if_not_transformed(X: Any, X_val: Any) -> None:
    """Warn if most values of X_val lie outside of the range that their feature has in X."""
    if issparse(X) or issparse(X_val):
        return  # most values are zeros, which are zeros in scaled sparse features, too
    if min(len(X), len(X_val)) < _FEWEST_TO_COMPARE:
        return
    inside = np.mean((X_val >= X.min(axis=0)) & (X_val <= X.max(axis=0)))
    if inside < 0.5:
        warn_at_caller(
            f"{1 - inside:.0%} of the values of X_val lie outside of the range that their feature has "
            "in X. If this is a step of a Pipeline that transforms X, X_val is not transformed unless "
            "it is named: Pipeline(..., transform_input=['X_val'])."
        )


def _check_weights(weights: Any, X: Any, name: str, rows: NDArray | None = None) -> NDArray | None:
    if weights is None:
        return None
    weights = check_sample_weight(weights, X, ensure_non_negative=True)
    check_any_weight(weights, name, rows)
    return weights


def check_any_weight(weights: NDArray, name: str, rows: NDArray | None = None) -> None:
    """Raise if all weights are zero; of the weights in `rows` if given."""
    if not (weights if rows is None else weights[rows]).any():
        raise ValueError(f"{name} must have at least one positive weight, but all weights are zero")


# --- class weights -----------------------------------------------------------------------------------


ClassWeight = Mapping | Literal["balanced"]


def times_class_weights(
    data: Data, validation: Data | None, class_weight: ClassWeight, classes: NDArray
) -> tuple[Data, Data | None]:
    """The samples to train on and to validate on, each with its weight times that of its class."""
    if not isinstance(class_weight, str):
        _check_class_weight(class_weight, data.targets, classes)
    factors, factors_val = _class_factors(data, validation, class_weight)

    def times(data: Data, factors: NDArray, name: str) -> Data:
        weights = factors if data.weights is None else factors * data.weights
        check_any_weight(weights, f"class_weight and {name}", data.rows)
        return replace(data, weights=weights)

    if validation is not None:
        validation = times(validation, factors_val, "sample_weight_val")
    return times(data, factors, "sample_weight"), validation


def _check_class_weight(class_weight: Mapping, y: NDArray, classes: NDArray) -> None:
    if y.ndim == 2:
        raise ValueError("class_weight must be None or 'balanced' for multilabel y, got a dict")
    unknown = [label for label in class_weight if label not in classes]
    if unknown:
        raise ValueError(
            f"class_weight has weights for unknown classes {unknown}; the classes are {classes}"
        )
    for label, weight in class_weight.items():
        if not (isinstance(weight, Real) and 0 <= float(weight) < np.inf):
            raise ValueError(
                f"class_weight must have finite weights of at least 0, got {weight!r} for class "
                f"{label!r}"
            )


def _dense(y: Any) -> NDArray:
    return y.toarray() if issparse(y) else y


def _class_factors(
    data: Data, validation: Data | None, class_weight: ClassWeight
) -> tuple[NDArray, NDArray]:
    """The class weight of each sample to train on, and of each to validate on.

    "balanced" counts only the rows to train on. The factor of a multilabel sample is the product
    of a weight for each label, which depends on whether the sample has the label.
    """
    y = _dense(data.targets)
    n_samples = len(y)
    rows = slice(n_samples) if data.rows is None else data.rows
    if validation is not None:
        y = np.concatenate((y, _dense(validation.targets)))
    columns = y.reshape(len(y), -1).T
    factors = np.ones(len(y))
    for column in columns:
        labels, label_of = np.unique(column, return_inverse=True)
        if isinstance(class_weight, str):
            counted = None if data.weights is None else data.weights[rows]
            counts = np.bincount(label_of[rows], counted, minlength=len(labels))
            # All labels that occur get the same weight in sum. A label with a count of 0 gets 0.
            divisors, by_label = np.count_nonzero(counts) * counts, np.zeros(len(counts))
            np.divide(counts.sum(), divisors, out=by_label, where=counts > 0)
        else:
            by_label = np.array([class_weight.get(label, 1.0) for label in labels])
        factors *= by_label[label_of]
    return factors[:n_samples], factors[n_samples:]
