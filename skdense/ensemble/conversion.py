"""Ensembles and blends as VotingClassifier and VotingRegressor of scikit-learn's own models."""

from copy import copy, deepcopy

from sklearn.base import is_classifier
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, VotingClassifier, VotingRegressor
from sklearn.linear_model import LogisticRegression
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
        vote.le_ = LabelEncoder().fit(ensemble.classes_)
        vote.classes_ = vote.le_.classes_
    elif ensemble.oof_prediction_.ndim > 1:
        raise ValueError(
            "scikit-learn's VotingRegressor predicts one number for each sample, but this model "
            f"predicts {ensemble.oof_prediction_.shape[1]}; convert its members one by one"
        )
    else:
        vote = VotingRegressor(list(models.items()), weights=weights)
    vote.estimators_ = list(models.values())
    vote.named_estimators_ = Bunch(**models)
    if hasattr(ensemble, "feature_names_in_"):
        vote.feature_names_in_ = ensemble.feature_names_in_.copy()
    return vote


def converted(model, temperature=1):
    """A fitted model with scikit-learn's classes instead of ours, its logits divided by a temperature.

    That divides a network's output layer, the coefficients of a LogisticRegression, and what the leaves
    of boosted trees add up. Other models take no temperature but 1.
    """
    if isinstance(model, Pipeline):
        *steps, (name, last) = model.steps
        model = copy(model)
        model.steps = [*deepcopy(steps), (name, converted(last, temperature))]
        return model
    if isinstance(model, TransformedTargetRegressor):
        model = copy(model)
        model.regressor = model.regressor_ = converted(model.regressor_)
        model.transformer, model.transformer_ = deepcopy((model.transformer, model.transformer_))
        return model
    if isinstance(model, BaseLowLevelMLP):
        model = model.to_sklearn()
        model.coefs_[-1] /= temperature
        model.intercepts_[-1] /= temperature
        return model
    model = model.to_sklearn() if hasattr(model, "to_sklearn") else deepcopy(model)
    if isinstance(model, HistGradientBoostingClassifier):
        _divide_leaves(model, temperature)
    elif isinstance(model, LogisticRegression):
        model.coef_, model.intercept_ = model.coef_ / temperature, model.intercept_ / temperature
    elif temperature != 1:
        raise ValueError(
            "only networks, a HistGradientBoostingClassifier and a LogisticRegression can take the "
            f"ensemble's temperature, {temperature:.3g}, got {model!r}"
        )
    return model


def _divide_leaves(trees, temperature):
    """Divide the logits: a constant plus leaves, which scikit-learn keeps in private attributes."""
    trees._baseline_prediction = trees._baseline_prediction / temperature
    for iteration in trees._predictors:
        for tree in iteration:
            tree.nodes["value"] /= temperature
