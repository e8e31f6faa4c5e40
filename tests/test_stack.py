"""Stacks: packing parameters, the buckets of sizes, and what the shape of a stack depends on."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skdense.core import stack
from skdense.core.initializers import initial_parameters
from skdense.core.stack import Data, Hyper, Layout, Network, Progress, Spec, bucket, stack_shape

sizes = st.integers(1, 5000)
SPEC = Spec("relu", "logistic_log_loss", "adam", "float32")


@st.composite
def padded_networks(draw):
    """The layer sizes of a network and those, no smaller, of a stack that it fits in."""
    layer_sizes = draw(st.lists(st.integers(1, 9), min_size=2, max_size=5))
    extra = draw(st.lists(st.integers(0, 4), min_size=len(layer_sizes), max_size=len(layer_sizes)))
    return tuple(layer_sizes), tuple(size + more for size, more in zip(layer_sizes, extra))


def drawn(layer_sizes, seed=0, dtype=np.float64):
    return initial_parameters(layer_sizes, "glorot_uniform", "relu", np.random.RandomState(seed), dtype)


def network(layer_sizes=(3, 4, 1), seed=0, batch_capacity=1, rows=None, validation=None, **numbers):
    """A network to train on 100 rows."""
    hyper = dict.fromkeys(Hyper._fields, 0.0)
    hyper |= {"n_samples": 100, "batch_size": 20, "max_epochs": 10, **numbers}
    return Network(
        parameters=drawn(layer_sizes, seed),
        hyper=Hyper(**hyper),
        progress=Progress(0.1),
        data=rows or data(n_features=layer_sizes[0]),
        validation=validation,
        random_state=np.random.RandomState(seed),
        batch_capacity=batch_capacity,
    )


def data(n_samples=100, n_features=3):
    return Data(np.zeros((n_samples, n_features)), np.zeros((n_samples, 1)))


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


@given(sizes)
def test_a_bucket_holds_its_size_and_little_more(size):
    assert 0 <= bucket(size) - size < max(8, size / 16)
    assert bucket(size) <= max(8, 2 * size)
    if size > 32:
        assert bucket(size) <= 1.25 * size


@given(sizes)
def test_a_bucket_is_its_own_bucket(size):
    assert bucket(bucket(size)) == bucket(size)


@given(sizes, sizes)
def test_a_larger_size_has_no_smaller_bucket(size, other):
    low, high = sorted((size, other))
    assert bucket(low) <= bucket(high)


def test_few_buckets_cover_all_sizes():
    assert len({bucket(size) for size in range(1, 33)}) <= 5
    for octave in range(5, 16):
        assert len({bucket(size) for size in range(2**octave + 1, 2 ** (octave + 1) + 1)}) <= 16


def test_the_shape_depends_on_no_seed_rate_or_number_of_epochs():
    shape = stack_shape(SPEC, [network()])

    for field in ("learning_rate_init", "alpha", "momentum", "beta_1", "tol", "patience", "max_epochs"):
        assert stack_shape(SPEC, [network(**{field: 0.25})]) == shape
    assert stack_shape(SPEC, [network(seed=5)]) == shape


def test_nearby_widths_features_rows_and_batches_share_a_shape():
    shape = stack_shape(SPEC, [network()])

    assert stack_shape(SPEC, [network((4, 3, 1))]) == shape
    assert stack_shape(SPEC, [network(rows=data(90), n_samples=90)]) == shape
    assert stack_shape(SPEC, [network(batch_size=23)]) == shape


def test_networks_that_make_room_for_the_same_batch_share_a_shape():
    shapes = {
        stack_shape(SPEC, [network(batch_size=size, batch_capacity=200)]) for size in (1, 71, 80, 200)
    }

    assert len(shapes) == 1
    assert shapes.pop().batch >= 200


def test_outputs_are_not_padded():
    assert [stack_shape(SPEC, [network((3, 4, n))]).layer_sizes[-1] for n in range(1, 6)] == [
        *range(1, 6)
    ]


@pytest.mark.parametrize("n_networks", [1, 2, 8, 9, 40, 41, 100])
def test_a_stack_has_a_lane_for_each_network_until_it_is_of_the_greatest_height(n_networks):
    shape = stack_shape(SPEC, [network()] * n_networks)

    assert shape.height in stack.HEIGHTS
    assert shape.height >= min(n_networks, max(stack.HEIGHTS))
    assert n_networks > 1 or shape.height == 1


def test_networks_that_gain_nothing_from_a_stack_train_alone():
    wide = [network((3, 200, 200, 1), batch_size=200) for _ in range(8)]

    assert stack_shape(SPEC, wide).height == 1
    assert stack_shape(SPEC._replace(dtype="float64"), [network()] * 8).height == 1


def test_the_table_of_a_stack_holds_the_rows_of_all_and_otherwise_those_of_the_largest():
    networks = [network(rows=data(n), n_samples=n) for n in (1300, 1100, 1500)]

    assert stack_shape(SPEC, networks).table.n_rows >= 3900
    assert stack_shape(SPEC._replace(dtype="float64"), networks).table.n_rows == 2048


def test_a_stack_has_room_for_the_largest_of_its_networks():
    widths = [(3, 2, 9, 1), (3, 17, 4, 1), (3, 5, 5, 1)]
    networks = [network(sizes, batch_size=size) for sizes, size in zip(widths, (7, 40, 12))]

    shape = stack_shape(SPEC, networks)

    assert all(a >= b for a, b in zip(shape.layer_sizes, (3, 17, 9, 1), strict=True))
    assert shape.batch >= 40
    assert shape.table.n_rows >= 100


def test_a_validation_set_has_room_for_every_networks_rows():
    rows = data(200)
    networks = [network(validation=rows, n_validation=n) for n in (0, 10, 70)]

    shape = stack_shape(SPEC, networks)

    assert shape.validation.n_rows >= 200
    assert shape.n_blocks * shape.batch >= 70


def test_a_large_x_keeps_its_exact_shape_so_it_need_not_be_copied():
    n_samples = stack._LARGE_BYTES // (8 * 5) + 1

    shape = stack_shape(SPEC, [network((5, 4, 1), rows=data(n_samples, 5))])

    assert shape.table.n_rows == n_samples
    assert shape.layer_sizes[0] == 5


@given(st.integers(1, 40), st.integers(1, 4096), st.integers(1, 2048))
def test_one_call_has_a_few_steps_at_least_and_a_bounded_number_at_most(height, batch, width):
    layer_sizes = (width, bucket(width), 1)

    shape = stack_shape(SPEC, [network(layer_sizes, batch_size=batch)] * height)

    assert 4 <= shape.steps <= stack.MAX_STEPS
    assert shape.steps & (shape.steps - 1) == 0
