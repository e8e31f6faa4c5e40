"""Data as tensors from which a program gathers minibatches, dense or sparse.

A table is a tuple of tensors: the rows' features, and last their targets with the weight as an extra
column, so that one gather serves both. Networks that differ only in targets or weights share the
features: each has its block of targets, and a shift leads from a row to its place there. Dense features
are one tensor `(n_rows, n_features)`; sparse ones are the values and columns of a CSR matrix and where
each row starts. No sparse row is made dense but, where that is cheaper, those of the minibatch at hand.
"""

from typing import NamedTuple

import numpy as np
from scipy.sparse import issparse
from scipy.sparse import vstack as sparse_vstack

from skdense.core.runtime import share, tf, to_tensor
from skdense.core.stack import Data

_DENSE_FROM = 4
"""Sparse rows are multiplied as dense ones if the gathered kernel rows would outweigh them so often."""


def signature(shape, dtype):
    """The TensorSpecs of a table of this `TableShape`."""
    targets = tf.TensorSpec([shape.n_targets, shape.n_outputs + 1], dtype)
    if not shape.row_entries:
        return tf.TensorSpec([shape.n_rows, shape.n_features], dtype), targets
    return (
        tf.TensorSpec([shape.n_entries], dtype),
        tf.TensorSpec([shape.n_entries], tf.int32),
        tf.TensorSpec([shape.n_rows + 1], shape.index_dtype),
        targets,
    )


def combine(datas):
    """One `Data` of several, and for each of them, by id, its first row there and its shift.

    Features that several share are there once.
    """
    distinct = list({id(data): data for data in datas}.values())
    features = list({id(data.X): data.X for data in distinct}.values())
    first_rows = _starts([X.shape[0] for X in features])
    first_targets = _starts([len(data.targets) for data in distinct])
    first_row = {id(X): first for X, first in zip(features, first_rows)}
    places = {
        id(data): (first_row[id(data.X)], first - first_row[id(data.X)])
        for data, first in zip(distinct, first_targets)
    }
    if len(distinct) == 1:
        return distinct[0], places
    weights = None
    if any(data.weights is not None for data in distinct):
        weights = np.concatenate(
            [np.ones(len(d.targets)) if d.weights is None else d.weights for d in distinct]
        )
    stack_rows = sparse_vstack if issparse(features[0]) else np.concatenate
    X = features[0] if len(features) == 1 else stack_rows(features)
    return Data(X, np.concatenate([data.targets for data in distinct]), weights), places


def _starts(lengths):
    return [0, *np.cumsum(lengths)[:-1].tolist()]


def make_table(data, shape, dtype):
    """The tensors of `data`, padded with zeros to `shape`."""
    targets = np.zeros((shape.n_targets, shape.n_outputs + 1), dtype)
    targets[: len(data.targets), :-1] = data.targets
    targets[: len(data.targets), -1] = 1 if data.weights is None else data.weights
    return *_features(data.X, shape, dtype), to_tensor(targets)


def _features(X, shape, dtype):
    if not issparse(X):
        return (share(_padded(X.astype(dtype, copy=False), (shape.n_rows, shape.n_features))),)
    starts = np.full(shape.n_rows + 1, X.nnz, shape.index_dtype)
    starts[: len(X.indptr)] = X.indptr
    return (
        share(_padded(X.data.astype(dtype, copy=False), (shape.n_entries,))),
        share(_padded(X.indices.astype(np.int32, copy=False), (shape.n_entries,))),
        to_tensor(starts),
    )


def _padded(array, shape):
    """`array` with zeros after its end on each axis; itself if there is nothing to add."""
    if array.shape == shape:
        return array
    padded = np.zeros(shape, array.dtype)
    padded[tuple(slice(size) for size in array.shape)] = array
    return padded


def minibatch(table, shape, rows, shift, n_real):
    """Inputs, targets `(K, batch, n_outputs)` and weights `(K, batch)` of the rows `(K, batch)`.

    A network's rows from its `n_real` on are padding, of weight zero. shift and n_real are float64
    `(K,)`.
    """
    *features, targets = table
    inputs = _sparse_rows(*features, rows, shape) if shape.row_entries else tf.gather(*features, rows)
    row = tf.gather(targets, rows + tf.cast(shift, tf.int32)[:, None])
    real = tf.range(rows.shape[1]) < tf.cast(n_real, tf.int32)[:, None]
    return inputs, row[..., :-1], tf.where(real, row[..., -1], 0)


class SparseRows(NamedTuple):
    """Rows `(K, batch)` of a sparse matrix, each as values and columns `(K, batch, row_entries)`."""

    values: object
    columns: object
    n_features: int

    def __matmul__(self, kernel):
        """The product with kernels `(K, n_features, fan_out)`."""
        row_entries = self.values.shape[2]
        if row_entries * kernel.shape[2] > _DENSE_FROM * self.n_features:
            return self._dense() @ kernel
        kernel_rows = tf.gather(kernel, self.columns, batch_dims=1)
        return (self.values[:, :, None, :] @ kernel_rows)[:, :, 0, :]

    def _dense(self):
        height, batch, row_entries = self.values.shape
        row = tf.range(height * batch)[:, None] + tf.zeros([1, row_entries], tf.int32)
        places = tf.stack([row, tf.reshape(self.columns, row.shape)], axis=-1)
        flat = tf.scatter_nd(
            places, tf.reshape(self.values, row.shape), [height * batch, self.n_features]
        )
        return tf.reshape(flat, [height, batch, self.n_features])


def _sparse_rows(values, columns, starts, rows, shape):
    places = tf.gather(starts, rows)[..., None] + tf.range(shape.row_entries, dtype=starts.dtype)
    present = places < tf.gather(starts, rows + 1)[..., None]
    # A place beyond the row's end may lie beyond the table's: its value is not looked at.
    places = tf.minimum(places, shape.n_entries - 1)
    return SparseRows(
        tf.where(present, tf.gather(values, places), 0),
        tf.where(present, tf.gather(columns, places), 0),
        shape.n_features,
    )
