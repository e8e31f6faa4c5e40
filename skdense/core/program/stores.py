"""Stores: all rows of the arrays of a `Data`, padded, from which a program gathers minibatches.

Row numbers, which are another argument of the program, say which of them are a network's.

A store is a tuple of arrays: the rows' features, and last their targets, with the sample weights as one
more column, so that one gather serves both. Dense features are one
array `(n_rows, n_features)`; sparse ones are the values and columns of a CSR matrix and where each row
starts. A large X is used where it lies, but for its last rows, which are copied into an array of their
own: its length is one of few, so that nearby numbers of rows share a program. Sparse rows stay sparse,
except that those of a minibatch are made dense where that is cheaper.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from skdense.core.machine import costs
from skdense.core.machine.tensorflow import aligned_zeros, share, tf
from skdense.core.network import Data, Network, Tensor


class StoreShape(NamedTuple):
    """The sizes of a store.

    `lengths` has the number of rows of a dense X, or of entries of a sparse one; for a large X it has
    two: the number of those that are used where they lie, and the number of those that are copied.
    `n_rows` is the number of rows with targets; the starts of a sparse X's rows are one more.
    `row_entries` is the most entries of a row of a sparse X, and 0 for a dense X.
    """

    lengths: tuple
    n_rows: int
    n_features: int
    n_outputs: int
    row_entries: int = 0

    @property
    def index_dtype(self) -> str:
        """The integer type of an entry's index; the longest row may reach beyond the last entry."""
        return "int32" if sum(self.lengths) + self.row_entries < 2**31 else "int64"


