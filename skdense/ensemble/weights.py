"""The weights of a blend's models, and the loss of regressors by which they are found."""

from functools import partial

import numpy as np
from scipy.optimize import minimize
from scipy.special import huber
from sklearn.metrics import (
    mean_absolute_error,
    mean_pinball_loss,
    mean_poisson_deviance,
    mean_squared_error,
)

from skdense.ensemble.ends import last_of, transforms_y

_LEAST_WEIGHT = 0.001
"""A model of less weight than this is left out."""


def best_weights(loss, n_models, pull=0.0):
    """The weights that minimize a convex loss, none of them negative and their sum 1.

    The loss of weights grows by `pull` times their squared distance to equal ones.
    """
    equal = np.full(n_models, 1 / n_models)
    best = minimize(
        lambda weights: loss(weights) + pull * np.sum((weights - equal) ** 2),
        equal,
        method="SLSQP",
        bounds=[(0, 1)] * n_models,
        constraints={"type": "eq", "fun": lambda weights: weights.sum() - 1},
        options={"ftol": 1e-9},
    ).x
    best[best < _LEAST_WEIGHT] = 0
    return best / best.sum()


def common_loss(models):
    """The loss that the members of all models minimize; the squared error if there is no such loss.

    It takes y, predictions and `sample_weight`, of one output.
    """
    named = {loss for model in models for loss in _losses_of(model)}
    loss, parameters = named.pop() if len(named) == 1 else ("squared_error", ())
    return partial(_LOSSES.get(loss, mean_squared_error), **dict(parameters))


def _mean_huber_loss(y, predicted, sample_weight, delta, scaled):
    """The mean of Huber's loss; if `scaled`, errors are divided by the standard deviation of y."""
    mean = np.average(y, weights=sample_weight)
    variance = np.average((y - mean) ** 2, weights=sample_weight)
    scale = np.sqrt(variance) if scaled and variance > 0 else 1
    return np.average(huber(delta, (y - predicted) / scale), weights=sample_weight)


_LOSSES = {
    "absolute_error": mean_absolute_error,
    "huber": _mean_huber_loss,
    "poisson": mean_poisson_deviance,
    "quantile": mean_pinball_loss,
}


def _losses_of(model):
    """The losses of the ensembles in a blend, or of the ensemble at a model's end."""
    last = last_of(model)
    if hasattr(last, "estimators"):
        losses = [loss for one in last.estimators_ for loss in _losses_of(one)]
    else:
        losses = [_loss_of(last)]
    return [_valid_for_y(loss, model) for loss in losses]


def _loss_of(ensemble):
    """The name of the loss, which networks and scikit-learn's trees share, and its parameters."""
    given = last_of(ensemble.estimator).get_params(deep=False)
    loss, parameters = given.get("loss"), {}
    if loss == "quantile":  # GradientBoostingRegressor calls it alpha
        parameters = {"alpha": given.get("quantile", given.get("alpha"))}
    elif loss == "huber" and "delta" in given:
        parameters = {"delta": given["delta"], "scaled": ensemble.scale_y}
    elif loss == "huber":  # GradientBoostingRegressor finds its delta anew in each iteration
        loss = "squared_error"
    return _valid_for_y((loss, tuple(parameters.items())), ensemble.estimator)


def _valid_for_y(loss, model):
    """The loss, but the squared error in the place of a Poisson deviance if y was transformed.

    y itself may be negative.
    """
    return ("squared_error", ()) if loss[0] == "poisson" and transforms_y(model) else loss
