"""Numbers as targets: the type of y that regressors have. Nothing here imports TensorFlow."""

import numpy as np
from scipy.sparse import issparse
from scipy.special import rel_entr

from skdense.core.formulas.activations import OUTPUT_ACTIVATIONS
from skdense.fit.targets import Targets


class Continuous(Targets):
    """Numbers to predict, in one column or several.

    Parameters
    ----------
    loss : str
    quantile : float
        What the loss of that name predicts.
    """

    losses = {
        "squared_error": ("identity", "half_squared_error"),
        "poisson": ("exp", "half_poisson_deviance"),
        "absolute_error": ("identity", "absolute_error"),
        "quantile": ("identity", "pinball"),
    }

    def __init__(self, loss, quantile):
        super().__init__(loss)
        self.hyper = {"quantile": quantile}

    def check(self, y, name):
        if issparse(y):
            raise TypeError(f"{name} must be dense, got a sparse matrix; use {name}.toarray()")
        if y.dtype.kind not in "biufO":
            raise ValueError(
                f"{name} must have numbers, got dtype {y.dtype}; to predict classes use "
                "LowLevelMLPClassifier"
            )
        try:
            y = _as_numbers(y)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{name} must have numbers: {error}") from error
        if self.out_activation == "exp" and (y < 0).any():
            raise ValueError(
                f"Some value(s) of {name} are out of the valid range of loss='poisson': must be at "
                f"least 0, got {y.min()}"
            )

    def encode(self, y):
        return _as_numbers(y).reshape(len(y), -1)

    def constant_loss(self, targets, weights):
        quantile = {"absolute_error": 0.5, "pinball": self.hyper["quantile"]}.get(self.loss)
        if quantile is not None:
            best = np.quantile(targets, quantile, axis=0, weights=weights, method="inverted_cdf")
            errors = targets - best
            losses = np.maximum(quantile * errors, (quantile - 1) * errors)
            if self.loss == "absolute_error":
                losses *= 2
        else:
            best = np.average(targets, axis=0, weights=weights)
            if self.out_activation == "exp":
                losses = rel_entr(targets, best)  # what else the deviance has is 0 on average
            else:
                losses = (targets - best) ** 2 / (2 * len(best))
        return np.average(losses.sum(axis=1), weights=weights)

    def decode(self, logits):
        predictions = OUTPUT_ACTIVATIONS[self.out_activation](logits)
        return predictions.ravel() if predictions.shape[1] == 1 else predictions


def _as_numbers(y):
    """The same y, with numbers for objects."""
    return y.astype(np.float64) if y.dtype.kind == "O" else y


def fitted_continuous(estimator):
    """The type of the numbers that an estimator was fitted to."""
    loss = "poisson" if estimator.out_activation_ == "exp" else "squared_error"
    return Continuous(loss, estimator.quantile)


def learn_continuous(estimator, y, goes_on):
    """The type of the numbers y, which has as many columns as before if training goes on."""
    target_type = Continuous(estimator.loss, estimator.quantile)
    target_type.check(y, "y")
    n_outputs = 1 if y.ndim == 1 else y.shape[1]
    if goes_on and n_outputs != estimator.n_outputs_:
        raise ValueError(
            f"y has {n_outputs} outputs, but training goes on from a network with "
            f"{estimator.n_outputs_}: give y the same columns, or set warm_start=False and call fit"
        )
    return target_type
