"""Models from here to scikit-learn's MLPClassifier and MLPRegressor, and back.

The state of an optimizer stays behind.
"""

from copy import deepcopy

import numpy as np
from sklearn.base import ClassifierMixin, is_classifier
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from skdense import compat
from skdense.fit.prepare import criterion
from skdense.fit.targets import fitted_encoder

_OURS_ALONE = "accuracy_curve_", "validation_loss_curve_", "init_losses_"
"""Fitted attributes that scikit-learn's networks do not have."""


def to_sklearn(estimator):
    """The fitted MLPClassifier or MLPRegressor that is the same model."""
    check_is_fitted(estimator)
    model = MLPClassifier() if is_classifier(estimator) else MLPRegressor()
    parameters = deepcopy(estimator.get_params(deep=False))
    model.set_params(**{name: parameters[name] for name in model.get_params()})
    name = type(model).__name__
    try:
        compat.validate_parameters(model)
    except ValueError as error:
        raise ValueError(
            f"{name} cannot represent this model: {error} To convert it, fit it with solver='adam', "
            "activation='relu' and learning_rate='constant'; make_tabular_classifier and "
            "make_tabular_regressor take these, too."
        ) from None
    if estimator.loss != model.loss:
        raise ValueError(
            f"{name} cannot represent this model with loss={estimator.loss!r}: it has {model.loss!r}"
        )
    _copy_attributes(estimator, model)
    compat.complete_network(model, check_random_state(model.random_state))
    return model


def _copy_attributes(source, target):
    for name, value in vars(source).items():
        if (name.endswith("_") and name not in _OURS_ALONE) or name in compat.OF_NETWORKS:
            setattr(target, name, deepcopy(value))


def from_sklearn(cls, model):
    """The estimator of this class that is the same model as a fitted one of scikit-learn's."""
    sklearn_class = MLPClassifier if issubclass(cls, ClassifierMixin) else MLPRegressor
    if not isinstance(model, sklearn_class):
        raise TypeError(f"model must be a fitted {sklearn_class.__name__}, got {model!r}")
    check_is_fitted(model)
    estimator = cls(**deepcopy(model.get_params(deep=False)))
    _copy_attributes(model, estimator)
    estimator.init_losses_ = np.array([estimator.loss_])
    if not hasattr(estimator, "loss_curve_"):  # after lbfgs
        return estimator
    # scikit-learn does not record these curves. They still have a value for each epoch.
    unknown = [np.nan] * len(estimator.loss_curve_)
    if is_classifier(estimator):
        estimator.accuracy_curve_ = unknown
    scores = estimator.validation_scores_
    estimator.validation_loss_curve_ = None if scores is None else [np.nan] * len(scores)
    estimator._criterion = criterion(estimator, fitted_encoder(estimator).loss)
    return estimator
