"""What a user passes to fit, checked: parameters that go together, arrays and their weights."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from numbers import Integral, Real
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray
from scipy.sparse import issparse, sparray, spmatrix
from sklearn.exceptions import DataConversionWarning
from sklearn.utils import column_or_1d
from sklearn.utils.validation import validate_data

from skdense import compat
from skdense.core.formulas.optimizers import ANY_OPTIMIZER
from skdense.core.network import LBFGS

Estimator = Any
"""An estimator of this package, or a model that contains some."""
MatrixLike = ArrayLike | sparray | spmatrix
"""X as users pass it: what NumPy can convert, such as a DataFrame, or a sparse matrix."""


def shallow_copy(model: Estimator) -> Estimator:
    """An object of the same class with the same attributes.

    `copy.copy` would leave out what `__getstate__` leaves out of files.
    """
    copied = object.__new__(type(model))
    vars(copied).update(vars(model))
    return copied


class FitInput(NamedTuple):
    """The arguments of `fit` and `partial_fit`, as the user or an ensemble passed them.

    An ensemble, whose networks share X and y, adds a split: the rows to train on, and those of the fold
    on which early stopping validates. Labels are learned from y, which has all rows. `partial_fit` is
    `incremental`, and that of classifiers has `classes`.
    """

    X: Any
    y: Any
    sample_weight: Any = None
    X_val: Any = None
    y_val: Any = None
    sample_weight_val: Any = None
    classes: Any = None
    incremental: bool = False
    split: tuple[NDArray, NDArray] | None = None


_FEWEST_TO_COMPARE = 10
"""With fewer rows, most values may lie outside of the range of others by chance."""

_FOR_TABLES = "skdense.TabularClassifier and skdense.TabularRegressor accept"
_NAN_OF_OBJECTS = "Input contains NaN"
"""scikit-learn's error about objects, such as labels of which one is missing. X is of numbers."""
_NO_NUMBERS = "could not convert string", "float() argument must be", "The DType"
"""How NumPy's errors about strings, objects such as dates, and dates beside numbers begin."""


@contextmanager
def hinted() -> Iterator[None]:
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
    with hinted():
        return validate_data(estimator, X, y, accept_sparse="csr", **checks)


def check_parameters(
    estimator: Estimator, inputs: FitInput
) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """The widths and dropout rates of the hidden layers, () for no rates.

    Raises if parameters that are valid by themselves do not go together.
    """
    widths = hidden_sizes(estimator)
    rates = _dropout_rates(estimator.dropout, len(widths))
    if estimator.solver == LBFGS and (rates or inputs.X_val is not None):
        raise ValueError(
            f"solver='lbfgs' supports neither dropout nor X_val, got dropout={estimator.dropout}; use "
            f"{ANY_OPTIMIZER}, or dropout=0 and X_val=None"
        )
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
    """The dropout rates of the hidden layers as a tuple of floats; () without dropout."""
    rates = [rates] * n_hidden if isinstance(rates, Real) else list(rates)
    are_rates = all(isinstance(rate, Real) and 0 <= float(rate) < 1 for rate in rates)
    if not are_rates or len(rates) != n_hidden:
        raise ValueError(
            f"dropout must be a number in [0, 1), or one for each of the {n_hidden} hidden layers, got "
            f"{rates}"
        )
    return tuple(map(float, rates)) if any(rates) else ()


def check_samples(estimator: Estimator, inputs: FitInput, continues: bool) -> tuple:
    """X and y of `FitInput`, all rows of them, and the user's own X_val and y_val, or None for both.

    The number and the names of the features are set on the estimator, or, where training goes on,
    compared with the estimator's.
    """
    checks = {"dtype": float_dtypes(estimator), "reset": not continues}
    X, y = validated(estimator, inputs.X, inputs.y, multi_output=True, order="C", **checks)
    if continues and estimator.dtype is None:
        earlier_dtype = estimator.coefs_[0].dtype
        if earlier_dtype in (np.float32, np.float64):  # weights set by hand may have another dtype
            X = X.astype(earlier_dtype, copy=False)
    y = one_column(y)
    return X, y, *_check_validation_samples(estimator, inputs, X, y)


def _check_validation_samples(estimator: Estimator, inputs: FitInput, X: Any, y: Any) -> tuple:
    X_val, y_val = inputs.X_val, inputs.y_val
    if X_val is None and y_val is None and inputs.sample_weight_val is None:
        return None, None
    if X_val is None or y_val is None:
        raise ValueError("X_val and y_val must be passed together, with or without sample_weight_val")
    checks = {"dtype": X.dtype, "reset": False}
    try:
        X_val, y_val = validated(estimator, X_val, y_val, multi_output=True, order="C", **checks)
    except ValueError as error:
        raise ValueError(f"X_val and y_val cannot be used: {error}") from error
    y_val = one_column(y_val, "y_val")
    if y_val.shape[1:] != y.shape[1:]:
        raise ValueError(f"y_val must have the columns of y, got shape {y_val.shape} and {y.shape}")
    _warn_if_not_transformed(X, X_val)
    return X_val, y_val


