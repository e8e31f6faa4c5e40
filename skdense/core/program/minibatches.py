"""What a program gathers from a store, dense or sparse, for a minibatch.

Sparse rows stay sparse, except that those of a minibatch are made dense where that is cheaper.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from skdense.core.machine.costs import DENSE_FROM
from skdense.core.machine.tensorflow import tf
from skdense.core.numbers import Tensor


class StoreShape(NamedTuple):
    """The sizes of a store.

    `lengths` has the number of rows of a dense X, or of entries of a sparse one; for a large X it has
    two: the number of those that are used where they lie, and the number of those that are copied. For
    a sparse X, `n_starts` is the length of the array of its rows' starts, and `row_entries` the most
    entries of a row. Both are 0 for a dense X.
    """

    lengths: tuple
    n_targets: int
    n_features: int
    n_outputs: int
    n_starts: int = 0
    row_entries: int = 0

    @property
    def index_dtype(self) -> str:
        """The integer type of an entry's index; the longest row may reach beyond the last entry."""
        return "int32" if sum(self.lengths) + self.row_entries < 2**31 else "int64"


class Minibatch(NamedTuple):
    """Inputs `(batch, n_features)`, targets `(batch, n_outputs)`, weights `(batch,)`."""

    inputs: Any
    targets: Any
    weights: Any


def signature(shape: StoreShape, dtype: str) -> tuple:
    """The TensorSpecs of a store of this `StoreShape`."""
    targets = tf.TensorSpec([shape.n_targets, shape.n_outputs + 1], dtype)
    if not shape.row_entries:
        return *(tf.TensorSpec([n, shape.n_features], dtype) for n in shape.lengths), targets
    return (
        *(tf.TensorSpec([n], dtype) for n in shape.lengths),
        *(tf.TensorSpec([n], tf.int32) for n in shape.lengths),
        tf.TensorSpec([shape.n_starts], shape.index_dtype),
        targets,
    )


def gather(store: Sequence[Tensor], shape: StoreShape, rows: Tensor, n_valid: Tensor) -> Minibatch:
    """The `Minibatch` of the rows `(batch,)` of a store of this `StoreShape`.

    Rows from the n_valid-th on, a float64, are padding, of weight zero.
    """
    *features, targets = store
    inputs = _sparse_rows(features, rows, shape) if shape.row_entries else _take(features, rows)
    outputs, weights = tf.split(tf.gather(targets, rows), [shape.n_outputs, 1], axis=1)
    real = tf.range(rows.shape[0]) < tf.cast(n_valid, tf.int32)
    return Minibatch(inputs, outputs, tf.where(real, tf.squeeze(weights, axis=1), 0))


class SparseRows(NamedTuple):
    """Rows of a sparse matrix, each as values and columns `(batch, row_entries)`."""

    values: Any
    columns: Any
    n_features: int

    @property
    def shape(self) -> tuple[int, int]:
        return self.values.shape[0], self.n_features

    def __matmul__(self, kernel: Tensor) -> Tensor:
        """The product with a kernel `(n_features, fan_out)`."""
        row_entries = self.values.shape[1]
        if row_entries * kernel.shape[1] > DENSE_FROM * self.n_features:
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
    return tf.where(
        in_first,
        tf.gather(first, tf.minimum(indices, n - 1)),
        tf.gather(last, tf.maximum(indices - n, 0)),
    )


def _sparse_rows(features: Sequence[Tensor], rows: Tensor, shape: StoreShape) -> SparseRows:
    *arrays, starts = features
    n = len(shape.lengths)
    entries = tf.gather(starts, rows)[..., None] + tf.range(shape.row_entries, dtype=starts.dtype)
    present = entries < tf.gather(starts, rows + 1)[..., None]
    # Indices after the row's end may be after the store's end, too. Their values are not used.
    entries = tf.minimum(entries, sum(shape.lengths) - 1)
    return SparseRows(
        tf.where(present, _take(arrays[:n], entries), 0),
        tf.where(present, _take(arrays[n:], entries), 0),
        shape.n_features,
    )
