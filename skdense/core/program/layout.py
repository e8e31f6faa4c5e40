"""The parameters of a network as one flat vector, padded to the sizes of a program, and back.

A vector has all arrays that the penalty takes, then all others, each raveled. A program cuts vectors
into pieces, which it updates one by one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, chain, groupby
from math import prod

import numpy as np
from numpy.typing import NDArray

from skdense.core.formulas.layers import Layer, Parameter
from skdense.core.machine.costs import LARGE_KERNEL, LARGE_SUM
from skdense.core.machine.tensorflow import tf
from skdense.core.network import Parameters, Tensor


@dataclass(frozen=True)
class Layout:
    """Where the parameters of these layers are in a flat vector."""

    layers: tuple[Layer, ...]
    n_features: int

    @cached_property
    def described(self) -> list[tuple[Parameter, ...]]:
        """The descriptions of the parameters, by layer."""
        n_inputs = self.n_features, *(layer.width for layer in self.layers[:-1])
        return [layer.parameters(n) for layer, n in zip(self.layers, n_inputs, strict=True)]

    @cached_property
    def in_order(self) -> list[Parameter]:
        """The descriptions of the parameters as they follow one another in a vector."""
        return sorted(chain(*self.described), key=lambda parameter: not parameter.penalized)

    def by_layer(self, values: Sequence) -> list[tuple]:
        """Values that have the order of the parameters in a vector, as one tuple per layer."""
        n_penalized_arrays = sum(parameter.penalized for parameter in self.in_order)
        penalized, others = iter(values[:n_penalized_arrays]), iter(values[n_penalized_arrays:])
        return [
            tuple(next(penalized if parameter.penalized else others) for parameter in parameters)
            for parameters in self.described
        ]

    @cached_property
    def sizes(self) -> list[int]:
        """The lengths of the parameters in the vector's order."""
        return [prod(parameter.shape) for parameter in self.in_order]

    @property
    def n_parameters(self) -> int:
        return sum(self.sizes)

    @cached_property
    def n_penalized(self) -> int:
        """How many of the parameters the penalty takes: the entries of all kernels."""
        return sum(prod(parameter.shape) for parameter in self.in_order if parameter.penalized)

    @property
    def piece_sizes(self) -> list[list[int]]:
        """For each piece, the lengths of the arrays in it, in the vector's order.

        A large array is a piece of its own. All that lies between two large ones is one piece.
        """
        pieces = []
        for is_large, group in groupby(self.sizes, key=lambda size: size >= LARGE_KERNEL):
            sizes = [*group]
            pieces += [[size] for size in sizes] if is_large else [sizes]
        return pieces

    def views(self, vector: NDArray) -> list[NDArray]:
        """The padded arrays in the order of a vector, as views of it."""
        *ends, _ = accumulate(self.sizes)
        arrays = zip(np.split(vector, ends), self.in_order, strict=True)
        return [array.reshape(parameter.shape) for array, parameter in arrays]

    def pack_parameters(self, parameters: Parameters, vector: NDArray) -> NDArray:
        """Write parameters into a vector, padded so that added units have no effect; return it."""
        for padded, parameter in zip(self.views(vector), self.in_order, strict=True):
            padded[...] = parameter.fill
        return self._write(parameters, vector)

    def pack_slot(self, slot: Parameters, vector: NDArray) -> NDArray:
        """Write a slot of the optimizer into a vector, padded with 0; return it.

        Padded parameters have no gradient, so 0 is what their moments and velocities stay at.
        """
        vector[...] = 0
        return self._write(slot, vector)

    def _write(self, arrays: Parameters, vector: NDArray) -> NDArray:
        """Write arrays into the corners of the padded arrays in `vector`; return it."""
        for layer, padded_layer in zip(arrays, self.by_layer(self.views(vector)), strict=True):
            for array, padded in zip(layer, padded_layer, strict=True):
                padded[tuple(map(slice, array.shape))] = array
        return vector

    def unpack(self, vector: NDArray, smaller: "Layout") -> Parameters:
        """The parameters of the network of a smaller layout that was packed into `vector`."""
        pairs = zip(self.views(vector), smaller.in_order, strict=True)
        return smaller.by_layer([view[tuple(map(slice, p.shape))].copy() for view, p in pairs])

    def offsets(self, smaller: "Layout") -> NDArray:
        """The positions in a vector that the parameters of a network of a smaller layout take."""
        positions = self.unpack(np.arange(self.n_parameters), smaller)
        return np.sort(np.concatenate([array.ravel() for layer in positions for array in layer]))

    def cut(self, vector: Tensor) -> list:
        """The pieces of a flat tensor."""
        return tf.split(vector, [sum(sizes) for sizes in self.piece_sizes])

    def layer_parameters(self, pieces: Sequence, batch: int) -> list[tuple]:
        """The parameters by layer from the pieces; those of one axis repeated for a minibatch."""
        flat = chain(*map(tf.split, pieces, self.piece_sizes))
        arrays = [
            _repeated(values, batch) if len(p.shape) == 1 else tf.reshape(values, p.shape)
            for values, p in zip(flat, self.in_order, strict=True)
        ]
        return self.by_layer(arrays)

    def penalized(self, pieces: Sequence) -> Iterator:
        """The pieces with zeros for the parameters that the penalty does not take, which come last."""
        left = self.n_penalized
        for piece in pieces:
            size = piece.shape[0]
            yield piece if left >= size else tf.where(tf.range(size) < left, piece, 0)
            left -= size


def _repeated(vector: Tensor, batch: int) -> Tensor:
    """A vector `(size,)`, repeated for each sample `(batch, size)`.

    Its gradient, a sum over the samples, is computed as a product with ones. XLA compiles it to one
    loop, and a sum over many samples to two or three.
    """

    @tf.custom_gradient
    def repeated(vector: Tensor) -> Tensor:
        (size,) = vector.shape
        # XLA multiplies a single row with a large matrix slowly, as it reads the matrix by columns.
        n_rows = 2 if batch * size >= LARGE_SUM else 1
        ones = tf.ones([n_rows, batch], vector.dtype)
        return tf.broadcast_to(vector, [batch, size]), lambda upstream: tf.unstack(ones @ upstream)[0]

    return repeated(vector)
