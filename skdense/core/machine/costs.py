"""What a step of training costs, and which sizes share a program: limits that were measured.

Sizes are padded to a few, so that nearby ones share a program. `docs/benchmarks/decisions.md` has the
measurements. No TensorFlow.
"""

import math
from typing import Any

from scipy.sparse import issparse

# Ctrl-C drops the chunk that is running. Observers are called between chunks.
CHUNK_SECONDS, FIRST_CHUNK_SECONDS = 0.15, 0.06
"""How long a chunk may last, and the first ones by the estimate below, as a core may be slower."""
MAX_STEPS = 4096
"""The most steps of a chunk: about 0.02 s of the smallest networks, against which a call is cheap."""
MAX_ORDERS_BYTES = 2**23
"""The most bytes of a chunk's orders."""

LARGE_BYTES = 2**25
"""An X of more bytes is used where it lies, but for its last rows: no copy of it is made."""
COPIED_BYTES = 2**22
"""The most bytes of a large X that are copied, so that nearby numbers of rows share a program."""
LARGE_KERNEL = 2**14
"""An array of at least this many parameters is updated by itself, all between two of these at once."""
SMALL_BATCH = 32
"""With ``batch_size="auto"``, partial_fit on at most this many rows uses a program of small batches."""
LARGE_SUM = 2**12
"""From this many entries on, the gradients of biases are summed by two rows of ones, not by one."""
VALIDATION_ROWS = 2048
"""The most validation rows that are read at a time."""
DENSE_FROM = 4
"""Sparse rows are made dense for a product where they would gather this many times more numbers."""
FULL_BATCH_ROWS, LIGHT_ROWS = 2048, 256
"""How many rows a step on all rows takes at a time, and how many if it is light."""
LIGHT_MULTIPLY_ADDS = 6_000_000
"""The most multiply-adds of a light step, whose blocks are so small that products use one thread."""
PROGRAM_SECONDS = 0.2
"""The processor time that a program is taken to cost. Networks share one where padding costs less."""
SHARE_TRAINED = 0.3
"""The share of `max_iter` that networks mostly train, unless their patience is longer."""

STEP_SECONDS, MULTIPLY_ADDS = 5e-6, {"float32": 3e10, "float64": 1.5e10}
"""What any step takes on a core of a present server, and how many multiply-adds it does a second."""
UPDATE = 90
"""So many multiply-adds take as long as the optimizer's update of a parameter."""


def padded(size: int) -> int:
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


def step_seconds(batch: int, kernel_entries: int, n_parameters: int, dtype: str) -> float:
    """About how long a step lasts: forward, twice as long backward, and the update."""
    multiply_adds = 3 * batch * kernel_entries + UPDATE * n_parameters
    return STEP_SECONDS + multiply_adds / MULTIPLY_ADDS[dtype]


def full_batch_rows(X: Any, kernel_entries: int) -> int:
    """How many rows a step on all rows of X takes at a time.

    A sparse X takes few: each of its entries gathers a row of the kernel, which needs memory.
    """
    n_samples = X.shape[0]
    is_light = 3 * n_samples * kernel_entries <= LIGHT_MULTIPLY_ADDS
    return min(LIGHT_ROWS if is_light or issparse(X) else FULL_BATCH_ROWS, padded(n_samples))
