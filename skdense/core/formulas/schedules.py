"""How the learning rate changes.

Every program contains all schedules of epochs and chooses by number, so no schedule compiles a program
of its own. Only the programs that need it contain `lr_factor`, how the rate changes from step to step.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from skdense.core.machine.tensorflow import tf
from skdense.core.numbers import Hyper, Tensor

SMALLEST_RATE = 1e-6
"""A schedule with `slows_down` stops at a plateau once its rate is no larger than this."""
SLOWDOWN = 5
"""A schedule with `slows_down` divides its rate by this at a plateau."""


class Schedule(NamedTuple):
    """A schedule.

    Attributes
    ----------
    number : int
        What stands for it in `Hyper.schedule`.
    after_epoch : callable or None
        `after_epoch(samples_seen, hyper)` is the rate of the next epoch, from the number of samples
        seen in all epochs. None leaves the rate as it is.
    slows_down : bool
        Whether at a plateau, where other schedules stop, it lowers the rate and goes on.
    within_epochs : bool
        Whether it changes the rate from step to step, by `lr_factor`.
    ignored_by : tuple of str
        The optimizers that keep a constant rate instead, as MLPClassifier's Adam does.
    """

    number: int
    after_epoch: Callable | None = None
    slows_down: bool = False
    within_epochs: bool = False
    ignored_by: tuple = ()


def _inverse_scaling(samples_seen: Tensor, hyper: Hyper) -> Tensor:
    return hyper.learning_rate_init / (samples_seen + 1) ** hyper.power_t


SCHEDULES = {
    "constant": Schedule(0),
    "invscaling": Schedule(1, _inverse_scaling, ignored_by=("adam",)),
    "adaptive": Schedule(2, slows_down=True, ignored_by=("adam",)),
    "cosine": Schedule(3, within_epochs=True),
}


def lr_factor(step: Tensor, hyper: Hyper) -> Tensor:
    """The factor on the epoch's learning rate, in the step that follows `step` others.

    It rises linearly over the warm-up, up to 1. With the cosine schedule it then falls to 0 over the
    rest of `schedule_epochs` epochs, as in SGDR (Loshchilov and Hutter, 2017), and if training goes on
    after them it starts again at 1.
    """
    steps_per_epoch = tf.math.ceil(hyper.n_samples / hyper.batch_size)
    warmup = hyper.warmup * steps_per_epoch
    rest = tf.maximum(hyper.schedule_epochs * steps_per_epoch - warmup, 1)
    angle = np.pi * tf.math.floormod((step - warmup) / rest, 1)
    is_cosine = hyper.schedule == SCHEDULES["cosine"].number
    after_warmup = tf.where(is_cosine, (1 + tf.cos(angle)) / 2, 1)
    return tf.where(step < warmup, tf.minimum((step + 1) / warmup, 1), after_warmup)
