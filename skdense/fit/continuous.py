"""Numbers as targets: the type of y that regressors have. Nothing here imports TensorFlow."""

import numpy as np
from scipy.sparse import issparse

from skdense.core.formulas.activations import OUTPUT_ACTIVATIONS
from skdense.fit.targets import Targets, loss_of


class Continuous(Targets):
    """Numbers to predict, in one column or several."""

    type = "numbers"

    def check(self, y, name):
        y = as_numbers(y, name)
        lowest = self.record.lowest_target
        if (y < lowest).any():
            raise ValueError(
                f"Some value(s) of {name} are out of the valid range of loss={self.loss!r}: must be at "
                f"least {lowest}, got {y.min()}"
            )

    def encode(self, y):
        return as_numbers(y).reshape(len(y), -1)

    def decode(self, logits):
        predictions = OUTPUT_ACTIVATIONS[self.record.output](logits)
        return predictions.ravel() if predictions.shape[1] == 1 else predictions


def as_numbers(y, name="y"):
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


def fitted_continuous(estimator):
    """The targets that an estimator was fitted to.

    Predictions depend on the loss only by its output activation, so any loss that has this one serves.
    """
    return Continuous(loss_of(Continuous, estimator.out_activation_))


def learn_continuous(estimator, y, goes_on):
    """The targets for y, which must have as many columns as before if training goes on."""
    targets = Continuous(estimator.loss)
    targets.check(y, "y")
    n_outputs = 1 if y.ndim == 1 else y.shape[1]
    if goes_on and n_outputs != estimator.n_outputs_:
        raise ValueError(
            f"y has {n_outputs} outputs, but training continues from a network with "
            f"{estimator.n_outputs_}: give y the same columns, or set warm_start=False and call fit"
        )
    return targets
