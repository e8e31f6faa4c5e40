"""The flat layout of parameters: what is packed comes back, and where it is cut."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from helpers import drawn_parameters
from skdense.core.formulas.layers import hidden_and_output
from skdense.core.program.layout import Layout


def layout_of(layer_sizes):
    n_features, *widths, n_outputs = layer_sizes
    return Layout(hidden_and_output(widths, "logistic", n_outputs), n_features)


@st.composite
def padded_networks(draw):
    """The layer sizes of a network and those, no smaller, of a program that it fits in."""
    layer_sizes = draw(st.lists(st.integers(1, 9), min_size=2, max_size=5))
    extra = draw(st.lists(st.integers(0, 4), min_size=len(layer_sizes), max_size=len(layer_sizes)))
    return tuple(layer_sizes), tuple(size + more for size, more in zip(layer_sizes, extra))


@given(padded_networks())
def test_a_network_comes_back_as_it_was_packed(example):
    layer_sizes, padded_sizes = example
    layout, random_state = layout_of(padded_sizes), np.random.RandomState(0)
    parameters = drawn_parameters(layer_sizes, "logistic", random_state, "float64")

    vector = layout.pack_parameters(parameters, np.empty(layout.n_parameters))
    unpacked = layout.unpack(vector, layout_of(layer_sizes))

    for ours, back in zip(parameters, unpacked, strict=True):
        for array, same in zip(ours, back, strict=True):
            np.testing.assert_array_equal(array, same)
            assert not np.shares_memory(vector, same)


@given(st.lists(st.sampled_from([1, 3, 64, 128, 256, 300]), min_size=2, max_size=6))
def test_pieces_are_the_vector_cut_around_large_kernels(layer_sizes):
    layout = layout_of(layer_sizes)

    kernels = [a * b for a, b in pairwise(layer_sizes)]
    assert [size for piece in layout.piece_sizes for size in piece] == kernels + layer_sizes[1:]
    large = [max(piece) >= 2**14 for piece in layout.piece_sizes]
    assert all(len(piece) == 1 for piece, is_large in zip(layout.piece_sizes, large) if is_large)
    assert all(one or other for one, other in pairwise(large))
