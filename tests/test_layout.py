"""The flat layout of parameters: what is packed comes back, and what pads it."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from skdense.core.formulas.initializers import initial_parameters
from skdense.core.machine.runtime import tf
from skdense.core.program.layout import Layout


@st.composite
def padded_networks(draw):
    """The layer sizes of a network and those, no smaller, of a stack that it fits in."""
    layer_sizes = draw(st.lists(st.integers(1, 9), min_size=2, max_size=5))
    extra = draw(st.lists(st.integers(0, 4), min_size=len(layer_sizes), max_size=len(layer_sizes)))
    return tuple(layer_sizes), tuple(size + more for size, more in zip(layer_sizes, extra))


def drawn(layer_sizes, seed=0, dtype=np.float64):
    return initial_parameters(layer_sizes, "glorot_uniform", "relu", np.random.RandomState(seed), dtype)


@given(padded_networks())
def test_a_network_comes_back_as_it_was_packed(example):
    layer_sizes, stack_sizes = example
    parameters = drawn(layer_sizes)
    layout = Layout(stack_sizes)

    vector = layout.pack(parameters, np.float64, bias_fill=-7.0)
    unpacked = layout.unpack(vector, layer_sizes)

    assert vector.shape == (layout.n_parameters,)
    for ours, back in zip(parameters, unpacked, strict=True):
        for array, same in zip(ours, back, strict=True):
            np.testing.assert_array_equal(array, same)
            assert not np.shares_memory(vector, same)


@given(padded_networks())
def test_around_a_packed_network_are_zero_kernels_and_filled_biases(example):
    layer_sizes, stack_sizes = example
    layout = Layout(stack_sizes)
    ones = [(np.ones_like(kernel), np.ones_like(bias)) for kernel, bias in drawn(layer_sizes)]

    vector = layout.pack(ones, np.float32, bias_fill=-7.0)

    assert vector.dtype == np.float32
    kernels, biases = np.split(vector, [layout.n_kernel_entries])
    n_biases = sum(layer_sizes[1:])
    assert kernels.sum() == sum(kernel.size for kernel, _ in ones)
    assert set(kernels) <= {0, 1}
    np.testing.assert_array_equal(np.sort(biases)[len(biases) - n_biases :], 1)
    np.testing.assert_array_equal(np.sort(biases)[: len(biases) - n_biases], -7)


@given(st.lists(st.sampled_from([1, 3, 64, 128, 256, 300]), min_size=2, max_size=6))
def test_pieces_are_the_vector_cut_around_large_kernels(layer_sizes):
    layout = Layout(tuple(layer_sizes))

    assert [size for piece in layout.pieces for size in piece] == layout.sizes
    large = [max(piece) >= 2**14 for piece in layout.pieces]
    assert all(len(piece) == 1 for piece, is_large in zip(layout.pieces, large) if is_large)
    assert all(one or other for one, other in pairwise(large))


@given(padded_networks())
def test_the_offsets_of_a_network_hold_its_parameters_and_nothing_else(example):
    layer_sizes, stack_sizes = example
    parameters = drawn(layer_sizes)
    layout = Layout(stack_sizes)

    own = layout.pack(parameters, np.float64, bias_fill=-7.0)[layout.offsets(layer_sizes)]

    np.testing.assert_array_equal(own, Layout(layer_sizes).pack(parameters, np.float64))


def test_pieces_of_vectors_are_the_layers_of_each_network():
    layer_sizes = (130, 128, 3)
    networks = [drawn(layer_sizes, seed) for seed in range(2)]
    layout = Layout(layer_sizes)
    vectors = np.stack([layout.pack(parameters, np.float64) for parameters in networks])

    pieces = layout.cut(tf.constant(vectors))

    np.testing.assert_array_equal(tf.concat(pieces, axis=1), vectors)
    for i, (kernel, bias) in enumerate(layout.layers(pieces, batch=3)):
        for k, parameters in enumerate(networks):
            np.testing.assert_array_equal(kernel[k], parameters[i][0])
            np.testing.assert_array_equal(bias[k], [parameters[i][1]] * 3)
    kernels_only = vectors * (np.arange(vectors.shape[1]) < layout.n_kernel_entries)
    np.testing.assert_array_equal(tf.concat([*layout.kernels(pieces)], axis=1), kernels_only)
