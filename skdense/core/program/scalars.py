"""The scalars of a training, packed into two vectors, float64, that a program takes.

`settings` stay as they are in a call: its `Limits` and `Hyper`. `Scalars` change, and a program returns
them. Packed, they are changed by one kernel, and a kernel takes about 10 ms to compile; and each
argument of a program takes as long as some steps of a small network.
"""

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skdense.core.machine.tensorflow import tf
from skdense.core.numbers import Curves, Hyper, Progress, Tensor


class Limits(NamedTuple):
    """Where loops end: the number of steps in this call and in an epoch, and of validation blocks."""

    n_steps: Any
    steps_per_epoch: Any
    n_blocks: Any


class Counters(NamedTuple):
    """The steps and the epochs done in this call, the steps done in this epoch, and sums over them.

    `loss` is the sum of each minibatch's mean loss times its rows.
    """

    steps: Any = 0.0
    epochs: Any = 0.0
    position: Any = 0.0
    loss: Any = 0.0
    rows: Any = 0.0
    correct: Any = 0.0
    weight: Any = 0.0


class Epoch(NamedTuple):
    """The last epoch's point of each curve, and whether it has the best validation score so far."""

    loss: Any = 0.0
    accuracy: Any = 0.0
    learning_rate: Any = 0.0
    validation_loss: Any = 0.0
    validation_score: Any = 0.0
    is_best: Any = 0.0


class Scalars(NamedTuple):
    """All that changes, in the order of the vector."""

    counters: Counters
    progress: Progress
    epoch: Epoch


N_SETTINGS = len(Limits._fields) + len(Hyper._fields)
_PARTS: tuple[Any, ...] = (Counters, Progress, Epoch)
_ENDS = [0, *accumulate(len(part._fields) for part in _PARTS)]
N_SCALARS = _ENDS[-1]
_CURVES = slice(_ENDS[2], _ENDS[2] + len(Curves._fields))


def pack_settings(limits: Limits, hyper: Hyper) -> NDArray:
    """The vector of settings."""
    return np.array([*limits, *hyper], np.float64)


def pack_scalars(scalars: Scalars) -> NDArray:
    """The vector of scalars."""
    return np.array([number for part in scalars for number in part], np.float64)


def split_scalars(values: Sequence) -> Scalars:
    """The scalars from a sequence of them."""
    parts = zip(_PARTS, pairwise(_ENDS))
    return Scalars(*(part(*values[start:stop]) for part, (start, stop) in parts))


def unpack_settings(vector: Tensor, dtype: Any = "float64") -> tuple[Limits, Hyper]:
    """The settings in a tensor, as scalars of this dtype.

    Unpack them inside the body of the loop that uses them: there XLA drops those that are not used,
    while each that is unpacked before a loop is a variable of it.
    """
    values = tf.unstack(tf.cast(vector, dtype))
    return Limits(*values[: len(Limits._fields)]), Hyper(*values[len(Limits._fields) :])


def unpack_scalars(vector: Tensor) -> Scalars:
    """The scalars in a tensor."""
    return split_scalars(tf.unstack(vector))


def packed(*parts: tuple) -> Tensor:
    """The tensor of scalars from its parts, of scalar tensors and floats.

    XLA makes one kernel of this chain of selections. Of `tf.stack` it makes a kernel for each scalar
    besides.
    """
    values = [value for part in parts for value in part]
    constants = [value if isinstance(value, float) else 0.0 for value in values]
    vector = tf.constant(constants, tf.float64)
    for place, value in enumerate(values):
        if not isinstance(value, float):
            vector = tf.where(np.arange(len(values)) == place, value, vector)
    return vector


def curves_of(vector: Tensor, n_curves: int) -> Tensor:
    """The first curves' points of the last epoch, from a tensor of scalars."""
    return vector[_CURVES.start : _CURVES.start + n_curves]


_UNCHANGED = Progress(*[0.0] * len(Progress._fields))


def after_step(vector: Tensor, new: Counters, effective: Tensor) -> Tensor:
    """The scalars after a step, given what it adds to the counters.

    A step that is not effective, as its minibatch has no weight, only takes its place in the epoch.
    """
    added = packed(new, _UNCHANGED._replace(step=1.0), Epoch())
    only_place = packed(Counters(steps=1.0, position=1.0), _UNCHANGED, Epoch())
    return vector + tf.where(effective, added, only_place)
