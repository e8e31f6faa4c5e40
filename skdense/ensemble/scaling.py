"""Training regressors on a scaled y, and giving the scale to their output layer afterwards."""

import numpy as np

from skdense.core.formulas.losses import LOSSES


def scale_of(network, y, sample_weight):
    """What to subtract from y, and what to divide the result by, as the network's loss allows.

    An identity output can be shifted and stretched: y gets mean 0 and variance 1. An exponential output
    can be stretched only: y gets mean 1.
    """
    mean = np.average(y, axis=0, weights=sample_weight)
    record = LOSSES["numbers"].get(network.loss)  # None is an error of the fit to come
    if record is not None and record.output == "exp":
        return np.zeros_like(mean), np.where(mean > 0, mean, 1)
    deviation = np.sqrt(np.average((y - mean) ** 2, axis=0, weights=sample_weight))
    return mean, np.where(deviation > 0, deviation, 1)


def give_scale(network, center, scale):
    """Let a network that was trained on ``(y - center) / scale`` predict y."""
    kernel, bias = network.coefs_[-1], network.intercepts_[-1]
    if network.out_activation_ == "exp":
        bias = bias + np.log(scale)
    else:
        kernel, bias = kernel * scale, bias * scale + center
    dtype = network.coefs_[-1].dtype
    network.coefs_[-1], network.intercepts_[-1] = kernel.astype(dtype), bias.astype(dtype)
    vars(network).pop("_optimizer_state", None)  # it belongs to the old parameters
