"""What a model ends with: the estimator behind its Pipelines and TransformedTargetRegressors.

Ensembles and searches take such models: only the final step is theirs, and all before it is
scikit-learn's.
"""

from typing import Any

from sklearn import get_config
from sklearn.base import BaseEstimator
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline

from skdense.base import BaseLowLevelMLP, is_network
from skdense.fit.inputs import FitInput, shallow_copy


def nested(model: Any) -> list[tuple[str, Any]]:
    """The model, the estimator at its end, the one at the end of that, and so on to the final step.

    Before each stands the prefix that its parameters have in the model. Of a fitted
    TransformedTargetRegressor it is the fitted regressor.
    """
    if isinstance(model, Pipeline) and model.steps:
        name, within = model.steps[-1]
    elif isinstance(model, TransformedTargetRegressor):
        name, within = "regressor", getattr(model, "regressor_", model.regressor)
        if within is None:
            within = LinearRegression()  # the default of scikit-learn
    else:
        return [("", model)]
    return [("", model), *((f"{name}__{prefix}", part) for prefix, part in nested(within))]


def final_step(model: Any) -> Any:
    """The estimator that is fitted last; of a model that encloses none, the model."""
    return nested(model)[-1][1]


def network_of(model: Any) -> tuple[BaseLowLevelMLP, str]:
    """The network that is the final step, and the prefix of its parameters, for a pruned search.

    It raises a TypeError if there is no network, or one with a `fit` of its own.
    """
    prefix, last = nested(model)[-1]
    if not isinstance(last, BaseLowLevelMLP):
        raise TypeError(
            "estimator must be a LowLevelMLPClassifier or LowLevelMLPRegressor, or a Pipeline or "
            "TransformedTargetRegressor that ends with one, got a "
            f"{' with a '.join(type(part).__name__ for _, part in nested(model))}; for others use "
            "scikit-learn's HalvingRandomSearchCV or RandomizedSearchCV"
        )
    if not is_network(last, "fit"):
        raise TypeError(
            f"{type(last).__name__} overrides fit, which a pruned search does not call: put its "
            "preprocessing into a step of a Pipeline, or use scikit-learn's HalvingRandomSearchCV or "
            "RandomizedSearchCV"
        )
    return last, prefix


def with_last(model: Any, last: Any) -> Any:
    """A copy of a model that has another final step and shares all else with it."""
    if isinstance(model, Pipeline):
        *before, (name, step) = model.steps
        changed = {"steps": [*before, (name, with_last(step, last))]}
    elif isinstance(model, TransformedTargetRegressor):
        names = {"regressor", "regressor_"} & vars(model).keys()
        changed = {name: with_last(getattr(model, name), last) for name in names}
    else:
        return last
    model = shallow_copy(model)
    vars(model).update(changed)
    return model


def fit_arguments(model: Any, **arguments: Any) -> dict[str, Any]:
    """Arguments for the `fit` of the final step that are not None, as the model's `fit` names them.

    Where metadata routing is on, the steps of a Pipeline have to request them.
    """
    arguments = {name: value for name, value in arguments.items() if value is not None}
    if get_config()["enable_metadata_routing"] or not arguments:
        return arguments
    prefix = "".join(
        f"{part.steps[-1][0]}__" for _, part in nested(model) if isinstance(part, Pipeline)
    )
    return {f"{prefix}{name}": value for name, value in arguments.items()}


def transforms_y(model: Any) -> bool:
    """Whether the final step is fitted to a transformed y."""
    return any(isinstance(part, TransformedTargetRegressor) for _, part in nested(model))


def beyond_steps(model: Any, X: Any) -> tuple[Any, Any]:
    """What stands at the end of a fitted Pipeline, and X as the steps before transform it."""
    while isinstance(model, Pipeline):
        *before, (_, last) = model.steps
        X, model = model[:-1].transform(X) if before else X, last
    return model, X


class _Recorder(BaseEstimator):
    """Takes the place of a final step, and keeps what this would be fitted to.

    It is given what that step requests.
    """

    def __init__(self, last):
        self.last = last

    def __sklearn_clone__(self):  # TransformedTargetRegressor fits a clone
        return self

    def fit(self, X, y, sample_weight=None, X_val=None, y_val=None, sample_weight_val=None):
        self.inputs = FitInput(X, y, sample_weight, X_val, y_val, sample_weight_val)
        return self

    def predict(self, X):  # TransformedTargetRegressor asks for this method, but does not call it
        raise NotImplementedError

    def get_metadata_routing(self):
        return self.last.get_metadata_routing()


def fit_all_but_last(model: Any, X: Any, y: Any, parameters: dict[str, Any]) -> tuple[Any, FitInput]:
    """Fit all of a model that stands before its final step.

    Return a copy that is fitted but for its final step, and what this one is to be fitted to.
    """
    recorder = _Recorder(final_step(model))
    fitted = with_last(model, recorder).fit(X, y, **parameters)
    return with_last(fitted, recorder.last), recorder.inputs
