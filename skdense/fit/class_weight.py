"""Class weights: factors on the weights of samples, by the labels that the samples have."""

from collections.abc import Mapping
from numbers import Real
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from scipy.sparse import vstack as sparse_vstack

from skdense.fit.validation import FitInput, check_any_weight

ClassWeight = Mapping | Literal["balanced"]


def times_class_weights(inputs: FitInput, class_weight: ClassWeight, classes: NDArray) -> FitInput:
    """The checked inputs with each sample's weight times its class's, for training and validation."""
    if not isinstance(class_weight, str):
        _check_class_weight(class_weight, inputs.y, classes)
    weights, weights_val = inputs.sample_weight, inputs.sample_weight_val
    factors, factors_val = _class_factors(inputs, class_weight)
    weights = factors if weights is None else factors * weights
    check_any_weight(weights, "class_weight and sample_weight", inputs.rows)
    if factors_val is not None:
        weights_val = factors_val if weights_val is None else factors_val * weights_val
        check_any_weight(weights_val, "class_weight and sample_weight_val")
    return inputs._replace(sample_weight=weights, sample_weight_val=weights_val)


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


def _class_factors(inputs: FitInput, class_weight: ClassWeight) -> tuple[NDArray, NDArray | None]:
    """The class weight of each sample of y, and of y_val or None.

    "balanced" counts only the rows of y to train on. The factor of a multilabel sample is the product
    of a weight for each label, which depends on whether the sample has the label.
    """
    y: Any = inputs.y
    y_val = inputs.y_val
    n_samples = y.shape[0]
    rows = slice(n_samples) if inputs.rows is None else inputs.rows
    if y_val is not None:
        y = sparse_vstack([y, y_val]) if issparse(y) else np.concatenate([y, y_val])
    columns = (y.toarray() if issparse(y) else y).reshape(y.shape[0], -1).T
    factors = np.ones(y.shape[0])
    for column in columns:
        labels, label_of = np.unique(column, return_inverse=True)
        if isinstance(class_weight, str):
            counted = None if inputs.sample_weight is None else inputs.sample_weight[rows]
            by_label = _balance(np.bincount(label_of[rows], counted, minlength=len(labels)))
        else:
            by_label = np.array([class_weight.get(label, 1.0) for label in labels])
        factors *= by_label[label_of]
    return factors[:n_samples], None if y_val is None else factors[n_samples:]


def _balance(counts: NDArray) -> NDArray:
    """The factors that give classes of these weighted counts equal weight; 0 for a count of 0."""
    balanced = np.zeros(len(counts))
    return np.divide(counts.sum(), np.count_nonzero(counts) * counts, out=balanced, where=counts > 0)
