"""Models that end with a network: which network it is, and what its `fit` is given within the model."""

from copy import copy

from sklearn.base import BaseEstimator
from sklearn.compose import TransformedTargetRegressor
from sklearn.pipeline import Pipeline

from skdense.base import BaseLowLevelMLP
from skdense.fit.inputs import FitInput


def network_of(model):
    """The network of a model, and the prefix that its parameters have in the model.

    A TypeError is raised for a model that does not end with a network.
    """
    last, prefix = model, ""
    while not isinstance(last, BaseLowLevelMLP):
        if isinstance(last, Pipeline) and last.steps:
            name, last = last.steps[-1]
        elif isinstance(last, TransformedTargetRegressor):
            name, last = "regressor", last.regressor
        else:
            raise TypeError(
                "estimator must be a LowLevelMLPClassifier or LowLevelMLPRegressor, or a Pipeline or "
                f"TransformedTargetRegressor that ends with one, got {model!r}; for other estimators "
                "use scikit-learn's HalvingRandomSearchCV or RandomizedSearchCV"
            )
        prefix += f"{name}__"
    return last, prefix


def with_network(model, network):
    """A copy of a model that has another network and shares all else with it."""
    if isinstance(model, Pipeline):
        model = copy(model)
        name, last = model.steps[-1]
        model.steps = [*model.steps[:-1], (name, with_network(last, network))]
        return model
    if isinstance(model, TransformedTargetRegressor):
        model = copy(model)
        model.regressor = with_network(model.regressor, network)
        if hasattr(model, "regressor_"):
            model.regressor_ = with_network(model.regressor_, network)
        return model
    return network


def beyond_steps(model, X):
    """What stands at the end of a fitted Pipeline, and X as the steps before transform it."""
    while isinstance(model, Pipeline):
        *before, (_, last) = model.steps
        X, model = model[:-1].transform(X) if before else X, last
    return model, X


class _Recorder(BaseEstimator):
    """Takes the place of a network, and keeps what the network would be fitted to.

    It is given what its network requests. `calls` is a list, so that copies of the recorder share it.
    """

    def __init__(self, network, calls):
        self.network = network
        self.calls = calls

    def __sklearn_clone__(self):  # TransformedTargetRegressor fits a clone
        return self

    def fit(self, X, y, sample_weight=None, X_val=None, y_val=None, sample_weight_val=None):
        self.calls.append(FitInput(X, y, sample_weight, X_val, y_val, sample_weight_val))
        return self

    def predict(self, X):  # TransformedTargetRegressor asks for this method, but does not call it
        raise NotImplementedError

    def get_metadata_routing(self):
        return self.network.get_metadata_routing()


def fit_all_but_network(model, network, X, y, parameters):
    """Fit all of a model but its network; return the model and the `FitInput` of the network."""
    calls = []
    model = with_network(model, _Recorder(network, calls))
    model.fit(X, y, **parameters)
    return model, calls[-1]
