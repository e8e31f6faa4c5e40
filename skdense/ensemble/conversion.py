"""Ensembles and blends as VotingClassifier and VotingRegressor of scikit-learn's own networks."""

from copy import copy, deepcopy

from sklearn.base import is_classifier
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import VotingClassifier, VotingRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import LabelEncoder
from sklearn.utils import Bunch

from skdense.base import BaseLowLevelMLP


def voting(ensemble, models, weights=None):
    """The fitted voting estimator of fitted models of scikit-learn, by their names."""
    if is_classifier(ensemble):
        vote = VotingClassifier(
            list(models.items()),
            voting="soft",
            weights=weights,
            flatten_transform=False,  # skl2onnx takes no other
        )
        vote.classes_ = ensemble.classes_
        vote.le_ = LabelEncoder().fit(ensemble.classes_)
    else:
        vote = VotingRegressor(list(models.items()), weights=weights)
    vote.estimators_ = list(models.values())
    vote.named_estimators_ = Bunch(**models)
    if hasattr(ensemble, "feature_names_in_"):
        vote.feature_names_in_ = ensemble.feature_names_in_
    return vote


def converted(model, temperature=1):
    """A fitted model with scikit-learn's classes instead of ours, its logits divided by a temperature.

    That divides a network's output layer. Other models take no temperature but 1.
    """
    if isinstance(model, Pipeline):
        *steps, (name, last) = model.steps
        model = copy(model)
        model.steps = [*steps, (name, converted(last, temperature))]
        return model
    if isinstance(model, TransformedTargetRegressor):
        model = copy(model)
        model.regressor = model.regressor_ = converted(model.regressor_)
        return model
    if isinstance(model, BaseLowLevelMLP):
        model = model.to_sklearn()
        model.coefs_[-1] /= temperature
        model.intercepts_[-1] /= temperature
        return model
    if hasattr(model, "to_sklearn"):
        return model.to_sklearn()
    if temperature != 1:
        raise ValueError(
            f"only a network's output layer can take the ensemble's temperature, {temperature:.3g}, "
            f"got {model!r}"
        )
    return deepcopy(model)
