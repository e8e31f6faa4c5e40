"""The units in which regressors are trained, and models that predict in the units of y themselves."""

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import Pipeline

from skdense.ensemble.ends import last_of

_POSITIVE = ("poisson", "gamma")
"""The losses of positive predictions, whose logarithms a model adds up: y can only be stretched."""


def scale_of(model, y, sample_weight):
    """What to subtract from y, and what to divide the result by, as the model's loss allows.

    y gets mean 0 and variance 1, or mean 1 if its predictions are positive.
    """
    loss = last_of(model).get_params(deep=False).get("loss")
    mean = np.average(y, axis=0, weights=sample_weight)
    if loss in _POSITIVE:
        if (y < 0).any():
            raise ValueError(
                f"Some value(s) of y are out of the valid range of loss={loss!r}: must be at least 0, "
                f"got {y.min()}"
            )
        return np.zeros_like(mean), np.where(mean > 0, mean, 1)
    deviation = np.sqrt(np.average((y - mean) ** 2, axis=0, weights=sample_weight))
    return mean, np.where(deviation > 0, deviation, 1)


def give_scale(model, center, scale):
    """Let a model of scikit-learn that was trained on ``(y - center) / scale`` predict y."""
    if isinstance(model, Pipeline):
        give_scale(model.steps[-1][1], center, scale)
    elif isinstance(model, MLPRegressor):
        # In float64, as float32 may be too coarse for y.
        kernel, bias = (each[-1].astype(np.float64) for each in (model.coefs_, model.intercepts_))
        if model.out_activation_ == "exp":
            bias += np.log(scale)
        else:
            kernel, bias = kernel * scale, bias * scale + center
        model.coefs_[-1], model.intercepts_[-1] = kernel, bias
    elif isinstance(model, HistGradientBoostingRegressor):
        # A constant plus leaves, which scikit-learn keeps in private attributes.
        if model.loss in _POSITIVE:
            model._baseline_prediction = model._baseline_prediction + np.log(scale)
            return
        model._baseline_prediction = model._baseline_prediction * scale + center
        for (tree,) in model._predictors:
            tree.nodes["value"] *= scale
    else:
        raise ValueError(
            "only networks and a HistGradientBoostingRegressor can take the scale of y, got "
            f"{model!r}; set scale_y=False"
        )
