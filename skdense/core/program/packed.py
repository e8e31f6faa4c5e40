"""The numbers of a stack's networks, packed into one array that a chunk of training takes and returns.

The array is float64 `(n_numbers, K)`, with a row for each number and a column for each network. Each
further argument of a program would take as long as some steps of a small network.
"""

from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import numpy as np

from skdense.core.machine.runtime import tf
from skdense.core.network import Hyper, Progress


class Clock(NamedTuple):
    """Counts of steps: in this chunk, in an epoch, done in this epoch; and of a validation's blocks."""

    n_steps: Any
    steps_per_epoch: Any
    position: Any
    n_blocks: Any


class Shifts(NamedTuple):
    """What to add to the index of a row's features in a table to get that of its targets."""

    shift: Any
    validation_shift: Any


class Sums(NamedTuple):
    """Sums over the minibatches of this epoch so far; `loss` counts a mean loss once for each row."""

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
"""The rows of the array that each part has, as slices."""


class Fields:
    """The numbers of an array, as attributes: `(K,)`, or `(K, 1)` of an array `(n_numbers, K, 1)`.

    Make it inside the body of the loop that uses it. There XLA drops unused numbers; numbers taken out
    of the array before the loop would each be a variable of the loop.
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
