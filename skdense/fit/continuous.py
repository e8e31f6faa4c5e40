"""The encoder of numbers, which are what regressors predict. Nothing here imports TensorFlow."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from skdense.core.formulas.activations import OUTPUT_ACTIVATIONS
from skdense.fit.encoder import Encoder, loss_with_output
from skdense.fit.validation import Estimator, FitInput


class Continuous(Encoder):
    """Numbers to predict, in one column or several."""

    target_type = "regression"

    def check(self, y: Any, name: str) -> None:
        y = as_numbers(y, name)
        lowest = self.loss.lowest_target
        if (y < lowest).any():
            raise ValueError(
                f"Some value(s) of {name} are out of the valid range of loss={self.loss_name!r}: must "
                f"be at least {lowest}, got {y.min()}"
            )

    def encode(self, y: Any) -> NDArray:
        return as_numbers(y).reshape(len(y), -1)

    def decode(self, logits: NDArray) -> NDArray:
        predictions = OUTPUT_ACTIVATIONS[self.loss.output](logits)
        return predictions.ravel() if predictions.shape[1] == 1 else predictions


def as_numbers(y: Any, name: str = "y") -> NDArray:
    """The numbers in y, which may be objects; an error calls it by `name`."""
    if issparse(y):
        raise TypeError(f"{name} must be dense, got a sparse matrix; use {name}.toarray()")
    if y.dtype.kind not in "biufO":
        raise ValueError(
            f"{name} must contain numbers, got dtype {y.dtype}; convert it, or use a classifier to "
            "predict classes"
        )
    try:
        return y.astype(np.float64) if y.dtype.kind == "O" else y
    except (OverflowError, TypeError, ValueError) as error:
        raise ValueError(f"{name} must contain numbers: {error}") from error


def fitted_continuous(estimator: Estimator) -> Continuous:
    """The encoder of a fitted estimator.

    Predictions depend on the loss only by its output activation, so any loss that has this one serves.
    """
    return Continuous(loss_with_output(Continuous, estimator.out_activation_))


def learn_continuous(estimator: Estimator, inputs: FitInput, continues: bool) -> Continuous:
    """The encoder of y, which must have as many columns as before if training continues."""
    y, encoder = inputs.y, Continuous(estimator.loss)
    encoder.check(y, "y")
    n_outputs = 1 if y.ndim == 1 else y.shape[1]
    if continues and n_outputs != estimator.n_outputs_:
        raise ValueError(
            f"y has {n_outputs} outputs, but training continues from a network with "
            f"{estimator.n_outputs_}: give y the same columns, or set warm_start=False and call fit"
        )
    return encoder
