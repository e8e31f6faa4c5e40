"""The cost of a training step, and the sizes that share a program: limits that were measured.

Sizes are padded to a few values, so that networks of nearby sizes share a program. The measurements are
in `docs/benchmarks/decisions.md`. No TensorFlow.
"""

import math
from typing import Any

from scipy.sparse import issparse

# Ctrl-C drops the current chunk. Observers are called between chunks.
CHUNK_SECONDS, FIRST_CHUNK_SECONDS = 0.15, 0.06
"""How long a chunk may last, and by the estimate below the first one, since a core may be slower."""
MAX_STEPS = 4096
"""The most steps of a chunk. The smallest networks take 0.02 s for them, much longer than a call."""
MAX_ORDERS_BYTES = 2**23
"""The most bytes of a chunk's orders."""

LARGE_BYTES = 2**25
"""An X of more bytes is not copied, except for its last rows."""
COPIED_BYTES = 2**22
"""The most bytes of a large X that are copied, so that nearby numbers of rows share a program."""
LARGE_KERNEL = 2**14
"""An array of at least this many parameters is updated alone; smaller ones are updated together."""
SMALL_BATCH = 32
"""With ``batch_size="auto"``, partial_fit on at most this many rows uses a program of small batches."""
LARGE_SUM = 2**12
"""With at least this many entries, gradients of biases are sums by two rows of ones, else by one."""
VALIDATION_ROWS = 2048
"""The most validation rows that are read at a time."""
DENSE_FROM = 4
"""Sparse rows are made dense for a product if they would gather this many times as many numbers."""
FULL_BATCH_ROWS, LIGHT_ROWS = 2048, 256
"""The rows of a block in a step on all rows, and in a light one."""
LIGHT_MULTIPLY_ADDS = 6_000_000
"""The most multiply-adds of a light step. Its blocks are small, so that products use one thread."""
PROGRAM_SECONDS = 0.2
"""The assumed processor time of a program. Networks share one if padding costs less."""
SHARE_TRAINED = 0.3
"""The share of `max_iter` that networks mostly train, unless their patience is longer."""

STEP_SECONDS, MULTIPLY_ADDS = 5e-6, {"float32": 3e10, "float64": 1.5e10}
"""The fixed seconds of a step, and the multiply-adds per second, on one core of a current server."""
UPDATE = 90
"""The optimizer's update of a parameter takes as long as this many multiply-adds."""


def padded(size: int) -> int:
    """The padded size: 2, a multiple of 8 up to 256, then a multiple of 16, 32, ..."""
    if size <= 2:
        return 2
    step = max(8, 2 ** math.ceil(math.log2(size)) // 32)
    return step * math.ceil(size / step)


def power_of_two(size: float) -> int:
    """The least power of two that is at least `size`."""
    return 2 ** math.ceil(math.log2(max(size, 1)))


def is_large(X: Any) -> bool:
    """Whether X is too large to be copied for padding."""
    return (X.data.nbytes if issparse(X) else X.nbytes) > LARGE_BYTES


def step_seconds(batch: int, kernel_entries: int, n_parameters: int, dtype: str) -> float:
    """An estimate of the time of a step: forward, backward (twice as long) and the update."""
    multiply_adds = 3 * batch * kernel_entries + UPDATE * n_parameters
    return STEP_SECONDS + multiply_adds / MULTIPLY_ADDS[dtype]


def full_batch_rows(X: Any, kernel_entries: int) -> int:
    """The rows of a block in a step on all rows of X.

    Blocks of a sparse X are small: each entry gathers a row of the kernel, which needs memory.
    """
    n_samples = X.shape[0]
    is_light = 3 * n_samples * kernel_entries <= LIGHT_MULTIPLY_ADDS
    return min(LIGHT_ROWS if is_light or issparse(X) else FULL_BATCH_ROWS, padded(n_samples))
