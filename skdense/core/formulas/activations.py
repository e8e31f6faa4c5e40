"""Activation functions by scikit-learn's names: all that is known of each, in one record.

Importing this module does not import TensorFlow.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, ndtr

from skdense.core.network import TensorFlow


class Activation(NamedTuple):
    """An activation of hidden layers.

    Attributes
    ----------
    array : callable
        The function on NumPy arrays. It may overwrite its argument, which a layer has just made.
    tensor : callable
        `tensor(tf)` is the function on tensors, given TensorFlow.
    padded_bias : float
        A bias for which the function is exactly 0. With it, and zeros in the kernels, a padded unit has
        the output 0 and no gradient.
    glorot_factor : int
        The factor in the bound of Glorot's initialization, as MLPClassifier has it.
    """

    array: Callable
    tensor: Callable
    padded_bias: float = 0.0
    glorot_factor: int = 6

    def on(self, tf: TensorFlow) -> Callable:
        """The function on tensors, given TensorFlow, or on arrays, given None."""
        return self.array if tf is None else self.tensor(tf)


def _identity(values: NDArray) -> NDArray:
    return values


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


def _elu(values: NDArray) -> NDArray:
    return np.where(values > 0, values, np.expm1(np.minimum(values, 0)))


def _selu(values: NDArray) -> NDArray:
    return SELU_SCALE * np.where(values > 0, values, SELU_ALPHA * np.expm1(np.minimum(values, 0)))


ACTIVATIONS = {
    "identity": Activation(_identity, lambda tf: _identity),
    "logistic": Activation(_logistic, lambda tf: tf.sigmoid, padded_bias=-1e4, glorot_factor=2),
    "tanh": Activation(lambda z: np.tanh(z, out=z), lambda tf: tf.tanh),
    "relu": Activation(lambda z: np.maximum(z, 0, out=z), lambda tf: tf.nn.relu),
    "leaky_relu": Activation(
        lambda z: np.maximum(z, LEAK * z, out=z), lambda tf: lambda z: tf.where(z > 0, z, LEAK * z)
    ),
    "elu": Activation(_elu, lambda tf: tf.nn.elu),
    "selu": Activation(_selu, lambda tf: tf.nn.selu),
    "gelu": Activation(lambda z: z * ndtr(z), lambda tf: lambda z: z * tf.math.erfc(-z / 2**0.5) / 2),
    "silu": Activation(lambda z: z * expit(z), lambda tf: tf.nn.silu),
    "mish": Activation(
        lambda z: z * np.tanh(np.logaddexp(z, 0)), lambda tf: lambda z: z * tf.tanh(tf.nn.softplus(z))
    ),
}
"""The activations of hidden layers."""

OUTPUT_ACTIVATIONS = {
    "identity": _identity,
    "exp": lambda values: np.exp(values, out=values),
    "logistic": _logistic,
    "softmax": _softmax,
}
"""The activations of the output layer, on NumPy arrays, for predictions. Losses take the logits."""
