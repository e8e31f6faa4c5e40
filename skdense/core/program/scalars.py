"""The scalars of a training, packed into two vectors, float64, that a program takes.

`settings` stay as they are in a call: the clock and `Hyper`. `scalars` are the counters of the epoch
and `Progress`; a program returns them. Each further argument of a program would take as long as some
steps of a small network.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skdense.core.machine.runtime import tf
from skdense.core.network import Hyper, Progress


class Clock(NamedTuple):
    """How many steps this call has, an epoch has, and how many blocks a validation has."""

    n_steps: Any
    steps_per_epoch: Any
    n_blocks: Any


class Counters(NamedTuple):
    """The steps done in this epoch, and sums over them; `loss` is the sum of mean loss times rows."""

    position: Any = 0.0
    loss: Any = 0.0
    rows: Any = 0.0
    correct: Any = 0.0
    weight: Any = 0.0


N_SETTINGS = len(Clock._fields) + len(Hyper._fields)
N_SCALARS = len(Counters._fields) + len(Progress._fields)


def pack_settings(clock: Clock, hyper: Hyper) -> NDArray:
    """The vector of settings."""
    return np.array([*clock, *hyper], np.float64)


def pack_scalars(counters: Counters, progress: Progress) -> NDArray:
    """The vector of scalars."""
    return np.array([*counters, *progress], np.float64)


def unpack_scalars(scalars: NDArray) -> tuple[Counters, Progress]:
    """What a vector of scalars holds, as floats."""
    values = scalars.tolist()
    return Counters(*values[: len(Counters._fields)]), Progress(*values[len(Counters._fields) :])


class Settings:
    """The settings in a program. Unpack them inside the body of the loop that uses them: there XLA
    drops those that are not used, while each that is unpacked before a loop is a variable of it.
    """

    def __init__(self, settings):
        self._settings = settings

    @property
    def clock(self) -> Clock:
        return Clock(*tf.unstack(self._settings[: len(Clock._fields)]))

    @property
    def hyper(self) -> Hyper:
        return self.hyper_in(tf.float64)

    def hyper_in(self, dtype) -> Hyper:
        """`Hyper` as scalars of this dtype."""
        return Hyper(*tf.unstack(tf.cast(self._settings[len(Clock._fields) :], dtype)))


def counters_of(scalars) -> Counters:
    """The counters in a tensor of scalars."""
    return Counters(*tf.unstack(scalars[: len(Counters._fields)]))


def progress_of(scalars) -> Progress:
    """The progress in a tensor of scalars."""
    return Progress(*tf.unstack(scalars[len(Counters._fields) :]))


def as_vector(values):
    """A vector of scalar tensors and floats, float64.

    XLA makes one kernel of this chain of selections, of which `tf.stack` would be one and each scalar
    another; compiling a kernel takes about 10 ms.
    """
    places, vector = tf.range(len(values)), tf.zeros([len(values)], tf.float64)
    for place, value in enumerate(values):
        if not (isinstance(value, float) and value == 0):
            vector = tf.where(places == place, tf.cast(value, tf.float64), vector)
    return vector


def pack_tensors(counters: Counters, progress: Progress):
    """The tensor of scalars."""
    return as_vector((*counters, *progress))


def after_step(scalars, new: Counters, effective):
    """The scalars after a step, given what it adds to the counters.

    A step that is not effective, as its minibatch has no weight, only takes its place in the epoch.
    """
    one_step = Progress(*[0.0] * len(Progress._fields))._replace(step=1.0)
    only_position = Counters(position=1.0), one_step._replace(step=0.0)
    added = tf.where(effective, pack_tensors(new, one_step), pack_tensors(*only_position))
    return scalars + added
