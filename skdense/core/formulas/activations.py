"""Activation functions by scikit-learn's names: all that is known of each, in one record."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, ndtr

from skdense.core.machine.tensorflow import tf


class Activation(NamedTuple):
    """An activation of hidden layers.

    Attributes
    ----------
    array : callable
        The function on NumPy arrays. It may overwrite its argument, which a layer has just made.
    tensor : callable
        The function on tensors.
    onnx : callable
        `onnx(graph, z, number)` is the function in an ONNX graph, by operations that onnxruntime has in
        float64 as well: `graph(operation, *inputs)` adds one, and `number` is the type of z.
    padded_bias : float
        A bias for which the function is exactly 0. With it, and zeros in the kernels, a padded unit has
        the output 0 and no gradient.
    glorot_factor : int
        The factor in the bound of Glorot's initialization, as MLPClassifier has it.
    saturates : bool
        Whether its values stay within [-1, 1], so that large arguments all look alike.
    """

    array: Callable
    tensor: Callable
    onnx: Callable
    padded_bias: float = 0.0
    glorot_factor: int = 6
    saturates: bool = False


def _logistic(values: NDArray) -> NDArray:
    return expit(values, out=values)


def _softmax(values: NDArray) -> NDArray:
    # For a few rows this takes a third of scipy.special.softmax's time.
    values -= values.max(axis=-1, keepdims=True)
    np.exp(values, out=values)
    values /= values.sum(axis=-1, keepdims=True)
    return values


LEAK = 0.01
"""The slope of leaky_relu for negative values, as in its paper and in PyTorch."""
SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772
"""With these, selu keeps the mean 0 and the variance 1 from layer to layer."""


def _elu(values: NDArray, alpha: float = 1.0) -> NDArray:
    return np.where(values > 0, values, alpha * np.expm1(np.minimum(values, 0)))


def _selu(values: NDArray) -> NDArray:
    return SELU_SCALE * _elu(values, SELU_ALPHA)


def _silu(values: NDArray) -> NDArray:
    # A fifth of the time of scipy.special.expit in float32, as NumPy's exponential is vectorized.
    divisors = np.negative(values)
    with np.errstate(over="ignore"):  # of large negative values, which become 0
        np.exp(divisors, out=divisors)
    divisors += 1
    return np.divide(values, divisors, out=divisors)


def _onnx_elu(graph: Callable, z: Any, number: Callable, alpha: float = 1.0) -> Any:
    below = graph("Sub", graph("Exp", graph("Min", z, number(0))), number(1))
    return graph("Add", graph("Relu", z), graph("Mul", below, number(alpha)))


def _onnx_selu(graph: Callable, z: Any, number: Callable) -> Any:
    return graph("Mul", _onnx_elu(graph, z, number, SELU_ALPHA), number(SELU_SCALE))


def _onnx_gelu(graph: Callable, z: Any, number: Callable) -> Any:
    # onnxruntime has the error function in float32 only: ONNX's type 1, while 11 is float64.
    erf = graph("Erf", graph("Cast", graph("Mul", z, number(0.5**0.5)), to=1))
    erf = graph("Cast", erf, to=1 if number is np.float32 else 11)
    return graph("Mul", graph("Mul", z, number(0.5)), graph("Add", erf, number(1)))


def _onnx_mish(graph: Callable, z: Any, number: Callable) -> Any:
    log1p = graph("Log", graph("Add", graph("Exp", graph("Neg", graph("Abs", z))), number(1)))
    return graph("Mul", z, graph("Tanh", graph("Add", graph("Relu", z), log1p)))


ACTIVATIONS = {
    "identity": Activation(lambda z: z, lambda z: z, lambda graph, z, number: z),
    "logistic": Activation(
        _logistic,
        lambda z: tf.sigmoid(z),
        lambda graph, z, number: graph("Sigmoid", z),
        padded_bias=-1e4,
        glorot_factor=2,
        saturates=True,
    ),
    "tanh": Activation(
        lambda z: np.tanh(z, out=z),
        lambda z: tf.tanh(z),
        lambda graph, z, number: graph("Tanh", z),
        saturates=True,
    ),
    "relu": Activation(
        lambda z: np.maximum(z, 0, out=z),
        lambda z: tf.nn.relu(z),
        lambda graph, z, number: graph("Relu", z),
    ),
    "leaky_relu": Activation(
        lambda z: np.maximum(z, LEAK * z, out=z),
        lambda z: tf.where(z > 0, z, LEAK * z),
        lambda graph, z, number: graph("Max", z, graph("Mul", z, number(LEAK))),
    ),
    "elu": Activation(_elu, lambda z: tf.nn.elu(z), _onnx_elu),
    "selu": Activation(_selu, lambda z: tf.nn.selu(z), _onnx_selu),
    "gelu": Activation(lambda z: z * ndtr(z), lambda z: z * tf.math.erfc(-z / 2**0.5) / 2, _onnx_gelu),
    "silu": Activation(
        _silu,
        lambda z: tf.nn.silu(z),
        lambda graph, z, number: graph("Mul", z, graph("Sigmoid", z)),
    ),
    "mish": Activation(
        lambda z: z * np.tanh(np.logaddexp(z, 0)),
        lambda z: z * tf.tanh(tf.nn.softplus(z)),
        _onnx_mish,
    ),
}
"""The activations of hidden layers."""

OUTPUT_ACTIVATIONS = {
    "identity": lambda values: values,
    "exp": lambda values: np.exp(values, out=values),
    "logistic": _logistic,
    "softmax": _softmax,
}
"""The activations of the output layer, on NumPy arrays, for predictions. Losses take the logits."""
