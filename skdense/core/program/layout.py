"""The parameters of networks as flat vectors, padded to the sizes of a stack, and back.

A stack's parameters and optimizer slots are arrays `(K, n_parameters)`. A row has all kernels of a
network, then all biases, each raveled. A program cuts these arrays into pieces, which it updates one by
one.
"""

from functools import cache
from itertools import accumulate, pairwise
from typing import NamedTuple

import numpy as np

from skdense.core.machine.runtime import tf
from skdense.core.machine.shapes import LARGE_KERNEL, LARGE_SUM


class Layout(NamedTuple):
    """Where the kernels and biases of networks with these layer sizes are in a flat vector."""

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
        """For each piece, the lengths of the kernels and biases in it, in the vector's order.

        A large kernel is a piece of its own. All that lies between two large kernels is one piece.
        """
        pieces = [[]]
        for size in self.sizes:
            if size < LARGE_KERNEL:
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
        """The flat vector of a smaller network's parameters, padded with zeros and `bias_fill`."""
        vector = np.empty(self.n_parameters, dtype)
        self.pack_into(vector, parameters, bias_fill)
        return vector

    def pack_into(self, vector, parameters, bias_fill=0.0):
        """Make `vector` the flat vector of a smaller network's parameters."""
        vector[...] = 0
        kernels, biases = self._parts(vector)
        for (kernel, bias), its_kernel, its_bias in zip(parameters, kernels, biases, strict=True):
            its_kernel[: kernel.shape[0], : kernel.shape[1]] = kernel
            its_bias[: len(bias)] = bias
            its_bias[len(bias) :] = bias_fill

    def unpack(self, vector, layer_sizes):
        """The parameters of the network of `layer_sizes` that was packed into `vector`."""
        return [
            (kernel[:fan_in, :fan_out].copy(), bias[:fan_out].copy())
            for kernel, bias, (fan_in, fan_out) in zip(
                *self._parts(vector), pairwise(layer_sizes), strict=True
            )
        ]

    def _parts(self, vector):
        """The padded kernels, and the biases, as views of a vector."""
        parts = [vector[part].reshape(shape) for part, shape in _parts_of(self)]
        depth = len(self.layer_sizes) - 1
        return parts[:depth], parts[depth:]

    def offsets(self, layer_sizes):
        """The indices in a vector at which a packed network of `layer_sizes` has its parameters."""
        ones = [(np.ones(shape), np.ones(shape[1])) for shape in pairwise(layer_sizes)]
        return np.flatnonzero(self.pack(ones, bool))

    def cut(self, vectors):
        """The pieces `(K, n)` of flat tensors `(K, n_parameters)`."""
        return tf.split(vectors, [sum(sizes) for sizes in self.pieces], axis=1)

    def layers(self, pieces, batch):
        """Kernels `(K, fan_in, fan_out)` and biases `(K, batch, fan_out)` of the parameters' pieces."""
        parts = [
            part for piece, sizes in zip(pieces, self.pieces) for part in tf.split(piece, sizes, axis=1)
        ]
        depth = len(self.kernel_shapes)
        return [
            (tf.reshape(kernel, [-1, *shape]), _for_a_batch(tf.expand_dims(bias, 1), batch))
            for kernel, bias, shape in zip(parts[:depth], parts[depth:], self.kernel_shapes)
        ]

    def kernels(self, pieces):
        """The pieces with all biases set to zero. Biases come last in a vector."""
        n_kernel_entries = self.n_kernel_entries
        for piece in pieces:
            are_kernels = np.arange(piece.shape[1]) < n_kernel_entries
            n_kernel_entries -= len(are_kernels)
            yield piece if are_kernels.all() else tf.where(are_kernels, piece, 0)


@cache
def _parts_of(layout):
    """The slice and the shape of each part of a vector: the kernels, then the biases."""
    ends = accumulate(layout.sizes, initial=0)
    shapes = layout.kernel_shapes + [(size,) for size in layout.layer_sizes[1:]]
    return [(slice(*part), shape) for part, shape in zip(pairwise(ends), shapes, strict=True)]


def _for_a_batch(bias, batch):
    """Biases `(K, 1, fan_out)`, repeated for each sample `(K, batch, fan_out)`.

    The gradient is a sum over the samples, computed as a product with ones. XLA compiles it to one
    kernel, and a sum over many samples to two or three.
    """

    @tf.custom_gradient
    def repeated(bias):
        height, _, fan_out = bias.shape
        # XLA multiplies a single row with a large matrix slowly, as it reads the matrix by columns.
        n_rows = 2 if batch * fan_out >= LARGE_SUM else 1
        ones = tf.ones([height, n_rows, batch], bias.dtype)
        biases = tf.broadcast_to(bias, [height, batch, fan_out])
        return biases, lambda upstream: (ones @ upstream)[:, :1]

    return repeated(bias)
