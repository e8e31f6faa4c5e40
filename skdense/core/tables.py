"""Data as tensors from which a program gathers minibatches, dense or sparse.

A table is a tuple of tensors: the rows' features, and last their targets with the weight as an extra
column, so that one gather serves both. Dense features are one tensor `(n_rows, n_features)`; sparse
ones are the values and columns of a CSR matrix and where each row starts. No sparse row is made dense
but, where that is cheaper, those of the minibatch at hand.
"""

from typing import NamedTuple

import numpy as np
from scipy.sparse import issparse

from skdense.core.runtime import share, tf, to_tensor

_DENSE_FROM = 4
"""Sparse rows are multiplied as dense ones if the gathered kernel rows would outweigh them so often."""


def signature(shape, dtype):
    """The TensorSpecs of a table of this `TableShape`."""
    targets = tf.TensorSpec([shape.n_rows, shape.n_outputs + 1], dtype)
    if not shape.row_entries:
        return tf.TensorSpec([shape.n_rows, shape.n_features], dtype), targets
    return (
        tf.TensorSpec([shape.n_entries], dtype),
        tf.TensorSpec([shape.n_entries], tf.int32),
        tf.TensorSpec([shape.n_rows + 1], shape.index_dtype),
        targets,
    )


def make_table(data, shape, dtype):
    """The tensors of `data`, padded with zeros to `shape`."""
    targets = np.zeros((shape.n_rows, shape.n_outputs + 1), dtype)
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


def minibatch(table, shape, rows, n_real):
    """Inputs, targets `(K, batch, n_outputs)` and weights `(K, batch)` of the rows `(K, batch)`.

    A network's rows from its `n_real` on are padding, of weight zero.
    """
    *features, targets = table
    inputs = _sparse_rows(*features, rows, shape) if shape.row_entries else tf.gather(*features, rows)
    row = tf.gather(targets, rows)
    real = tf.range(rows.shape[1]) < n_real[:, None]
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
