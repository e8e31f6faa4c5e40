"""Gradient descent rules: plain, momentum and Nesterov SGD, Adam and AdamW; clipping gradients.

A rule sees gradients and parameters as vectors `(n,)` and knows nothing of layers. Its numbers are
scalars in the gradient's dtype.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from skdense.core.machine.tensorflow import tf
from skdense.core.numbers import Hyper, Tensor


class Optimizer(NamedTuple):
    """A pure update rule.

    Attributes
    ----------
    n_slots : int
        Number of arrays of the gradient's shape that the rule keeps from step to step. They start at
        zero.
    numbers : callable
        `numbers(learning_rate, step, hyper)` are the numbers that `update` needs in this step. `step`
        counts the network's steps from 1. They are computed in float64 and then rounded to the
        gradient's dtype.
    update : callable
        `update(gradient, slots, penalized, *numbers)` returns the change of the parameters and the new
        slots. `penalized` are the parameters before the step with zeros in
        the place of those that the penalty does not take, the biases.
    """

    n_slots: int
    numbers: Callable
    update: Callable


def _sgd_numbers(learning_rate: Tensor, step: Tensor, hyper: Hyper) -> tuple:
    return learning_rate, hyper.momentum, hyper.nesterov


def _sgd(gradient: Tensor, slots: Sequence[Tensor], penalized: Tensor, *numbers: Tensor) -> tuple:
    """`v <- momentum v - rate g`; the change is v, or with Nesterov `momentum v - rate g` again."""
    (velocity,), (rate, momentum, nesterov) = slots, numbers
    velocity = momentum * velocity - rate * gradient
    ahead = momentum * velocity - rate * gradient
    return tf.where(nesterov > 0, ahead, velocity), (velocity,)


def _adam_numbers(learning_rate: Tensor, step: Tensor, hyper: Hyper) -> tuple:
    step_size = learning_rate * tf.sqrt(1 - hyper.beta_2**step) / (1 - hyper.beta_1**step)
    return step_size, hyper.beta_1, 1 - hyper.beta_1, hyper.beta_2, 1 - hyper.beta_2, hyper.epsilon


def _adam(gradient: Tensor, slots: Sequence[Tensor], penalized: Tensor, *numbers: Tensor) -> tuple:
    """Algorithm 1 of Kingma and Ba (2014), with both bias corrections moved into the step size."""
    mean, square = slots
    step_size, beta_1, gain_1, beta_2, gain_2, epsilon = numbers
    mean = beta_1 * mean + gain_1 * gradient
    square = beta_2 * square + gain_2 * gradient**2
    return -step_size * mean / (tf.sqrt(square) + epsilon), (mean, square)


def _adamw_numbers(learning_rate: Tensor, step: Tensor, hyper: Hyper) -> tuple:
    return learning_rate * hyper.weight_decay, *_adam_numbers(learning_rate, step, hyper)


def _adamw(gradient: Tensor, slots: Sequence[Tensor], penalized: Tensor, *numbers: Tensor) -> tuple:
    """Algorithm 2 of Loshchilov and Hutter (2019): kernels shrink apart from Adam's step."""
    decay, *adam_numbers = numbers
    change, slots = _adam(gradient, slots, penalized, *adam_numbers)
    return change - decay * penalized, slots


OPTIMIZERS = {
    "sgd": Optimizer(1, _sgd_numbers, _sgd),
    "adam": Optimizer(2, _adam_numbers, _adam),
    "adamw": Optimizer(2, _adamw_numbers, _adamw),
}
*_names, _last = map(repr, sorted(OPTIMIZERS))
ANY_OPTIMIZER = f"{', '.join(_names)} or {_last}"
"""The names for error messages: "use 'adam', 'adamw' or 'sgd'"."""


def clipped(gradients: Sequence[Tensor], max_norm: Tensor) -> list[Tensor]:
    """The vectors of a gradient, scaled down if the norm of all of them together exceeds max_norm."""
    squares = [tf.reduce_sum(gradient**2) for gradient in gradients]
    scale = max_norm / tf.maximum(tf.sqrt(tf.add_n(squares)), max_norm)
    return [scale * gradient for gradient in gradients]
