"""Many networks of unequal widths as one padded stack of K, and back. No TensorFlow.

A stack's parameters and optimizer slots are flat arrays `(K, n_parameters)`: all kernels, then all
biases, each raveled. So an optimizer's step is one operation, not one for every layer, which is most of
the speed of small networks; large kernels are pieces of their own, which saves copies. Sizes are padded
to buckets, so that nearby sizes share a compiled program; padding never changes a result beyond
rounding, since padded units stay at zero, no order names a padded row, and a padded position of a
minibatch has weight zero.
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse

HEIGHTS = (1, 8)
"""The numbers of networks for which programs are compiled."""

MAX_STEPS = 4096
"""The largest number of minibatch steps in one call of a program."""

_MAX_ORDERS_BYTES = 2**23
_LARGE_BYTES = 2**25
_LARGE_KERNEL = 2**14
_STACKED_MULTIPLY_ADDS = {"float32": 100_000, "float64": 0}
"""The most multiply-adds a step of networks that a stack makes cheaper; in float64 it does not."""
# About what a step of a small network takes, and what a core does in XLA's float64 products.
_STEP_SECONDS = 5e-6
_MULTIPLY_ADDS_A_SECOND = 1e10
CALL_SECONDS = 0.15
"""How long a call of the program may last; Ctrl-C is answered in between."""


class Spec(NamedTuple):
    """What the networks of a stack have in common besides their depth.

    The keys of the tables of activations, losses and optimizers, and a dtype's name. Together with a
    `Shape` it is the key of a compiled program.
    """

    activation: str
    loss: str
    optimizer: str
    dtype: str


class Hyper(NamedTuple):
    """The numbers that steer a network's training, one of each for every network."""

    alpha: Any
    learning_rate_init: Any
    schedule: Any
    power_t: Any
    momentum: Any
    nesterov: Any
    beta_1: Any
    beta_2: Any
    epsilon: Any
    tol: Any
    patience: Any
    max_epochs: Any
    early_stopping: Any
    n_samples: Any
    batch_size: Any
    n_validation: Any


class Schedule:
    """The values of `Hyper.schedule`."""

    CONSTANT, INVSCALING, ADAPTIVE = range(3)


class Progress(NamedTuple):
    """What changes as a network trains, besides its parameters and slots; all float64.

    `best` is the lowest loss, or with early stopping the highest validation score; `step` counts the
    optimizer's steps, `epochs` those of this training, `samples_seen` goes on over trainings.
    """

    learning_rate: Any
    step: Any = 0.0
    best: Any = np.inf
    no_improvement: Any = 0.0
    samples_seen: Any = 0.0
    epochs: Any = 0.0
    active: Any = 1.0
    converged: Any = 0.0


class Curves(NamedTuple):
    """One value an epoch. The loss includes the penalty, the validation loss does not."""

    loss: Any
    accuracy: Any
    learning_rate: Any
    validation_loss: Any
    validation_score: Any


class Data(NamedTuple):
    """Rows that networks train on or are validated on.

    X is `(n, n_features)`, an array or a CSR matrix; targets `(n, n_outputs)`; weights `(n,)`, or None
    for ones.
    """

    X: Any
    targets: np.ndarray
    weights: np.ndarray | None = None


