"""The numbers of a stack's networks, in one array that goes into each chunk of training and comes out.

The array is float64 `(n_numbers, K)`: a row for each number, a column for each network. Each further
argument of a program would take as long as some steps of a small network.
"""

from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import numpy as np

from skdense.core.machine.runtime import tf
from skdense.core.network import Hyper, Progress


class Clock(NamedTuple):
    """The steps of this chunk and of an epoch, those of the epoch that are done, and the number of
    blocks of rows in a validation.
    """

    n_steps: Any
    steps_per_epoch: Any
    position: Any
    n_blocks: Any


class Shifts(NamedTuple):
    """What to add to the number of a row of features to find its targets, for data and validation."""

    shift: Any
    validation_shift: Any


class Sums(NamedTuple):
    """Sums over the minibatches of the epoch so far. A minibatch's mean loss counts once a row."""

    loss: Any
    rows: Any
    correct: Any
    weight: Any


class Numbers(NamedTuple):
    """The parts of the array, in its order. The names of all their fields differ."""

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
"""Which rows of the array each part has."""


class Fields:
    """The numbers of an array, as attributes: `(K,)`, or `(K, 1)` of an array `(n_numbers, K, 1)`.

    Make it inside the loop body that uses it. XLA drops the numbers that are not used there, but each
    number that was taken out of the array before the loop is one more variable of the loop.
    """

    def __init__(self, numbers):
        vars(self).update(zip(_FIELDS, tf.unstack(numbers)))


def replaced(numbers, **new):
    """The array with new numbers `(K,)` for the fields of these names.

    XLA makes one kernel of this selection. Where all numbers are stacked anew instead, an Adam step of
    a (2, 2) or (16, 16) network takes 1.4 times as long.
    """
    rows = np.arange(N_NUMBERS)[:, None]
    for field, number in new.items():
        numbers = tf.where(rows == _FIELDS.index(field), number, numbers)
    return numbers