def store_shape(datas: Sequence[Data], n_features: int) -> StoreShape:
    """The sizes that each of these `Data` fits in, with this number of features."""
    features = {id(data.X): data.X for data in datas}.values()
    first = datas[0].X
    large, itemsize = any(map(costs.is_large, features)), first.dtype.itemsize

    def lengths_for(n: int, least: int, n_bytes: int) -> tuple[int, ...]:
        """The lengths of the arrays that take n rows or entries, each of n_bytes."""
        if not large:
            return (costs.power_of_two(max(n, least)),)
        n_last = max(1, costs.COPIED_BYTES // n_bytes)
        return n // n_last * n_last, n_last

    n_outputs = datas[0].targets.shape[1]
    # Small stores are padded to one size, half a megabyte at most, so that they share a program.
    least = 1024 if n_features <= 64 else 64
    n_rows = max(X.shape[0] for X in features)
    padded_rows = costs.power_of_two(max(least, n_rows))
    if not issparse(first):
        lengths = lengths_for(n_rows, least, n_features * itemsize)
        return StoreShape(lengths, padded_rows, n_features, n_outputs)
    lengths = lengths_for(max(X.nnz for X in features), 1024, itemsize + 4)
    row_entries = costs.padded(max(int(np.diff(X.indptr).max(initial=1)) for X in features))
    return StoreShape(lengths, padded_rows, n_features, n_outputs, row_entries)


class Stores:
    """The stores of networks that are trained one after the other or at the same time.

    Each is made when its first network begins and let go when its last one ends. Networks on rows of
    one X share its features, even if their targets or weights differ.
    """

    def __init__(self, networks: Iterable[Network]):
        self._n_users = Counter(key for network in networks for key in _keys_of(network))
        self._made: dict[tuple, Any] = {}
        self._lock = Lock()

    def tensors(self, data: Data, shape: StoreShape, dtype: str) -> tuple:
        """The tensors of a store, for compiled programs; the arrays of `data` must not change."""
        tensors = []
        with self._lock:
            for arrays, make in zip(_keys(data), (_features, _targets_and_weights), strict=True):
                key = arrays, shape, dtype
                if key not in self._made:
                    self._made[key] = [*map(share, make(data, shape, dtype))]
                tensors += self._made[key]
        return tuple(tensors)

    def release(self, network: Network) -> None:
        """Let go of what no other network uses any more."""
        with self._lock:
            for arrays in _keys_of(network):
                self._n_users[arrays] -= 1
                if not self._n_users[arrays]:
                    self._made = {key: made for key, made in self._made.items() if key[0] != arrays}


def _keys_of(network: Network) -> set:
    return {key for data in (network.data, network.validation) if data for key in _keys(data)}


def _keys(data: Data) -> tuple:
    """What tells the features and the targets of data from others while the arrays live."""
    return id(data.X), (id(data.targets), id(data.weights))


def _targets_and_weights(data: Data, shape: StoreShape, dtype: str) -> tuple[NDArray]:
    """The padded targets, with the sample weights as their last column."""
    weighted = aligned_zeros((shape.n_rows, shape.n_outputs + 1), dtype)
    weighted[: len(data.targets), :-1] = data.targets
    weighted[: len(data.targets), -1] = 1 if data.weights is None else data.weights
    return (weighted,)


def _features(data: Data, shape: StoreShape, dtype: str) -> Iterable[NDArray]:
    """The padded arrays of X."""
    X = data.X
    if not issparse(X):
        return _cut(X.astype(dtype, copy=False), shape.lengths, (shape.n_features,))
    starts = np.full(shape.n_rows + 1, X.nnz, shape.index_dtype)
    starts[: len(X.indptr)] = X.indptr
    values = X.data.astype(dtype, copy=False)
    columns = X.indices.astype(np.int32, copy=False)
    return *_cut(values, shape.lengths), *_cut(columns, shape.lengths), starts


def _cut(array: NDArray, lengths: tuple[int, ...], sizes: tuple[int, ...] = ()) -> Iterator[NDArray]:
    """The array cut into arrays of these lengths, each padded with zeros to `(length, *sizes)`."""
    for start, end in pairwise(accumulate(lengths, initial=0)):
        rows, padded_shape = array[start:end], (end - start, *sizes)
        if rows.shape != padded_shape:
            padded = aligned_zeros(padded_shape, array.dtype)
            padded[tuple(map(slice, rows.shape))] = rows
            rows = padded
        yield rows


# --- what a program gathers ---------------------------------------------------------------------------


class Minibatch(NamedTuple):
    """Inputs `(batch, n_features)`, targets `(batch, n_outputs)`, weights `(batch,)`."""

    inputs: Any
    targets: Any
    weights: Any


def signature(shape: StoreShape, dtype: str) -> tuple:
    """The TensorSpecs of a store of this `StoreShape`."""
    if shape.row_entries:
        features = [tf.TensorSpec([n], kind) for kind in (dtype, tf.int32) for n in shape.lengths]
        features.append(tf.TensorSpec([shape.n_rows + 1], shape.index_dtype))
    else:
        features = [tf.TensorSpec([n, shape.n_features], dtype) for n in shape.lengths]
    return *features, tf.TensorSpec([shape.n_rows, shape.n_outputs + 1], dtype)


def gather(store: Sequence[Tensor], shape: StoreShape, rows: Tensor, n_real: Tensor) -> Minibatch:
    """The `Minibatch` of the rows `(batch,)` of a store of this `StoreShape`.

    The first n_real rows count; those behind are padding, of weight zero.
    """
    *features, targets_and_weights = store
    inputs = _sparse_rows(features, rows, shape) if shape.row_entries else _take(features, rows)
    targets, weights = tf.split(tf.gather(targets_and_weights, rows), [shape.n_outputs, 1], axis=1)
    real = tf.range(rows.shape[0]) < tf.cast(n_real, tf.int32)
    return Minibatch(inputs, targets, tf.where(real, tf.squeeze(weights, axis=1), 0))


class SparseRows(NamedTuple):
    """Rows of a sparse matrix, each as values and columns `(batch, row_entries)`."""

    values: Any
    columns: Any
    n_features: int

    def __matmul__(self, kernel: Tensor) -> Tensor:
        """The product with a kernel `(n_features, fan_out)`."""
        row_entries = self.values.shape[1]
        if row_entries * kernel.shape[1] > costs.DENSE_FROM * self.n_features:
            return self._dense() @ kernel
        kernel_rows = tf.gather(kernel, self.columns)
        return (self.values[:, None, :] @ kernel_rows)[:, 0, :]

    def _dense(self) -> Tensor:
        batch, row_entries = self.values.shape
        row = tf.range(batch)[:, None] + tf.zeros([1, row_entries], tf.int32)
        indices = tf.stack([row, self.columns], axis=-1)
        return tf.scatter_nd(indices, self.values, [batch, self.n_features])


def _take(arrays: Sequence[Tensor], indices: Tensor) -> Tensor:
    """What is at these indices of one array, or of two that follow one another."""
    if len(arrays) == 1:
        return tf.gather(*arrays, indices)
    first, last = arrays
    n = first.shape[0]
    in_first = tf.reshape(indices < n, [*indices.shape, *[1] * (len(first.shape) - 1)])
    # Both arrays are read at each index: in the wrong one, any valid index will do.
    from_first = tf.gather(first, tf.minimum(indices, n - 1))
    from_last = tf.gather(last, tf.maximum(indices - n, 0))
    return tf.where(in_first, from_first, from_last)


def _sparse_rows(features: Sequence[Tensor], rows: Tensor, shape: StoreShape) -> SparseRows:
    *arrays, starts = features
    n = len(shape.lengths)
    entries = tf.gather(starts, rows)[..., None] + tf.range(shape.row_entries, dtype=starts.dtype)
    present = entries < tf.gather(starts, rows + 1)[..., None]
    # Indices after the row's end may be after the store's end, too. Their values are not used.
    entries = tf.minimum(entries, sum(shape.lengths) - 1)
    parts = arrays[:n], arrays[n:]
    values, columns = (tf.where(present, _take(part, entries), 0) for part in parts)
    return SparseRows(values, columns, shape.n_features)
