"""Models from here to scikit-learn's MLPClassifier and MLPRegressor, and back.

Nowhere else are private names of scikit-learn's networks used.
"""

from copy import deepcopy

import numpy as np
from sklearn.base import is_classifier
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from skdense.core.formulas.losses import LOSSES
from skdense.fit.prepare import criterion, optimizer_settings, optimizer_state

_SHARED_ATTRIBUTES = (
    "classes_", "loss_", "best_loss_", "loss_curve_", "validation_scores_", "best_validation_score_",
    "t_", "coefs_", "intercepts_", "n_features_in_", "feature_names_in_", "n_iter_", "n_layers_",
    "n_outputs_", "out_activation_", "_label_binarizer", "_no_improvement_count",
)  # fmt: skip


_SLOTS = {"sgd": ("velocities",), "adam": ("ms", "vs")}
"""The attributes of scikit-learn's optimizers that correspond to the slots of ours."""


def to_sklearn(estimator):
    """The fitted MLPClassifier or MLPRegressor that is the same model."""
    check_is_fitted(estimator)
    model = MLPClassifier() if is_classifier(estimator) else MLPRegressor()
    parameters = deepcopy(estimator.get_params(deep=False))
    model.set_params(**{name: parameters[name] for name in model.get_params()})
    name = type(model).__name__
    try:
        model._validate_params()
    except ValueError as error:
        raise ValueError(
            f"{name} cannot represent this model: {error} To convert it, fit it with solver='adam', "
            "activation='relu' and learning_rate='constant'; make_tabular_classifier and "
            "make_tabular_regressor take these, too."
        ) from None
    outputs = {losses[model.loss].output for losses in LOSSES.values() if model.loss in losses}
    if estimator.loss != model.loss or estimator.out_activation_ not in outputs:
        raise ValueError(
            f"{name} cannot represent this model: with loss={estimator.loss!r} its outputs are "
            f"{estimator.out_activation_!r}, where {name} has loss={model.loss!r} and outputs among "
            f"{sorted(outputs)}"
        )
    _copy_attributes(estimator, model)
    model._random_state = check_random_state(model.random_state)
    model._best_coefs = [kernel.copy() for kernel in model.coefs_]
    model._best_intercepts = [bias.copy() for bias in model.intercepts_]
    state = getattr(estimator, "_optimizer_state", None)  # none after lbfgs
    if state and state["solver"] in _SLOTS and state["settings"]["schedule"] != "cosine":
        model._optimizer = _sklearn_optimizer(estimator, model.coefs_ + model.intercepts_)
    return model


def _copy_attributes(source, target):
    for name in _SHARED_ATTRIBUTES:
        if hasattr(source, name):
            setattr(target, name, _copied(getattr(source, name)))


def _copied(value):
    """A copy, in which Python's numbers replace NumPy's scalars."""
    if isinstance(value, np.generic):
        return value.item()
    return [_copied(item) for item in value] if isinstance(value, list) else deepcopy(value)


def _sklearn_optimizer(estimator, parameters):
    state = estimator._optimizer_state
    settings = optimizer_settings(estimator) | state["settings"]
    optimizer = (SGDOptimizer if state["solver"] == "sgd" else AdamOptimizer)(parameters)
    vars(optimizer).update({name: settings[name] for name in vars(optimizer) if name in settings})
    optimizer.learning_rate = state["learning_rate"]
    if state["solver"] == "sgd":
        optimizer.lr_schedule, optimizer.nesterov = settings["schedule"], bool(settings["nesterov"])
    else:
        optimizer.t = t = int(state["step"])
        if t:  # the attribute is the size of the last step
            corrections = np.sqrt(1 - settings["beta_2"] ** t) / (1 - settings["beta_1"] ** t)
            optimizer.learning_rate *= corrections
    for name, slot in zip(_SLOTS[state["solver"]], state["slots"], strict=True):
        kernels, biases = zip(*slot, strict=True)
        setattr(optimizer, name, [array.copy() for array in kernels + biases])
    return optimizer


def from_sklearn(cls, model):
    """The estimator of this class that is the same model as a fitted one of scikit-learn's."""
    sklearn_class = MLPClassifier if is_classifier(cls()) else MLPRegressor
    if not isinstance(model, sklearn_class):
        raise TypeError(f"model must be a fitted {sklearn_class.__name__}, got {model!r}")
    check_is_fitted(model)
    estimator = cls(**deepcopy(model.get_params(deep=False)))
    _copy_attributes(model, estimator)
    estimator.init_losses_ = np.array([estimator.loss_])
    if hasattr(model, "_optimizer"):
        _set_stochastic_state(estimator, model._optimizer)
    return estimator


def _set_stochastic_state(estimator, optimizer):
    # scikit-learn does not record these curves. They still have a value for each epoch.
    unknown = [np.nan] * len(estimator.loss_curve_)
    if is_classifier(estimator):
        estimator.accuracy_curve_ = unknown
    scores = estimator.validation_scores_
    estimator.validation_loss_curve_ = None if scores is None else [np.nan] * len(scores)
    settings = optimizer_settings(estimator)
    settings |= {name: float(value) for name, value in vars(optimizer).items() if name in settings}
    if isinstance(optimizer, SGDOptimizer):
        settings["schedule"] = optimizer.lr_schedule
        solver, learning_rate, step = "sgd", optimizer.learning_rate, 0.0  # it does not count steps
    else:
        solver, learning_rate, step = "adam", optimizer.learning_rate_init, float(optimizer.t)
    estimator._criterion = criterion(estimator, estimator._fitted_encoder().loss)
    depth, slots = len(estimator.coefs_), []
    for name in _SLOTS[solver]:
        arrays = deepcopy(getattr(optimizer, name))
        slots.append(list(zip(arrays[:depth], arrays[depth:], strict=True)))
    estimator._optimizer_state = optimizer_state(solver, settings, float(learning_rate), step, slots)
