"""The loss by which a blend of regressors is judged: the one that its members minimize."""

from functools import partial

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
    loss, quantile = named.pop() if len(named) == 1 else ("squared_error", None)
    losses = {
        "absolute_error": mean_absolute_error,
        "poisson": mean_poisson_deviance,
        "quantile": partial(mean_pinball_loss, alpha=quantile),
    }
    return losses.get(loss, mean_squared_error)


def _ensembles(last):
    """The ensembles of a blend, or the ensemble itself."""
    if not hasattr(last, "estimators"):
        return [last]
    return [one for _, model in last.estimators for one in _ensembles(last_of(model))]


def _loss_of(ensemble):
    """A loss by the name that networks and scikit-learn's trees give it, and the quantile it is for."""
    parameters = last_of(ensemble.estimator).get_params(deep=False)
    loss = parameters.get("loss")
    return loss, parameters.get("quantile") if loss == "quantile" else None
