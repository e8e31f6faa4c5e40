"""Tables: the rows that networks train on, as padded arrays from which a program gathers minibatches.

A table is a tuple of arrays: the rows' features, and last their targets with the weight as an extra
column, so that one gather serves both. Networks that differ only in targets or weights share the
features: each has its block of targets, and a shift leads from a row to its targets there. Dense
features are one array `(n_rows, n_features)`; sparse ones are the values and columns of a CSR matrix
and where each row starts. A large X is used where it lies, but for its last rows, which are copied into
an array of their own: its length is one of few, so that nearby numbers of rows share a program.
No TensorFlow.
"""

from itertools import accumulate, pairwise

import numpy as np
from scipy.sparse import issparse
from scipy.sparse import vstack as sparse_vstack

from skdense.core.machine.memory import aligned_zeros
from skdense.core.machine.shapes import COPIED_BYTES, bucket, is_large, power_of_two
from skdense.core.network import Data
from skdense.core.program.minibatches import TableShape


def table_shape(datas, layer_sizes, together=False):
    """The bucket that the rows of each `Data`, or of all together, belong in.

    layer_sizes gives the numbers of features and outputs.
    """
    datas = _distinct(datas)
    features = _distinct(data.X for data in datas)
    large = any(map(is_large, features))
    itemsize = features[0].dtype.itemsize
    count = sum if together else max

    def lengths_for(n, least, n_bytes):
        """The lengths of the arrays that take n rows or entries, each of n_bytes."""
        if not large:
            return (power_of_two(max(n, least)),)
        n_last = max(1, COPIED_BYTES // n_bytes)
        return n // n_last * n_last, n_last

    n_features, *_, n_outputs = layer_sizes
    least = 1024 if n_features <= 64 else 64
    n_rows = count(X.shape[0] for X in features)
    n_targets = power_of_two(max(least, count(len(data.targets) for data in datas)))
    if not issparse(features[0]):
        lengths = lengths_for(n_rows, least, n_features * itemsize)
        return TableShape(lengths, n_targets, n_features, n_outputs)
    return TableShape(
        lengths=lengths_for(count(X.nnz for X in features), 1024, itemsize + 4),
        n_targets=n_targets,
        n_features=n_features,
        n_outputs=n_outputs,
        n_starts=power_of_two(max(least, n_rows)) + 1,
        row_entries=bucket(max(int(np.diff(X.indptr).max(initial=1)) for X in features)),
    )


def _distinct(objects):
    """The objects, each once. They are told apart by their ids, as arrays cannot be hashed."""
    return list({id(each): each for each in objects}.values())


def combine(datas):
    """One `Data` that has the rows of several, and the first row and the shift of each of these in it.

    Features that several of them share are in it once.
    """
    datas = _distinct(datas)
    features = _distinct(data.X for data in datas)
    first_row = dict(zip(map(id, features), _starts([X.shape[0] for X in features])))
    first_target = _starts([len(data.targets) for data in datas])
    offsets = {}
    for data, first in zip(datas, first_target):
        row = first_row[id(data.X)]
        offsets[data] = row, first - row
    if len(datas) == 1:
        return datas[0], offsets
    weights = None
    if any(data.weights is not None for data in datas):
        weights = np.concatenate(
            [np.ones(len(d.targets)) if d.weights is None else d.weights for d in datas]
        )
    stack_rows = sparse_vstack if issparse(features[0]) else np.concatenate
    X = features[0] if len(features) == 1 else stack_rows(features)
    return Data(X, np.concatenate([data.targets for data in datas]), weights), offsets


def _starts(lengths):
    return [0, *np.cumsum(lengths)[:-1].tolist()]


def make_table(data, shape, dtype):
    """The arrays of `data`, padded with zeros to a `TableShape`."""
    targets = aligned_zeros((shape.n_targets, shape.n_outputs + 1), dtype)
    targets[: len(data.targets), :-1] = data.targets
    targets[: len(data.targets), -1] = 1 if data.weights is None else data.weights
    return *_features(data.X, shape, dtype), targets


def _features(X, shape, dtype):
    if not issparse(X):
        return _cut(X.astype(dtype, copy=False), shape.lengths, (shape.n_features,))
    starts = np.full(shape.n_starts, X.nnz, shape.index_dtype)
    starts[: len(X.indptr)] = X.indptr
    return (
        *_cut(X.data.astype(dtype, copy=False), shape.lengths),
        *_cut(X.indices.astype(np.int32, copy=False), shape.lengths),
        starts,
    )


def _cut(array, lengths, sizes=()):
    """The array cut into arrays of these lengths, each padded to `(length, *sizes)`."""
    ends = pairwise(accumulate(lengths, initial=0))
    return [_padded(array[start:end], (end - start, *sizes)) for start, end in ends]


def _padded(array, shape):
    """`array` with zeros after its end on each axis; itself if it needs none."""
    if array.shape == shape:
        return array
    padded = aligned_zeros(shape, array.dtype)
    padded[tuple(map(slice, array.shape))] = array
    return padded
