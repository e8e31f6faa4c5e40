"""Which programs networks share: what a program's sizes depend on, and what they do not."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import drawn_parameters
from skdense.core.formulas.layers import hidden_and_output
from skdense.core.host.planning import _joined, _joined_where_cheap, lone_bucket, plan_buckets
from skdense.core.machine import costs
from skdense.core.network import Data, Hyper, Network, Progress, Spec
from skdense.core.program.stores import Stores

SPEC = Spec("binary", "log_loss", "adam", "float32")


def network(layer_sizes=(3, 4, 1), seed=0, batch_capacity=1, rows=None, validation=None, **numbers):
    """A network to train on 100 rows."""
    hyper = dict.fromkeys(Hyper._fields, 0.0)
    hyper |= {"n_samples": 100, "batch_size": 20, "max_epochs": 10, **numbers}
    random_state = np.random.RandomState(seed)
    return Network(
        layers=hidden_and_output(layer_sizes[1:-1], "relu", layer_sizes[-1]),
        parameters=drawn_parameters(layer_sizes, "relu", random_state, "float32"),
        hyper=Hyper(**hyper),
        progress=Progress(0.1),
        data=rows or data(n_features=layer_sizes[0]),
        validation=validation,
        random_state=random_state,
        batch_capacity=batch_capacity,
    )


def data(n_samples=100, n_features=3):
    return Data(np.zeros((n_samples, n_features)), np.zeros((n_samples, 1)))


def shape_of(network):
    return lone_bucket(SPEC, network).shape


def buckets(networks, **share):
    """The networks of each bucket, as sets."""
    pairs = [(SPEC, network) for network in networks]
    return [set(bucket.networks) for bucket in plan_buckets(pairs, **share)]


# --- buckets of sizes: few, close to what they hold --------------------------------------------------

sizes = st.integers(1, 5000)


@given(sizes)
def test_a_bucket_holds_its_size_and_little_more(size):
    assert 0 <= costs.padded(size) - size < max(8, size / 16)
    assert costs.padded(size) <= max(8, 2 * size)
    if size > 32:
        assert costs.padded(size) <= 1.25 * size


@given(sizes, sizes)
def test_a_larger_size_has_no_smaller_bucket_and_a_bucket_is_its_own(size, other):
    low, high = sorted((size, other))
    assert costs.padded(low) <= costs.padded(high)
    assert costs.padded(costs.padded(size)) == costs.padded(size)


def test_few_buckets_cover_all_sizes():
    assert len({costs.padded(size) for size in range(1, 33)}) <= 5
    for octave in range(5, 16):
        assert len({costs.padded(size) for size in range(2**octave + 1, 2 ** (octave + 1) + 1)}) <= 16


@given(sizes)
def test_a_power_of_two_is_the_least_that_holds_its_size(size):
    power = costs.power_of_two(size)

    assert power & (power - 1) == 0
    assert power / 2 < size <= power


# --- the sizes of a program -------------------------------------------------------------------------


def test_networks_that_make_room_for_the_same_batch_share_a_shape():
    shapes = {shape_of(network(batch_size=size, batch_capacity=200)) for size in (1, 71, 80, 200)}

    assert len(shapes) == 1
    assert shapes.pop().batch >= 200


def test_a_large_x_keeps_its_features_so_it_need_not_be_copied():
    n_samples = costs.LARGE_BYTES // (8 * 5) + 1

    shape = shape_of(network((5, 4, 1), rows=data(n_samples, 5)))

    assert shape.layout.n_features == shape.training.n_features == 5


@given(st.integers(1, 4096), st.integers(1, 2048))
def test_one_call_has_a_few_steps_at_least_and_a_bounded_number_at_most(batch, width):
    shape = shape_of(network((width, costs.padded(width), 1), batch_size=batch))

    assert 4 <= shape.steps <= costs.MAX_STEPS
    assert shape.steps & (shape.steps - 1) == 0


# --- buckets -----------------------------------------------------------------------------------------


def test_a_program_has_room_for_the_largest_of_its_networks():
    sizes = [(3, 2, 9, 1), (9, 17, 4, 1), (5, 5, 5, 1)]
    rows = [data(n, n_features) for n, (n_features, *_) in zip((1300, 1100, 1500), sizes)]
    validation = [data(200, n_features) for n_features, *_ in sizes]
    networks = [
        network(its_sizes, batch_size=size, rows=X, validation=V, n_validation=n)
        for its_sizes, size, X, V, n in zip(sizes, (18, 24, 20), rows, validation, (0, 10, 70))
    ]

    (bucket,) = plan_buckets([(SPEC, network) for network in networks])

    shape = bucket.shape
    widths = [layer.width for layer in shape.layout.layers]
    assert all(a >= b for a, b in zip([shape.layout.n_features, *widths], (9, 17, 9, 1), strict=True))
    assert shape.batch >= 24
    assert shape.training.lengths == (2048,)
    assert shape.validation.lengths[0] >= 200
    assert shape.n_blocks * shape.block >= 70


def test_networks_share_a_program_where_padding_costs_less_than_compiling_one():
    short = [network((3, width, 1)) for width in (3, 8, 10, 16, 900)]
    long = [network((3, width, 1), max_epochs=3_000_000) for width in (3, 8, 10, 16, 900)]

    assert buckets(short) == [set(short)]
    assert buckets(long, share_trained=1e-6) == [set(long)]
    assert buckets(long) == [{long[4]}, {long[2], long[3]}, {long[0], long[1]}]


def test_networks_that_are_patient_share_fewer_programs_since_they_train_longer():
    def n_buckets(**numbers):
        return len(buckets([network((3, width, 1), **numbers) for width in (3, 10)]))

    assert n_buckets(max_epochs=200_000) == n_buckets(max_epochs=20_000, patience=20_000) == 1
    assert n_buckets(max_epochs=200_000, patience=200_000) == 2


@pytest.mark.parametrize("of_other", [{"layer_sizes": (200, 4, 1)}, {"batch_size": 90}], ids=str)
def test_networks_on_other_features_or_in_other_batches_share_a_program_if_they_are_short(of_other):
    def two(n_epochs):
        return [network(max_epochs=n_epochs), network(**of_other, max_epochs=n_epochs)]

    assert len(buckets(two(1_000))) == 1
    assert len(buckets(two(10_000_000))) == 2


@pytest.mark.parametrize(
    "other",
    [
        network((3, 4, 2)),
        network((3, 4, 4, 1)),
        network((3, 4, 1), validation=data(), n_validation=10),
        network((5, 4, 1), rows=data(costs.LARGE_BYTES // (8 * 5) + 1, 5)),
    ],
    ids=["outputs", "depth", "validation", "large X"],
)
def test_networks_that_no_program_fits_have_their_own(other):
    assert len(buckets([network(), other])) == 2


@given(st.permutations(range(6)))
def test_buckets_depend_on_no_order_of_the_networks(order):
    widths, n_epochs = (3, 8, 10, 16, 90, 900), (10, 9000, 10, 9000, 10, 9000)
    networks = [network((3, w, 1), max_epochs=n) for w, n in zip(widths, n_epochs)]

    layouts = {bucket.layout: {*bucket.networks} for bucket in both(networks)}

    assert {
        bucket.layout: {*bucket.networks} for bucket in both([networks[i] for i in order])
    } == layouts


def joined_pair_by_pair(buckets):
    """The rule of joining written out: search all pairs again after each join."""
    while len(buckets) > 1:
        costs_of_pairs = [
            (_joined(one, other).seconds - one.seconds - other.seconds, one, other)
            for one, other in combinations(buckets, 2)
        ]
        padding, *pair = min(costs_of_pairs, key=lambda costs: costs[0])
        if padding > costs.PROGRAM_SECONDS:
            break
        buckets = [*(bucket for bucket in buckets if bucket not in pair), _joined(*pair)]
    return buckets


@settings(max_examples=30)
@given(
    st.lists(
        st.tuples(st.integers(1, 300), st.integers(1, 300), st.sampled_from([10, 3_000, 200_000])),
        max_size=12,
    )
)
def test_the_pair_of_buckets_that_costs_the_least_padding_is_joined_first(sizes):
    buckets = [lone_bucket(SPEC, network((3, *widths, 1), max_epochs=n)) for *widths, n in sizes]

    joined = _joined_where_cheap(buckets, 1.0)

    expected = joined_pair_by_pair(buckets)
    assert [(b.layout, b.networks) for b in joined] == [(b.layout, b.networks) for b in expected]


def both(networks):
    return plan_buckets([(SPEC, network) for network in networks])


def test_the_slowest_networks_begin_first():
    networks = [
        network((3, width, 1), max_epochs=n) for width, n in ((4, 10), (5, 80), (900, 90), (6, 30))
    ]

    begun = [n for bucket in both(networks) for n in bucket.networks]

    assert begun == [networks[i] for i in (2, 1, 3, 0)]


# --- stores -----------------------------------------------------------------------------------------


def test_a_store_is_let_go_with_the_last_network_that_uses_it():
    rows = data()
    first, second, other = networks = [network(rows=rows), network(rows=rows), network()]
    stores = Stores(networks)

    def features(network):
        return stores.tensors(network.data, shape_of(network).training, "float32")[0]

    shared, own = features(first), features(other)

    stores.release(first)
    assert features(second) is shared

    stores.release(second)
    assert features(second) is not shared
    assert features(other) is own


def test_networks_on_one_x_share_its_store_whatever_their_targets():
    first = network()
    second = network(rows=Data(first.data.X, np.ones((100, 1))))
    stores = Stores([first, second])

    X, targets = stores.tensors(first.data, shape_of(first).training, "float32")
    same_X, others = stores.tensors(second.data, shape_of(second).training, "float32")

    assert same_X is X
    assert others is not targets
