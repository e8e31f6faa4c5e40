"""Which sizes share a compiled program and what training costs: all numbers that a machine has decided.

Sizes are padded to buckets, so that nearby ones share a program. Padding never changes a result beyond
rounding: padded units stay at zero, no minibatch names a padded row, and its padded positions have
weight zero. No TensorFlow.
"""

import math
from itertools import pairwise
from typing import NamedTuple

from scipy.sparse import issparse

STACK_HEIGHT = 8
"""The number of networks that a stack trains at once; 32 gained nothing over 8.

A stack is used only if its group has as many networks, and there are as many for every thread. The
microseconds of a network's step, alone and in a stack, in float32 with 2 features and batches of 100:

    networks          (2, 2)     (16, 16)    (100,)
    4 on one core     7.7, 10.5  24.1, 30.6  26.6, 29.8
    8 on one core     7.5, 6.7   23.8, 17.0  23.0, 16.6
    8 on two cores    7.3, 6.6   25.6, 23.7  20.0, 22.5
    16 on two cores   7.9, 6.6   25.3, 20.1  19.7, 12.4
"""

STACKED_MULTIPLY_ADDS = {"float32": 600_000, "float64": 0}
"""Networks whose steps have at most this many multiply-adds train faster in stacks than alone.

Measured with 32 networks on two cores, with 2 and 20 features and batches of 100: in float32, stacks
are 1.1 times as fast for widths of (2, 2), and 1.3 to 1.5 times from (4, 4) to (32, 32). In float64
they are 1.0 to 1.3 times as fast, which does not pay for compiling a program of their own.
"""

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

To gather from two arrays takes as long as from one: 200 rows of 20 or 784 features, in float32 and at
random from 80 or 190 MB, take 17 to 26 and 63 to 95 microseconds.
"""
LARGE_KERNEL = 2**14
"""Kernels from this size on are updated by themselves.

All others are one vector, so that an optimizer's step is one operation, which is most of the speed of
small networks; but copies into that vector cost more than they save from about (128, 128) on.
"""
SMALL_BATCH = 32
"""A partial_fit on at most this many rows uses a program for small minibatches.

With 100 units on 64 features a call takes 2.0 ms, and 2.9 ms in a program for minibatches of 200.
"""
LARGE_SUM = 2**12
"""The gradient of biases, a sum over at least this many numbers, uses a matrix of ones, not a vector.

For 200 x 512 numbers in float64 a matrix takes 50 microseconds and a vector 600, for 200 x 100 in
float32 4 and 8, and for 200 x 10 2 and 1.
"""
MAX_SHARED_SAMPLES = 20_000
"""The most samples of networks that share their orders, which are kept for those that are behind."""
DENSE_FROM = 4
"""A sparse row is made dense for a product if the kernel rows to gather are this many times larger."""
FULL_BATCH_ROWS, LIGHT_ROWS = 2048, 256
"""How many rows a step on all rows takes at a time, and how many if it is light."""
LIGHT_MULTIPLY_ADDS = 6_000_000
"""The most multiply-adds of a light step.

Its blocks are so small that each product stays on one thread: other threads fall asleep between two
steps, and waking them takes longer. With 20 units, lbfgs evaluates 2,000 x 20 in 0.40 ms, and in 0.52
ms with the larger blocks, which are faster for 10,000 x 20.
"""


class Machine(NamedTuple):
    """What a step costs: seconds in any case, and multiply-adds a second."""

    step_seconds: float
    multiply_adds_per_second: float

    def seconds(self, multiply_adds):
        """How long a step of so many multiply-adds lasts."""
        return self.step_seconds + multiply_adds / self.multiply_adds_per_second


TYPICAL = Machine(5e-6, 1e10)
"""A core of a present server: a step of a (2, 2) network takes 4 to 6 microseconds."""
FAST = Machine(1e-6, 1e11)
"""Faster than any core seen: it decides for how many steps of a chunk there is room."""
SLOW = Machine(1e-5, 2e9)
"""Slower than any core seen: it decides how many steps the first chunk has."""


def bucket(size):
    """The size that `size` is padded to: 2 or a multiple of 8, and from 257 on of 16, 32, ..."""
    if size <= 2:
        return 2
    step = max(8, 2 ** math.ceil(math.log2(size)) // 32)
    return step * math.ceil(size / step)


def power_of_two(size):
    """The least power of two that is at least `size`."""
    return 2 ** math.ceil(math.log2(max(size, 1)))


def n_bytes(X):
    """The bytes of the values of an array or a sparse matrix."""
    return X.data.nbytes if issparse(X) else X.nbytes


def is_large(X):
    """Whether X is used where it lies, since padding would copy many bytes."""
    return n_bytes(X) > LARGE_BYTES


def padded_sizes(networks):
    """The layer sizes of a program for these networks, of equal depth and outputs."""
    n_features, *widths, n_outputs = map(max, zip(*(network.layer_sizes for network in networks)))
    if not any(is_large(network.data.X) for network in networks):
        n_features = bucket(n_features)
    return (n_features, *map(bucket, widths), n_outputs)


def stacks_gain(dtype, batch, layer_sizes):
    """Whether networks of these sizes train faster in stacks than one by one."""
    return step_multiply_adds(batch, layer_sizes) <= STACKED_MULTIPLY_ADDS[dtype]


def step_multiply_adds(batch, layer_sizes):
    """About how many multiply-adds a step takes: forward, and twice as many backward."""
    return 3 * batch * sum(a * b for a, b in pairwise(layer_sizes))


def full_batch_rows(X, layer_sizes):
    """How many rows a step on all rows of X takes at a time.

    Of sparse ones few in any case, since each of their entries gathers a row of the kernel.
    """
    n_samples = X.shape[0]
    is_light = step_multiply_adds(n_samples, layer_sizes) <= LIGHT_MULTIPLY_ADDS
    return min(LIGHT_ROWS if is_light or issparse(X) else FULL_BATCH_ROWS, bucket(n_samples))


def training_seconds(network, layer_sizes):
    """About how long a network trains, to its last epoch, in a program of these layer sizes."""
    return network.n_steps * TYPICAL.seconds(step_multiply_adds(network.padded_batch, layer_sizes))
