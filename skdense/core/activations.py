"""Activation functions by scikit-learn's names, for NumPy arrays and for tensors.

Importing this module does not import TensorFlow; only `tensor_activation` does, when called.
"""

import numpy as np
from scipy.special import expit, softmax


def _identity(values):
    return values


# The array versions work in place: `dense` hands them a fresh array.
_ARRAY_ACTIVATIONS = {
    "identity": _identity,
    "logistic": lambda values: expit(values, out=values),
    "tanh": lambda values: np.tanh(values, out=values),
    "relu": lambda values: np.maximum(values, 0, out=values),
    "softmax": lambda values: softmax(values, axis=-1),
}


def array_activation(name):
    """The activation `name` on NumPy arrays; it may overwrite its argument."""
    return _ARRAY_ACTIVATIONS[name]


def tensor_activation(name):
    """The activation `name` on tensors."""
    from skdense.core.runtime import tf

    return {
        "identity": _identity,
        "logistic": tf.sigmoid,
        "tanh": tf.tanh,
        "relu": tf.nn.relu,
        "softmax": tf.nn.softmax,
    }[name]
