"""What a step of training costs, and which sizes share a program: limits that were measured.

The measurements are of two cores of a server (AMD EPYC). Sizes are padded to buckets, so that nearby
ones share a program. No TensorFlow.
"""

import math
from typing import Any, NamedTuple

from scipy.sparse import issparse

CHUNK_SECONDS = 0.15
"""How long a chunk of steps may last; Ctrl-C is answered in between."""
MAX_STEPS = 4096
"""The most steps of a chunk: about 0.02 s of the smallest networks, against which a call is cheap."""
MAX_ORDERS_BYTES = 2**23
"""The most bytes of a chunk's orders."""

LARGE_BYTES = 2**25
"""An X of more bytes is used where it lies, but for its last rows: no copy of it is made."""
COPIED_BYTES = 2**22
"""The most bytes of a large X that are copied, so that nearby numbers of rows share a program.

A program gathers from the copy and from the rest of X in the same time as from one array. Microseconds
for 200 random rows, float32, in both cases:

    20 features, of 80 MB      17 to 26
    784 features, of 190 MB    63 to 95
"""
LARGE_KERNEL = 2**14
"""An array of at least this many parameters is updated by itself; all others are one vector.

With one vector an optimizer's step is one operation, which is most of the speed of small networks. For
larger arrays, from about 128 x 128 on, copying into the vector costs more than that saves.
"""
SMALL_BATCH = 32
"""A partial_fit on at most this many rows uses a program for small minibatches.

Milliseconds of a call on 32 rows, 64 features, 100 units, by the rows that the program has room for:

    32     2.0
    200    2.9
"""
LARGE_SUM = 2**12
"""The gradient of biases, a sum over at least this many numbers, uses a matrix of ones, not a vector.

Microseconds of a product with a matrix and with a vector:

    200 x 512, float64    50    600
    200 x 100, float32     4      8
    200 x 10, float32      2      1
"""
VALIDATION_ROWS = 2048
"""The most validation rows that are read at a time."""
DENSE_FROM = 4
"""A sparse row is made dense for a product if the kernel rows to gather are this many times larger."""
FULL_BATCH_ROWS, LIGHT_ROWS = 2048, 256
"""How many rows a step on all rows takes at a time, and how many if it is light."""
LIGHT_MULTIPLY_ADDS = 6_000_000
"""The most multiply-adds of a light step.

Its blocks are so small that each product stays on one thread: other threads fall asleep between two
steps, and to wake them takes longer than they save. Milliseconds of an evaluation by lbfgs, 20 units:

    blocks of         256 rows    2048 rows
    2,000 x 20        0.40        0.52
"""
PROGRAM_SECONDS = 0.2
"""The processor time that a program is taken to cost. Networks share one where padding costs less.

A program takes about 0.9 s to compile and 0.15 s to read from disk. Seconds of processor time of a
pruned search of 64 candidates of many widths, of a process with an empty and with a full folder of
programs, and of a later search, and how many programs it has (two Intel cores):

    PROGRAM_SECONDS    breast_cancer              digits
    0.5                34.9, 17.2, 14.3 (11)      75, 36.6, 34.2 (17)
    0.2                36.6, 13.2, 10.6 (13)
    0.1                34.1, 12.2, 9.7 (15)       93, 37.1, 33.1 (31)
    0.05               38.0, 11.7, 8.4 (21)       107, 40.2, 32.9 (39)
"""
SHARE_TRAINED = 0.3
"""The share of `max_iter` that networks mostly train, unless their patience is longer."""


class Machine(NamedTuple):
    """What a step costs: seconds in any case, and multiply-adds a second."""

    step_seconds: float
    multiply_adds_per_second: float

    def seconds(self, multiply_adds: float) -> float:
        """How long a step of so many multiply-adds lasts."""
        return self.step_seconds + multiply_adds / self.multiply_adds_per_second


TYPICAL = {"float32": Machine(5e-6, 3e10), "float64": Machine(5e-6, 1.5e10)}
"""A core of a present server, by the type of numbers. A step of a (2, 2) network takes 4 to 6
microseconds.
"""
UPDATE = 90
"""As many multiply-adds take as long as the optimizer's update of a parameter.

With it, and `TYPICAL`, microseconds of a step of two networks at a time, on a core each, with 64
features and 10 outputs, measured / estimated:

    batch    units        float32      float64
    32       100          45 / 51      112 / 97
    200      32           105 / 60     159 / 114
    200      100          160 / 176    328 / 346
    200      (128, 64)    277 / 397    706 / 789
"""
FAST = Machine(1e-6, 1e11)
"""Faster than any core seen: it decides for how many steps of a chunk there is room."""
SLOW = Machine(1e-5, 2e9)
"""Slower than any core seen: it decides how many steps the first chunk has."""


def bucket(size: int) -> int:
    """The size that `size` is padded to: 2, a multiple of 8 up to 256, then of 16, 32, ..."""
    if size <= 2:
        return 2
    step = max(8, 2 ** math.ceil(math.log2(size)) // 32)
    return step * math.ceil(size / step)


def power_of_two(size: float) -> int:
    """The least power of two that is at least `size`."""
    return 2 ** math.ceil(math.log2(max(size, 1)))


def is_large(X: Any) -> bool:
    """Whether X is used where it lies, since padding would copy many bytes."""
    return (X.data.nbytes if issparse(X) else X.nbytes) > LARGE_BYTES


def step_multiply_adds(batch: int, kernel_entries: int) -> int:
    """About how many multiply-adds a step takes: forward, and twice as many backward."""
    return 3 * batch * kernel_entries


def full_batch_rows(X: Any, kernel_entries: int) -> int:
    """How many rows a step on all rows of X takes at a time.

    A sparse X takes few: each of its entries gathers a row of the kernel, which needs memory.
    """
    n_samples = X.shape[0]
    is_light = step_multiply_adds(n_samples, kernel_entries) <= LIGHT_MULTIPLY_ADDS
    return min(LIGHT_ROWS if is_light or issparse(X) else FULL_BATCH_ROWS, bucket(n_samples))