@dataclass(eq=False)
class Network:
    """One network to train, or trained: all that the core needs to know of it. No two are equal.

    Attributes
    ----------
    parameters : list of (kernel, bias)
        Kernels `(fan_in, fan_out)` and biases `(fan_out,)`.
    slots : list of lists of (kernel, bias)
        What the optimizer carries, shaped as the parameters; empty for a new optimizer.
    hyper : Hyper of float
    progress : Progress of float
    data : Data
        The rows it trains on.
    validation : Data or None
        The rows it is validated on after each epoch; it may be `data` itself.
    random_state : numpy.random.RandomState
        Draws the orders. After the training it stands where one network trained alone leaves it.
    owns_stream : bool
        Whether nobody else uses `random_state`, so that it may be left anywhere.
    shuffle : bool
        Whether every epoch has an order of its own.
    rows, validation_rows : ndarray of int or None
        Which rows of `data` and `validation` are this network's; None for all.
    batch_capacity : int
        The batch size to make room for, at least `hyper.batch_size`: that of networks on a little more
        or less data, so that they share a program.
    best_parameters : list of (kernel, bias) or None
        After a training with early stopping, those of the best validation score.
    curves : Curves of ndarray or None
    """

    parameters: list
    hyper: Hyper
    progress: Progress
    data: Data
    random_state: np.random.RandomState
    validation: Data | None = None
    owns_stream: bool = False
    shuffle: bool = True
    slots: Any = ()
    rows: np.ndarray | None = None
    validation_rows: np.ndarray | None = None
    batch_capacity: int = 1
    best_parameters: list | None = None
    curves: Curves | None = None

    def result(self):
        """What a training has changed, for `take` in another process."""
        stream = self.random_state.get_state(legacy=False)
        return stream, self.parameters, self.slots, self.progress, self.best_parameters, self.curves

    def take(self, result):
        """Become what a copy of this network has become."""
        stream, self.parameters, self.slots, self.progress, self.best_parameters, self.curves = result
        if not self.owns_stream:
            self.random_state.set_state(stream)

    @property
    def layer_sizes(self):
        kernels = [kernel for kernel, _ in self.parameters]
        return (kernels[0].shape[0], *(kernel.shape[1] for kernel in kernels))

    @property
    def padded_batch(self):
        return max(self.batch_capacity, int(self.hyper.batch_size))

    @property
    def steps_per_epoch(self):
        return math.ceil(self.hyper.n_samples / self.hyper.batch_size)


