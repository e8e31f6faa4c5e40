"""Initial parameters, drawn with NumPy in MLPClassifier's order: for each layer kernel, then bias.

An initializer draws one array of a layer in float64, given its description, the layer's numbers of
inputs and outputs, and Glorot's factor.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.random import RandomState
from numpy.typing import DTypeLike, NDArray

from skdense.core.formulas.activations import ACTIVATIONS
from skdense.core.formulas.layers import Layer, Parameter
from skdense.core.numbers import Parameters


def glorot_uniform(
    parameter: Parameter, fan_in: int, fan_out: int, factor: float, random_state: RandomState
) -> NDArray:
    """From U(-b, b), `b = sqrt(factor / (fan_in + fan_out))`, factor 6 for most activations.

    The bound is Glorot and Bengio's (2010); the activation's factor, and drawing the bias from the same
    distribution, are MLPClassifier's.
    """
    bound = np.sqrt(factor / (fan_in + fan_out))
    return random_state.uniform(-bound, bound, parameter.shape)


def he_uniform(
    parameter: Parameter, fan_in: int, fan_out: int, factor: float, random_state: RandomState
) -> NDArray:
    """Kernel from U(-b, b), `b = sqrt(6 / fan_in)` (He et al., 2015), zero bias."""
    bound = np.sqrt(6 / fan_in)
    return _kernel(parameter, lambda shape: random_state.uniform(-bound, bound, shape))


def he_normal(
    parameter: Parameter, fan_in: int, fan_out: int, factor: float, random_state: RandomState
) -> NDArray:
    """Kernel from N(0, 2 / fan_in) (He et al., 2015), zero bias."""
    return _kernel(parameter, lambda shape: random_state.normal(0, np.sqrt(2 / fan_in), shape))


def lecun_normal(
    parameter: Parameter, fan_in: int, fan_out: int, factor: float, random_state: RandomState
) -> NDArray:
    """Kernel from N(0, 1 / fan_in) (LeCun et al., 1998), zero bias."""
    return _kernel(parameter, lambda shape: random_state.normal(0, np.sqrt(1 / fan_in), shape))


def uniform(
    parameter: Parameter, fan_in: int, fan_out: int, factor: float, random_state: RandomState
) -> NDArray:
    """Kernel from U[0, 1), zero bias."""
    return _kernel(parameter, lambda shape: random_state.uniform(0, 1, shape))


def _kernel(parameter: Parameter, draw: Callable) -> NDArray:
    return draw(parameter.shape) if parameter.penalized else np.zeros(parameter.shape)


INITIALIZERS = {
    "glorot_uniform": glorot_uniform,
    "he_uniform": he_uniform,
    "he_normal": he_normal,
    "lecun_normal": lecun_normal,
    "uniform": uniform,
}


def initial_parameters(
    layers: Sequence[Layer],
    n_features: int,
    init: str,
    activation: str,
    random_state: RandomState,
    dtype: DTypeLike,
) -> Parameters:
    """The parameters of a new network, drawn in float64 and then cast to `dtype`.

    As in MLPClassifier the activation of the hidden layers, by name, decides for all layers.
    """
    factor = ACTIVATIONS[activation].glorot_factor if activation in ACTIVATIONS else 6
    parameters, fan_in = [], n_features
    for layer in layers:
        described, fan_out = layer.parameters(fan_in), layer.n_outputs(fan_in)
        if described:
            draws = (INITIALIZERS[init](p, fan_in, fan_out, factor, random_state) for p in described)
            parameters.append(tuple(draw.astype(dtype) for draw in draws))
        fan_in = fan_out
    return parameters
