"""Initial parameters, drawn with NumPy in MLPClassifier's order: for each layer kernel, then bias."""

from itertools import pairwise

import numpy as np


def glorot_uniform(fan_in, fan_out, activation, random_state):
    """Kernel and bias from U(-b, b), `b = sqrt(6 / (fan_in + fan_out))`, or 2 for 6 before a logistic.

    The bound is Glorot and Bengio's (2010); drawing the bias from it too is MLPClassifier's.
    """
    bound = np.sqrt((2 if activation == "logistic" else 6) / (fan_in + fan_out))
    kernel = random_state.uniform(-bound, bound, (fan_in, fan_out))
    return kernel, random_state.uniform(-bound, bound, fan_out)


def he_uniform(fan_in, fan_out, activation, random_state):
    """Kernel from U(-b, b), `b = sqrt(6 / fan_in)` (He et al., 2015), zero bias."""
    bound = np.sqrt(6 / fan_in)
    return random_state.uniform(-bound, bound, (fan_in, fan_out)), np.zeros(fan_out)


def uniform(fan_in, fan_out, activation, random_state):
    """Kernel from U[0, 1), zero bias."""
    return random_state.uniform(0, 1, (fan_in, fan_out)), np.zeros(fan_out)


INITIALIZERS = {
    "glorot_uniform": glorot_uniform,
    "he_uniform": he_uniform,
    "uniform": uniform,
}


def initial_parameters(layer_sizes, init, activation, random_state, dtype):
    """The `(kernel, bias)` pairs of a new network, drawn in float64 and then cast to `dtype`."""
    draws = (
        INITIALIZERS[init](fan_in, fan_out, activation, random_state)
        for fan_in, fan_out in pairwise(layer_sizes)
    )
    return [(kernel.astype(dtype), bias.astype(dtype)) for kernel, bias in draws]
