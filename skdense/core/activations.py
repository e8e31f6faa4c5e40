"""Activation functions by scikit-learn's names: all that is known of each, in one record.

Importing this module does not import TensorFlow.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.special import expit, softmax


class Activation(NamedTuple):
    """An activation of hidden layers.

    Attributes
    ----------
    array : callable
        The function on NumPy arrays. It may overwrite its argument: `dense` hands it a fresh array.
    tensor : callable
        `tensor(tf)` is the function on tensors, given TensorFlow.
    padded_bias : float
        A bias for which the function is exactly 0, so that a padded unit, with kernels of zeros around
        it, stays as it is.
    glorot_factor : int
        The factor in the bound of Glorot's initialization, as MLPClassifier has it.
    """

    array: Callable
    tensor: Callable
    padded_bias: float = 0.0
    glorot_factor: int = 6


def _identity(values):
    return values


def _logistic(values):
    return expit(values, out=values)


ACTIVATIONS = {
    "identity": Activation(_identity, lambda tf: _identity),
    "logistic": Activation(_logistic, lambda tf: tf.sigmoid, padded_bias=-1e4, glorot_factor=2),
    "tanh": Activation(lambda values: np.tanh(values, out=values), lambda tf: tf.tanh),
    "relu": Activation(lambda values: np.maximum(values, 0, out=values), lambda tf: tf.nn.relu),
}
"""Those of hidden layers."""

OUTPUT_ACTIVATIONS = {
    "identity": _identity,
    "exp": lambda values: np.exp(values, out=values),
    "logistic": _logistic,
    "softmax": lambda values: softmax(values, axis=-1),
}
"""What makes predictions of the logits, on NumPy arrays; a loss starts from the logits themselves."""
