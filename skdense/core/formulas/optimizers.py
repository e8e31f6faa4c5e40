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
        Number of arrays of the gradient's shape that the rule carries from step to step. They start
        at zero.
    n_waiting : int
        Number of further ones, in which something waits for `change`: no `collect` reads them.
    numbers : callable
        `numbers(hyper)` gives what the rule takes of the numbers, in float64: they are rounded to the
        gradient's dtype afterwards, once for all steps.
    step_sizes : callable
        `step_sizes(learning_rate, step, hyper)` gives the factors of this step, in float64 too, from
        numbers `(K,)`. `step` counts the network's steps from 1.
    collect : callable
        `collect(gradient, slots, step_sizes, numbers)` gives the slots after the step, those that wait
        among them.
    change : callable
        `change(slots, kernels, step_sizes, numbers)` gives the change of the parameters in a step that
        has left these slots. `kernels` are the parameters with zeros for biases.
    """

    n_slots: int
    n_waiting: int
    numbers: Callable
    step_sizes: Callable
    collect: Callable
    change: Callable


def _sgd_numbers(hyper):
    return hyper.momentum, hyper.nesterov


def _sgd_step_sizes(learning_rate, step, hyper):
    return (learning_rate,)


def _sgd_collect(gradient, slots, step_sizes, numbers):
    """`v <- momentum v - rate g`; the change is v, or with Nesterov `momentum v - rate g` again."""
    (velocity, _), (rate,), (momentum, nesterov) = slots, step_sizes, numbers
    velocity = momentum * velocity - rate * gradient
    ahead = momentum * velocity - rate * gradient
    return velocity, tf.where(nesterov > 0, ahead, velocity)


def _sgd_change(slots, kernels, step_sizes, numbers):
    return slots[1]


def _adam_numbers(hyper):
    return hyper.beta_1, 1 - hyper.beta_1, hyper.beta_2, 1 - hyper.beta_2, hyper.epsilon


def _adam_step_sizes(learning_rate, step, hyper):
    return (learning_rate * tf.sqrt(1 - hyper.beta_2**step) / (1 - hyper.beta_1**step),)


def _adam_collect(gradient, slots, step_sizes, numbers):
    """Algorithm 1 of Kingma and Ba (2014), with both bias corrections moved into the step size."""
    mean, square = slots
    beta_1, gain_1, beta_2, gain_2, _ = numbers
    return beta_1 * mean + gain_1 * gradient, beta_2 * square + gain_2 * gradient**2


def _adam_change(slots, kernels, step_sizes, numbers):
    mean, square = slots
    step_size, *_ = step_sizes
    *_, epsilon = numbers
    return -step_size * mean / (tf.sqrt(square) + epsilon)


def _adamw_step_sizes(learning_rate, step, hyper):
    return *_adam_step_sizes(learning_rate, step, hyper), learning_rate * hyper.weight_decay


def _adamw_change(slots, kernels, step_sizes, numbers):
    """Algorithm 2 of Loshchilov and Hutter (2019): kernels shrink apart from Adam's step."""
    _, decay = step_sizes
    return _adam_change(slots, kernels, step_sizes, numbers) - decay * kernels


OPTIMIZERS = {
    "sgd": Optimizer(1, 1, _sgd_numbers, _sgd_step_sizes, _sgd_collect, _sgd_change),
    "adam": Optimizer(2, 0, _adam_numbers, _adam_step_sizes, _adam_collect, _adam_change),
    "adamw": Optimizer(2, 0, _adam_numbers, _adamw_step_sizes, _adam_collect, _adamw_change),
}


def clipped(gradients, max_norm):
    """The arrays of a gradient, made shorter where their norm, of all together, exceeds max_norm.

    max_norm is `(K, 1)`.
    """
    squares = [tf.reduce_sum(gradient**2, axis=1, keepdims=True) for gradient in gradients]
    scale = max_norm / tf.maximum(tf.sqrt(tf.add_n(squares)), max_norm)
    return [scale * gradient for gradient in gradients]
