"""Gradient descent rules: plain, momentum and Nesterov SGD, and Adam.

A rule sees gradients and parameters as arrays `(K, n)` and knows nothing of layers. Its numbers are
`(K, 1)`, one for each network, in the gradient's dtype.
"""

from collections.abc import Callable
from typing import NamedTuple

from skdense.core.runtime import tf


class Optimizer(NamedTuple):
    """A pure update rule.

    Attributes
    ----------
    n_slots : int
        Number of arrays of the gradient's shape that the rule carries from step to step. They start
        at zero.
    step_size : callable
        `step_size(learning_rate, step, hyper)` gives the factor of this step, in float64 whatever the
        gradient's dtype is, from numbers `(K,)`. `step` counts the network's steps from 1.
    update : callable
        `update(gradient, slots, parameters, step_size, hyper)` gives the change of the parameters and
        the new slots, as Optax's does.
    """

    n_slots: int
    step_size: Callable
    update: Callable


def _sgd_step_size(learning_rate, step, hyper):
    return learning_rate


def _sgd_update(gradient, slots, parameters, step_size, hyper):
    """`v <- momentum v - rate g`; the change is v, or with Nesterov `momentum v - rate g` again."""
    (velocity,) = slots
    velocity = hyper.momentum * velocity - step_size * gradient
    ahead = hyper.momentum * velocity - step_size * gradient
    return tf.where(hyper.nesterov > 0, ahead, velocity), (velocity,)


def _adam_step_size(learning_rate, step, hyper):
    return learning_rate * tf.sqrt(1 - hyper.beta_2**step) / (1 - hyper.beta_1**step)


def _adam_update(gradient, slots, parameters, step_size, hyper):
    """Algorithm 1 of Kingma and Ba (2014), with both bias corrections moved into the step size."""
    mean, square = slots
    mean = hyper.beta_1 * mean + (1 - hyper.beta_1) * gradient
    square = hyper.beta_2 * square + (1 - hyper.beta_2) * gradient**2
    return -step_size * mean / (tf.sqrt(square) + hyper.epsilon), (mean, square)


OPTIMIZERS = {
    "sgd": Optimizer(1, _sgd_step_size, _sgd_update),
    "adam": Optimizer(2, _adam_step_size, _adam_update),
}
