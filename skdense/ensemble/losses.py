"""The loss by which a blend of regressors is judged: the one that its members minimize."""

from functools import partial

import numpy as np
from scipy.special import huber
from sklearn.metrics import (
    mean_absolute_error,
    mean_pinball_loss,
    mean_poisson_deviance,
    mean_squared_error,
)

from skdense.ensemble.ends import last_of


def common_loss(models):
    """The loss that the members of all models minimize; the squared error if there is no such loss.

    It takes y, predictions and `sample_weight`, of one output.
    """
    named = {_loss_of(last) for model in models for last in _ensembles(last_of(model))}
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


def _ensembles(last):
    """The ensembles of a blend, or the ensemble itself."""
    if not hasattr(last, "estimators"):
        return [last]
    return [one for model in last.estimators_ for one in _ensembles(last_of(model))]


def _loss_of(ensemble):
    """The name of the loss, which networks and scikit-learn's trees share, and its parameters."""
    given = last_of(ensemble.estimator).get_params(deep=False)
    loss, parameters = given.get("loss"), {}
    if loss == "quantile":
        parameters = {"alpha": given["quantile"]}
    elif loss == "huber" and "delta" in given:
        parameters = {"delta": given["delta"], "scaled": ensemble.scale_y}
    elif loss == "huber":  # GradientBoostingRegressor finds its delta anew in each iteration
        loss = "squared_error"
    return loss, tuple(parameters.items())