def bucket(size):
    """The size that `size` is padded to: 2 or a multiple of 8, and from 257 on of 16, 32, ..."""
    if size <= 2:
        return 2
    step = max(8, 2 ** math.ceil(math.log2(size)) // 32)
    return step * math.ceil(size / step)


class Layout(NamedTuple):
    """Where the kernels and biases of a network of these layer sizes lie in a flat vector."""

    layer_sizes: tuple

    @property
    def kernel_shapes(self):
        return list(pairwise(self.layer_sizes))

    @property
    def sizes(self):
        """The lengths of the raveled kernels, then of the biases."""
        return [a * b for a, b in self.kernel_shapes] + list(self.layer_sizes[1:])

    @property
    def pieces(self):
        """For each piece that is updated by itself, the lengths of its parts, in the vector's order.

        A large kernel is a piece, and so is all that lies between two of them.
        """
        pieces = [[]]
        for size in self.sizes:
            if size < _LARGE_KERNEL:
                pieces[-1].append(size)
            else:
                pieces += [size], []
        return [piece for piece in pieces if piece]

    @property
    def n_kernel_entries(self):
        return sum(a * b for a, b in self.kernel_shapes)

    @property
    def n_parameters(self):
        return sum(self.sizes)

    def pack(self, parameters, dtype, bias_fill=0.0):
        """The flat vector of a smaller network's parameters, zeros and `bias_fill` around them."""
        kernels, biases = [], []
        for (kernel, bias), shape in zip(parameters, self.kernel_shapes, strict=True):
            padded = np.zeros(shape, dtype)
            padded[: kernel.shape[0], : kernel.shape[1]] = kernel
            kernels.append(padded.ravel())
            padded = np.full(shape[1], bias_fill, dtype)
            padded[: len(bias)] = bias
            biases.append(padded)
        return np.concatenate(kernels + biases)

    def unpack(self, vector, layer_sizes):
        """The parameters of the network of `layer_sizes` that was packed into `vector`."""
        parts = np.split(vector, np.cumsum(self.sizes)[:-1])
        depth = len(self.kernel_shapes)
        return [
            (kernel.reshape(shape)[:fan_in, :fan_out].copy(), bias[:fan_out].copy())
            for kernel, bias, shape, (fan_in, fan_out) in zip(
                parts[:depth], parts[depth:], self.kernel_shapes, pairwise(layer_sizes), strict=True
            )
        ]


class TableShape(NamedTuple):
    """The sizes of a table; `row_entries` is the most non-zeros of a row, 0 for a dense table."""

    n_rows: int
    n_targets: int
    n_features: int
    n_outputs: int
    n_entries: int = 0
    row_entries: int = 0

    @property
    def index_dtype(self):
        """The integer type that can count the entries."""
        return "int32" if self.n_entries < 2**31 else "int64"


class Shape(NamedTuple):
    """The sizes for which a program is compiled; together with its spec, the key to it.

    `n_blocks` is the number of minibatches that the validation rows of one network may fill, 0
    without validation.
    """

    height: int
    steps: int
    batch: int
    layer_sizes: tuple
    table: TableShape
    validation: TableShape | None
    n_blocks: int


def stack_shape(spec, networks):
    """The bucket that stacks of these networks, of equal depth, belong in.

    Higher stacks have the rows of all networks in one table, the others those of one network at a time.
    """
    sizes = [max(size) for size in zip(*(network.layer_sizes for network in networks), strict=True)]
    n_features = sizes[0] if any(is_large(n.data.X) for n in networks) else bucket(sizes[0])
    layer_sizes = (n_features, *(bucket(size) for size in sizes[1:-1]), sizes[-1])
    batch = bucket(max(network.padded_batch for network in networks))
    gains = batch * _multiply_adds(layer_sizes) <= _STACKED_MULTIPLY_ADDS[spec.dtype]
    height = HEIGHTS[-1] if gains and len(networks) > 1 else HEIGHTS[0]
    validation, n_blocks = None, 0
    if networks[0].validation is not None:
        validation = table_shape([n.validation for n in networks], layer_sizes, height > 1)
        most = max(network.hyper.n_validation for network in networks)
        n_blocks = _power_of_two(math.ceil(most / batch))
    shape = Shape(
        height=height,
        steps=0,
        batch=batch,
        layer_sizes=layer_sizes,
        table=table_shape([network.data for network in networks], layer_sizes, height > 1),
        validation=validation,
        n_blocks=n_blocks,
    )
    return shape._replace(steps=_steps_per_call(shape))


def bucketed(layer_sizes):
    """The layer sizes that a program for such networks has."""
    return (*(bucket(size) for size in layer_sizes[:-1]), layer_sizes[-1])


def training_seconds(network, layer_sizes):
    """About how long a network trains, to its last epoch, in a program of these layer sizes."""
    multiply_adds = 3 * network.padded_batch * _multiply_adds(layer_sizes)
    steps = network.hyper.max_epochs * network.steps_per_epoch
    return steps * (_STEP_SECONDS + multiply_adds / _MULTIPLY_ADDS_A_SECOND)


def _multiply_adds(layer_sizes):
    return sum(a * b for a, b in pairwise(layer_sizes))


def is_large(X):
    """Whether X keeps its exact shape, since padding would copy many bytes."""
    return (X.data.nbytes if issparse(X) else X.nbytes) > _LARGE_BYTES


def _power_of_two(size):
    return 2 ** math.ceil(math.log2(max(size, 1)))


def table_shape(datas, layer_sizes, together=False):
    """The bucket that the rows of each `Data`, or of all together, belong in.

    layer_sizes gives the numbers of features and outputs.
    """
    distinct = list({id(data): data for data in datas}.values())
    features = list({id(data.X): data.X for data in distinct}.values())
    exact = any(map(is_large, features))
    count = sum if together else max

    def rows(sizes, least):
        return count(sizes) if exact else _power_of_two(max(count(sizes), least))

    least = 1024 if layer_sizes[0] <= 64 else 64
    n_rows = rows([X.shape[0] for X in features], least)
    n_targets = rows([len(data.targets) for data in distinct], least)
    sizes = TableShape(n_rows, n_targets, layer_sizes[0], layer_sizes[-1])
    if not issparse(features[0]):
        return sizes
    return sizes._replace(
        n_entries=rows([X.nnz for X in features], 1024),
        row_entries=bucket(max(int(np.diff(X.indptr).max(initial=1)) for X in features)),
    )


def steps_in(seconds, shape, rate):
    """How many steps fit into some seconds at this rate, in multiply-adds a second; at least one."""
    sizes = (shape.table.row_entries or shape.layer_sizes[0], *shape.layer_sizes[1:])
    multiply_adds = 3 * shape.batch * _multiply_adds(sizes)
    return max(1, int(seconds / (shape.height * (1e-6 + multiply_adds / rate))))


def _steps_per_call(shape):
    """As many steps, a power of two, as a fast machine runs in a call's time and memory allows."""
    most_bytes = _MAX_ORDERS_BYTES / (4 * shape.height * shape.batch)
    most = min(steps_in(CALL_SECONDS, shape, rate=1e11), most_bytes, MAX_STEPS)
    return 2 ** max(2, math.floor(math.log2(most)))