def float_dtypes(estimator: Estimator) -> DTypeLike | tuple[DTypeLike, ...]:
    """The dtypes that X may have: the estimator's, or both floats if it has none."""
    return (np.float64, np.float32) if estimator.dtype is None else np.dtype(estimator.dtype)


def one_column(y: Any, name: str = "y") -> Any:
    """Return y, as one dimension if it has one column."""
    if y.ndim == 1 or y.shape[1] > 1:
        return y
    compat.warn_at_caller(
        f"A column-vector {name} was passed when a 1d array was expected. Please change the shape of "
        f"{name} to (n_samples, ), for example using ravel().",
        DataConversionWarning,
    )
    return column_or_1d(y)


def _warn_if_not_transformed(X: Any, X_val: Any) -> None:
    """Warn if most values of X_val lie outside of the range that their feature has in X."""
    # Most values of sparse features are zeros, which are zeros in scaled ones, too.
    if issparse(X) or issparse(X_val) or min(len(X), len(X_val)) < _FEWEST_TO_COMPARE:
        return
    inside = np.mean((X_val >= X.min(axis=0)) & (X_val <= X.max(axis=0)))
    if inside < 0.5:
        compat.warn_at_caller(
            f"{1 - inside:.0%} of the values of X_val are outside the range of their feature in X. In "
            "a Pipeline that transforms X, X_val is only transformed with Pipeline(..., "
            "transform_input=['X_val'])."
        )


# --- weights -----------------------------------------------------------------------------------------


def check_weights(
    estimator: Estimator, inputs: FitInput, classes: NDArray | None, y: Any, y_val: Any
) -> tuple[NDArray | None, NDArray | None]:
    """The weights of the samples of y and of y_val, None for equal ones.

    They are `sample_weight` and `sample_weight_val`, times class weights.
    """
    weights, weights_val = (
        None if weight is None else compat.check_sample_weight(weight, target, ensure_non_negative=True)
        for weight, target in ((inputs.sample_weight, y), (inputs.sample_weight_val, y_val))
    )
    class_weight = getattr(estimator, "class_weight", None)
    if class_weight is None or classes is None:
        return weights, weights_val
    rows = slice(None) if inputs.split is None else inputs.split[0]
    counted = y[rows], None if weights is None else weights[rows]
    if y_val is not None:
        weights_val = times_class_weight(weights_val, y_val, class_weight, classes, counted)
    return times_class_weight(weights, y, class_weight, classes, counted), weights_val


def times_class_weight(
    weights: NDArray | None,
    y: Any,
    class_weight: Mapping | Literal["balanced"],
    classes: NDArray,
    counted: tuple | None = None,
) -> NDArray:
    """The weights of the samples of y, None for ones, times the weights of their classes.

    "balanced" counts the samples of another y, which `counted` has with their weights: all classes that
    occur there get the same weight in sum, others 0. The class weight of a multilabel sample is the
    product of a weight for each label, which depends on whether the sample has the label.
    """
    by_class = None if isinstance(class_weight, str) else class_weight
    if by_class is not None and y.ndim == 2:
        raise ValueError("class_weight must be None or 'balanced' for multilabel y, got a dict")
    if unknown := [label for label in by_class or () if label not in classes]:
        raise ValueError(
            f"class_weight has weights for unknown classes {unknown}; the classes are {classes}"
        )
    labels = np.arange(2) if y.ndim == 2 else classes
    counted_y, counted_weights = counted or (y, weights)
    product: Any = compat.check_sample_weight(weights, y)
    try:
        for column, counted_column in zip(_columns(y), _columns(counted_y), strict=True):
            if by_class is None:
                label_of = np.searchsorted(labels, counted_column)
                counts = np.bincount(label_of, counted_weights, minlength=len(labels))
                divisors = np.where(counts > 0, np.count_nonzero(counts) * counts, np.inf)
                factors = counts.sum() / divisors
            else:
                factors = np.array([by_class.get(label, 1) for label in labels], dtype=float)
            product = product * factors[np.searchsorted(labels, column)]
        return compat.check_sample_weight(product, y, ensure_non_negative=True)
    except ValueError as error:
        raise ValueError(f"class_weight={class_weight!r} cannot be used: {error}") from error


def _columns(y: Any) -> NDArray:
    """The columns of an array or of a sparse matrix, as rows."""
    y = y.toarray() if issparse(y) else y
    return y.reshape(len(y), -1).T
