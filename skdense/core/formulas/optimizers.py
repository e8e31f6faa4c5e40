"""Optimizers: how a gradient becomes the change of the parameters, as a chain of transforms.

In a hand-written loop this is the line `w.assign_sub(learning_rate * gradient)`, or the call of
`optimizer.apply_gradients`. As in Optax, an optimizer is a chain: clip the gradient, scale it by Adam's
moments or by momentum, let kernels decay. Each transform is one record with its settings,
and all else is made from the records: the constraints of the estimators' parameters, what a program
takes, and what `partial_fit` keeps. A transform sees vectors `(n,)` and knows nothing of layers.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from skdense.core.formulas.schedules import RATE, SCHEDULES
from skdense.core.machine.tensorflow import tf
from skdense.core.network import Allowed, Settings, Spec, Tensor


class Transform(NamedTuple):
    """A link of a chain, as pure functions.

    Attributes
    ----------
    takes : dict of str to Allowed
        The settings that it takes, by the names of the estimators' parameters.
    update : callable
        `update(change, slots, penalized, *settings)` returns the change that the next link gets, or the
        change of the parameters, and the new slots. The first link gets the gradient. `penalized` are
        the parameters before the step with zeros in the place of those that the penalty does not take,
        the biases.
    n_slots : int
        Number of arrays of the gradient's shape that are kept from step to step. They start at zero.
    in_step : callable
        `in_step(rate, step, *settings)` are the numbers that `update` takes in this step, by default
        the settings; `step` counts the network's steps from 1. They are computed in float64 and then
        rounded to the gradient's dtype.
    shared_number : callable or None
        `shared_number(changes, *settings)` is one more number for `update`, computed from the vectors
        of all parameters together.
    """

    takes: dict[str, Allowed]
    update: Callable
    n_slots: int = 0
    in_step: Callable = lambda rate, step, *settings: settings
    shared_number: Callable | None = None


def _factor(gradients: Sequence[Tensor], max_norm: Tensor) -> Tensor:
    """1, or less if the norm of all vectors together exceeds max_norm.

    In float32, squares of gradients beyond 1e19 would be infinite.
    """
    squares = [tf.reduce_sum(tf.cast(gradient, tf.float64) ** 2) for gradient in gradients]
    limit = tf.cast(max_norm, tf.float64)
    return tf.cast(limit / tf.maximum(tf.sqrt(tf.add_n(squares)), limit), gradients[0].dtype)


CLIP = Transform(
    {"max_grad_norm": Allowed(closed="neither", or_none=True)},
    lambda gradient, slots, penalized, max_norm, factor: (factor * gradient, ()),
    shared_number=_factor,
)
"""Scales a gradient down to a norm. It is the first link wherever there is a limit."""


def _momentum(gradient: Tensor, slots: Sequence[Tensor], penalized: Tensor, *numbers: Tensor) -> tuple:
    """`v <- momentum v - rate g`; the change is v, or with Nesterov `momentum v - rate g` again."""
    (velocity,), (rate, momentum, nesterov) = slots, numbers
    velocity = momentum * velocity - rate * gradient
    ahead = momentum * velocity - rate * gradient
    return tf.where(nesterov > 0, ahead, velocity), (velocity,)


MOMENTUM = Transform(
    {"momentum": Allowed(0, 1, "both"), "nesterovs_momentum": Allowed(is_flag=True)},
    _momentum,
    n_slots=1,
    in_step=lambda rate, step, momentum, nesterov: (rate, momentum, nesterov),
)


def _moments_in_step(
    rate: Tensor, step: Tensor, beta_1: Tensor, beta_2: Tensor, epsilon: Tensor
) -> tuple:
    step_size = rate * tf.sqrt(1 - beta_2**step) / (1 - beta_1**step)
    return step_size, beta_1, 1 - beta_1, beta_2, 1 - beta_2, epsilon


def _moments(gradient: Tensor, slots: Sequence[Tensor], penalized: Tensor, *numbers: Tensor) -> tuple:
    """Algorithm 1 of Kingma and Ba (2014), with both bias corrections moved into the step size."""
    mean, square = slots
    step_size, beta_1, gain_1, beta_2, gain_2, epsilon = numbers
    # XLA rounds subnormal numbers to 0. With such an epsilon a unit without gradient divides 0 by 0.
    epsilon = tf.maximum(epsilon, float(np.finfo(gradient.dtype.as_numpy_dtype).tiny))
    mean = beta_1 * mean + gain_1 * gradient
    square = beta_2 * square + gain_2 * gradient**2
    return -step_size * mean / (tf.sqrt(square) + epsilon), (mean, square)


MOMENTS = Transform(
    {"beta_1": Allowed(0, 1), "beta_2": Allowed(0, 1), "epsilon": Allowed(closed="neither")},
    _moments,
    n_slots=2,
    in_step=_moments_in_step,
)
DECAY = Transform(
    {"weight_decay": Allowed()},
    lambda change, slots, penalized, decay: (change - decay * penalized, ()),
    in_step=lambda rate, step, weight_decay: (rate * weight_decay,),
)
"""Lets kernels shrink apart from the gradient: Algorithm 2 of Loshchilov and Hutter (2019)."""

OPTIMIZERS = {"sgd": (MOMENTUM,), "adam": (MOMENTS,), "adamw": (MOMENTS, DECAY)}
*_names, _last = map(repr, sorted(OPTIMIZERS))
ANY_OPTIMIZER = f"{', '.join(_names)} or {_last}"
"""The names for error messages: "use 'adam', 'adamw' or 'sgd'"."""


def allowed_settings(optimizer: str) -> dict[str, Allowed]:
    """The settings of an optimizer, by name: of the rate, of all schedules, and of its chain."""
    records = *SCHEDULES.values(), CLIP, *OPTIMIZERS.get(optimizer, ())
    return RATE | {name: setting for record in records for name, setting in record.takes.items()}


class Chain:
    """The chain of a program.

    Attributes
    ----------
    links : tuple of Transform
    n_slots : int
    """

    def __init__(self, spec: Spec):
        links: tuple[Transform, ...] = OPTIMIZERS[spec.solver]
        self.links = (CLIP, *links) if spec.clips else links
        self.n_slots = sum(link.n_slots for link in self.links)

    def update(
        self,
        gradients: Sequence[Tensor],
        slots: Sequence[Sequence[Tensor]],
        penalized: Sequence[Tensor],
        rate: Tensor,
        step: Tensor,
        settings: Settings,
    ) -> tuple[Sequence[Tensor], list]:
        """The changes of the parameters and the new slots, each a list of vectors as the gradients.

        The learning rate, the step, counted from 1, and the settings are float64.
        """
        changes, dtype, new_slots = gradients, gradients[0].dtype, []
        for link in self.links:
            numbers = link.in_step(rate, step, *(settings[name] for name in link.takes))
            numbers = [tf.cast(number, dtype) for number in numbers]
            if link.shared_number is not None:
                numbers.append(link.shared_number(changes, *numbers))
            link_slots = slots[len(new_slots) :][: link.n_slots]
            slots_by_vector = zip(*link_slots) if link_slots else [()] * len(changes)
            vectors = zip(changes, slots_by_vector, penalized, strict=True)
            updated = [link.update(*arguments, *numbers) for arguments in vectors]
            changes = [change for change, _ in updated]
            new_slots += zip(*(slots_after for _, slots_after in updated))
        return changes, new_slots
