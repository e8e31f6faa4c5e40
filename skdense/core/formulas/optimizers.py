"""Gradient descent rules: plain, momentum and Nesterov SGD, Adam and AdamW; clipping gradients.

A rule sees gradients and parameters as arrays `(K, n)` and knows nothing of layers. Its numbers are
`(K, 1)`, one for each network, in the gradient's dtype.
"""

from collections.abc import Callable
from typing import NamedTuple

from skdense.core.machine.runtime import tf


class Optimizer(NamedTuple):
    """A pure update rule.

    Attributes
    ----------
    n_slots : int
        Number of arrays of the gradient's shape that the rule keeps from step to step. They start at
        zero.
    numbers : callable
        `numbers(hyper)` are the hyperparameters that `update` needs, and what follows from them, in
        float64. Like the step sizes they are then rounded to the gradient's dtype.
    step_sizes : callable
        `step_sizes(learning_rate, step, hyper)` are the factors of this step, from float64 numbers
        `(K,)`. `step` counts the network's steps from 1.
    update : callable
        `update(gradient, slots, kernels, step_sizes, numbers)` returns the change of the parameters and
        the new slots. `kernels` are the parameters before the step, with zeros for biases.
    """

    n_slots: int
    numbers: Callable
    step_sizes: Callable
    update: Callable


def _sgd_numbers(hyper):
    return hyper.momentum, hyper.nesterov


def _sgd_step_sizes(learning_rate, step, hyper):
    return (learning_rate,)


def _sgd(gradient, slots, kernels, step_sizes, numbers):
    """`v <- momentum v - rate g`; the change is v, or with Nesterov `momentum v - rate g` again."""
    (velocity,), (rate,), (momentum, nesterov) = slots, step_sizes, numbers
    velocity = momentum * velocity - rate * gradient
    ahead = momentum * velocity - rate * gradient
    return tf.where(nesterov > 0, ahead, velocity), (velocity,)


def _adam_numbers(hyper):
    return hyper.beta_1, 1 - hyper.beta_1, hyper.beta_2, 1 - hyper.beta_2, hyper.epsilon


def _adam_step_sizes(learning_rate, step, hyper):
    return (learning_rate * tf.sqrt(1 - hyper.beta_2**step) / (1 - hyper.beta_1**step),)


def _adam(gradient, slots, kernels, step_sizes, numbers):
    """Algorithm 1 of Kingma and Ba (2014), with both bias corrections moved into the step size."""
    (mean, square), (step_size, *_) = slots, step_sizes
    beta_1, gain_1, beta_2, gain_2, epsilon = numbers
    mean = beta_1 * mean + gain_1 * gradient
    square = beta_2 * square + gain_2 * gradient**2
    return -step_size * mean / (tf.sqrt(square) + epsilon), (mean, square)


def _adamw_step_sizes(learning_rate, step, hyper):
    return *_adam_step_sizes(learning_rate, step, hyper), learning_rate * hyper.weight_decay


def _adamw(gradient, slots, kernels, step_sizes, numbers):
    """Algorithm 2 of Loshchilov and Hutter (2019): kernels shrink apart from Adam's step."""
    change, slots = _adam(gradient, slots, kernels, step_sizes, numbers)
    _, decay = step_sizes
    return change - decay * kernels, slots


OPTIMIZERS = {
    "sgd": Optimizer(1, _sgd_numbers, _sgd_step_sizes, _sgd),
    "adam": Optimizer(2, _adam_numbers, _adam_step_sizes, _adam),
    "adamw": Optimizer(2, _adam_numbers, _adamw_step_sizes, _adamw),
}


def clipped(gradients, max_norm):
    """The arrays of a gradient, scaled down where the norm of all of them together exceeds max_norm.

    max_norm is `(K, 1)`.
    """
    squares = [tf.reduce_sum(gradient**2, axis=1, keepdims=True) for gradient in gradients]
    scale = max_norm / tf.maximum(tf.sqrt(tf.add_n(squares)), max_norm)
    return [scale * gradient for gradient in gradients]
