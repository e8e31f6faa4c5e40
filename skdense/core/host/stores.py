"""Stores: the rows that networks train on, as padded arrays from which a program gathers minibatches.

A store is a tuple of arrays: the rows' features, and last their targets with the weight as an extra
column, so that one gather serves both. Dense features are one array `(n_rows, n_features)`; sparse ones
are the values and columns of a CSR matrix and where each row starts. A large X is used where it lies,
but for its last rows, which are copied into an array of their own: its length is one of few, so that
nearby numbers of rows share a program.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from skdense.core.machine.costs import COPIED_BYTES, bucket, is_large, power_of_two
from skdense.core.machine.memory import aligned_zeros, share
from skdense.core.network import Data, Network
from skdense.core.program.minibatches import StoreShape


def store_shape(datas: Sequence[Data], n_features: int) -> StoreShape:
    """The bucket that each of these `Data` fits in, with as many features."""
    features = {id(data.X): data.X for data in datas}.values()
    first = datas[0].X
    large, itemsize = any(map(is_large, features)), first.dtype.itemsize

    def lengths_for(n: int, least: int, n_bytes: int) -> tuple[int, ...]:
        """The lengths of the arrays that take n rows or entries, each of n_bytes."""
        if not large:
            return (power_of_two(max(n, least)),)
        n_last = max(1, COPIED_BYTES // n_bytes)
        return n // n_last * n_last, n_last

    n_outputs = datas[0].targets.shape[1]
    # Small stores are padded to one size, half a megabyte at most, so that they share a program.
    least = 1024 if n_features <= 64 else 64
    n_rows = max(X.shape[0] for X in features)
    n_targets = power_of_two(max(least, n_rows))
    if not issparse(first):
        lengths = lengths_for(n_rows, least, n_features * itemsize)
        return StoreShape(lengths, n_targets, n_features, n_outputs)
    return StoreShape(
        lengths=lengths_for(max(X.nnz for X in features), 1024, itemsize + 4),
        n_targets=n_targets,
        n_features=n_features,
        n_outputs=n_outputs,
        n_starts=power_of_two(max(least, n_rows)) + 1,
        row_entries=bucket(max(int(np.diff(X.indptr).max(initial=1)) for X in features)),
    )


class Stores:
    """The stores of networks that are trained one after the other or at the same time.

    Each is made when its first network begins and let go when its last one ends. Networks on rows of
    one X share its features, even if their targets or weights differ.
    """

    def __init__(self, networks: Iterable[Network]):
        self._n_users = Counter(key for network in networks for key in _keys_of(network))
        self._made: dict[tuple, Any] = {}
        self._lock = Lock()

    def of(self, data: Data, shape: StoreShape, dtype: str) -> tuple:
        """The tensors of a store, for compiled programs; the arrays of `data` must not change."""
        tensors = []
        with self._lock:
            for arrays, make in zip(_keys(data), (_features, _targets), strict=True):
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
    datas = [data for data in (network.data, network.validation) if data is not None]
    return {key for data in datas for key in _keys(data)}


def _keys(data: Data) -> tuple:
    """What tells the features and the targets of data from others while the arrays live."""
    return id(data.X), (id(data.targets), id(data.weights))


def _targets(data: Data, shape: StoreShape, dtype: str) -> tuple[NDArray]:
    """The padded targets, with the weights as their last column."""
    targets = aligned_zeros((shape.n_targets, shape.n_outputs + 1), dtype)
    targets[: len(data.targets), :-1] = data.targets
    targets[: len(data.targets), -1] = 1 if data.weights is None else data.weights
    return (targets,)


def _features(data: Data, shape: StoreShape, dtype: str) -> tuple[NDArray, ...]:
    """The padded arrays of X."""
    X = data.X
    if not issparse(X):
        return _cut(X.astype(dtype, copy=False), shape.lengths, (shape.n_features,))
    starts = np.full(shape.n_starts, X.nnz, shape.index_dtype)
    starts[: len(X.indptr)] = X.indptr
    return (
        *_cut(X.data.astype(dtype, copy=False), shape.lengths),
        *_cut(X.indices.astype(np.int32, copy=False), shape.lengths),
        starts,
    )


def _cut(array: NDArray, lengths: tuple[int, ...], sizes: tuple[int, ...] = ()) -> tuple[NDArray, ...]:
    """The array cut into arrays of these lengths, each padded to `(length, *sizes)`."""
    ends = pairwise(accumulate(lengths, initial=0))
    return tuple(_padded(array[start:end], (end - start, *sizes)) for start, end in ends)


def _padded(array: NDArray, shape: tuple[int, ...]) -> NDArray:
    """`array` with zeros after its end on each axis; itself if it needs none."""
    if array.shape == shape:
        return array
    padded = aligned_zeros(shape, array.dtype)
    padded[tuple(map(slice, array.shape))] = array
    return padded
