"""All numbers of a network that go into a chunk of training and come out of it, in one array.

The array is float64 `(n_numbers, K)`: XLA makes a kernel of everything that is cut out of an argument,
and one argument of a program costs as much as some steps of a small network.
"""

from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import numpy as np

from skdense.core.machine.runtime import tf
from skdense.core.network import Hyper, Progress


class Clock(NamedTuple):
    """How many steps a chunk has and an epoch, how many of the epoch are over, and the blocks of rows
    that a validation takes.
    """

    n_steps: Any
    steps_per_epoch: Any
    position: Any
    n_blocks: Any


class Shifts(NamedTuple):
    """What leads from a row of a table to its targets, for the data and for the validation data."""

    shift: Any
    validation_shift: Any


class Sums(NamedTuple):
    """What adds up over an epoch's minibatches: losses count by rows."""

    loss: Any
    rows: Any
    correct: Any
    weight: Any


class Numbers(NamedTuple):
    """The parts of the array, in its order. No two of them have a number of the same name."""

    clock: Clock
    shifts: Shifts
    hyper: Hyper
    progress: Progress
    sums: Sums


_PARTS = tuple(Numbers.__annotations__.values())
_FIELDS = [field for part in _PARTS for field in part._fields]
_ENDS = accumulate((len(part._fields) for part in _PARTS), initial=0)

N_NUMBERS = len(_FIELDS)
ROWS = Numbers(*(slice(start, stop) for start, stop in pairwise(_ENDS)))
"""Which rows of the array are which part."""


class Fields:
    """The numbers of an array, as attributes: `(K,)`, or `(K, 1)` of an array `(n_numbers, K, 1)`.

    It is to be made within the loop's body that uses it: what is not used there costs nothing, but
    each number that comes from outside would be an argument of the loop.
    """

    def __init__(self, numbers):
        vars(self).update(zip(_FIELDS, tf.unstack(numbers)))


def replaced(numbers, **new):
    """The array with new numbers `(K,)` in the place of those of the same names.

    It is made by selection, which XLA does in one kernel, unlike stacking.
    """
    rows = np.arange(N_NUMBERS)[:, None]
    for field, number in new.items():
        numbers = tf.where(rows == _FIELDS.index(field), number, numbers)
    return numbers
