"""Initial parameters, drawn with NumPy in MLPClassifier's order: for each layer kernel, then bias.

An initializer returns a layer's kernel `(fan_in, fan_out)` and bias `(fan_out,)`, in float64. As in
MLPClassifier it is given the activation of the hidden layers, by name, for the output layer, too.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.random import RandomState
from numpy.typing import DTypeLike, NDArray

from skdense.core.formulas.activations import ACTIVATIONS
from skdense.core.network import Parameters

Draw = tuple[NDArray, NDArray]
"""A layer's kernel and bias."""


def glorot_uniform(fan_in: int, fan_out: int, activation: str, random_state: RandomState) -> Draw:
    """Kernel and bias from U(-b, b), `b = sqrt(factor / (fan_in + fan_out))`, factor 6 for most.

    The bound is Glorot and Bengio's (2010); the activation's factor, and drawing the bias from the same
    distribution, are MLPClassifier's.
    """
    bound = np.sqrt(ACTIVATIONS[activation].glorot_factor / (fan_in + fan_out))
    kernel = random_state.uniform(-bound, bound, (fan_in, fan_out))
    return kernel, random_state.uniform(-bound, bound, fan_out)


def he_uniform(fan_in: int, fan_out: int, activation: str, random_state: RandomState) -> Draw:
    """Kernel from U(-b, b), `b = sqrt(6 / fan_in)` (He et al., 2015), zero bias."""
    bound = np.sqrt(6 / fan_in)
    return random_state.uniform(-bound, bound, (fan_in, fan_out)), np.zeros(fan_out)


def he_normal(fan_in: int, fan_out: int, activation: str, random_state: RandomState) -> Draw:
    """Kernel from N(0, 2 / fan_in) (He et al., 2015), zero bias."""
    return random_state.normal(0, np.sqrt(2 / fan_in), (fan_in, fan_out)), np.zeros(fan_out)


def lecun_normal(fan_in: int, fan_out: int, activation: str, random_state: RandomState) -> Draw:
    """Kernel from N(0, 1 / fan_in) (LeCun et al., 1998), zero bias."""
    return random_state.normal(0, np.sqrt(1 / fan_in), (fan_in, fan_out)), np.zeros(fan_out)


def uniform(fan_in: int, fan_out: int, activation: str, random_state: RandomState) -> Draw:
    """Kernel from U[0, 1), zero bias."""
    return random_state.uniform(0, 1, (fan_in, fan_out)), np.zeros(fan_out)


INITIALIZERS = {
    "glorot_uniform": glorot_uniform,
    "he_uniform": he_uniform,
    "he_normal": he_normal,
    "lecun_normal": lecun_normal,
    "uniform": uniform,
}


def initial_parameters(
    layer_sizes: Sequence[int], init: str, activation: str, random_state: RandomState, dtype: DTypeLike
) -> Parameters:
    """The `(kernel, bias)` pairs of a new network, drawn in float64 and then cast to `dtype`."""
    draws = (
        INITIALIZERS[init](fan_in, fan_out, activation, random_state)
        for fan_in, fan_out in pairwise(layer_sizes)
    )
    return [(kernel.astype(dtype), bias.astype(dtype)) for kernel, bias in draws]
