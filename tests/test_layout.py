"""The flat layout of parameters: what is packed comes back, and what pads it."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from helpers import drawn_parameters
from skdense.core.formulas.layers import hidden_and_output, parameters_of_each
from skdense.core.machine.tensorflow import tf
from skdense.core.program.layout import Layout

FILL = -1e4
"""The bias of a padded unit of logistic layers."""


def layout_of(layer_sizes):
    n_features, *widths, n_outputs = layer_sizes
    return Layout(hidden_and_output(widths, "logistic", n_outputs), n_features)


@st.composite
def padded_networks(draw):
    """The layer sizes of a network and those, no smaller, of a program that it fits in."""
    layer_sizes = draw(st.lists(st.integers(1, 9), min_size=2, max_size=5))
    extra = draw(st.lists(st.integers(0, 4), min_size=len(layer_sizes), max_size=len(layer_sizes)))
    return tuple(layer_sizes), tuple(size + more for size, more in zip(layer_sizes, extra))


def n_penalized(layout):
    return sum(place.size for place in layout.in_order if place.parameter.penalized)


def drawn(layer_sizes, seed=0):
    random_state = np.random.RandomState(seed)
    return drawn_parameters(layer_sizes, "logistic", random_state, "float64")


def packed(layout, parameters, dtype=np.float64):
    vector = np.empty(layout.n_parameters, dtype)
    layout.pack_into(vector, parameters)
    return vector


@given(padded_networks())
def test_a_network_comes_back_as_it_was_packed(example):
    layer_sizes, padded_sizes = example
    parameters, layout = drawn(layer_sizes), layout_of(padded_sizes)

    vector = packed(layout, parameters)
    unpacked = layout.unpack(vector, layout_of(layer_sizes))

    assert vector.shape == (layout.n_parameters,)
    for ours, back in zip(parameters, unpacked, strict=True):
        for array, same in zip(ours, back, strict=True):
            np.testing.assert_array_equal(array, same)
            assert not np.shares_memory(vector, same)


@given(padded_networks())
def test_around_a_packed_network_are_zero_kernels_and_the_fills_of_biases(example):
    layer_sizes, padded_sizes = example
    layout = layout_of(padded_sizes)
    ones = [(np.ones_like(kernel), np.ones_like(bias)) for kernel, bias in drawn(layer_sizes)]

    vector = packed(layout, ones, np.float32)

    assert vector.dtype == np.float32
    kernels, biases = np.split(vector, [n_penalized(layout)])
    assert kernels.sum() == sum(kernel.size for kernel, _ in ones)
    assert set(kernels) <= {0, 1}
    n_hidden = sum(padded_sizes[1:-1])
    assert (biases == 1).sum() == sum(layer_sizes[1:])
    assert set(biases[:n_hidden]) <= {1, FILL}
    assert set(biases[n_hidden:]) <= {1, 0}  # the outputs have no activation


@given(st.lists(st.sampled_from([1, 3, 64, 128, 256, 300]), min_size=2, max_size=6))
def test_pieces_are_the_vector_cut_around_large_kernels(layer_sizes):
    layout = layout_of(layer_sizes)

    kernels = [a * b for a, b in pairwise(layer_sizes)]
    assert [size for piece in layout.piece_sizes for size in piece] == kernels + layer_sizes[1:]
    large = [max(piece) >= 2**14 for piece in layout.piece_sizes]
    assert all(len(piece) == 1 for piece, is_large in zip(layout.piece_sizes, large) if is_large)
    assert all(one or other for one, other in pairwise(large))


@given(padded_networks())
def test_the_offsets_of_a_network_hold_its_parameters_and_nothing_else(example):
    layer_sizes, padded_sizes = example
    parameters = drawn(layer_sizes)
    layout, own_layout = layout_of(padded_sizes), layout_of(layer_sizes)

    own = packed(layout, parameters)[layout.offsets(own_layout)]

    np.testing.assert_array_equal(own, packed(own_layout, parameters))


def test_pieces_of_a_vector_are_the_parameters_of_each_layer():
    layer_sizes = (130, 128, 3)
    parameters, layout = drawn(layer_sizes), layout_of(layer_sizes)
    vector = packed(layout, parameters)

    pieces = layout.cut(tf.constant(vector))

    np.testing.assert_array_equal(tf.concat(pieces, axis=0), vector)
    for own, (kernel, bias) in zip(parameters, layout.of_layers(pieces, batch=3), strict=True):
        np.testing.assert_array_equal(kernel, own[0])
        np.testing.assert_array_equal(bias, [own[1]] * 3)
    kernels_only = vector * (np.arange(len(vector)) < n_penalized(layout))
    np.testing.assert_array_equal(tf.concat([*layout.penalized(pieces)], axis=0), kernels_only)


def test_layers_without_parameters_take_no_room():
    with_dropout = hidden_and_output((7, 4), "relu", 2, dropout=True)
    without = hidden_and_output((7, 4), "relu", 2)

    assert len(with_dropout) == len(without) + 2
    assert parameters_of_each(with_dropout, 3) == parameters_of_each(without, 3)
    assert Layout(with_dropout, 3).n_parameters == Layout(without, 3).n_parameters
