"""Stacks: what the shape of a stack depends on, and what it does not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skdense.core.host.stack import Plan, stack_shape
from skdense.core.machine.shapes import bucket, padded_sizes

from skdense.core.formulas.initializers import initial_parameters
from skdense.core.machine import shapes
from skdense.core.network import Data, Hyper, Network, Progress, Spec

SPEC = Spec("relu", "binary", "log_loss", "adam", "float32")
FLOAT64 = SPEC._replace(dtype="float64")


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


def shape_of(networks, spec=SPEC):
    """Their shape where each thread has enough networks for stacks."""
    return stack_shape(spec, networks, shapes.STACK_HEIGHT)


def test_the_shape_depends_on_no_seed_rate_or_number_of_epochs():
    shape = shape_of([network()])

    for field in ("learning_rate_init", "alpha", "momentum", "beta_1", "tol", "patience", "max_epochs"):
        assert shape_of([network(**{field: 0.25})]) == shape
    assert shape_of([network(seed=5)]) == shape


def test_nearby_widths_features_rows_and_batches_share_a_shape():
    shape = shape_of([network()])

    assert shape_of([network((4, 3, 1))]) == shape
    assert shape_of([network(rows=data(90), n_samples=90)]) == shape
    assert shape_of([network(batch_size=23)]) == shape


def test_networks_that_make_room_for_the_same_batch_share_a_shape():
    shapes = {shape_of([network(batch_size=size, batch_capacity=200)]) for size in (1, 71, 80, 200)}

    assert len(shapes) == 1
    assert shapes.pop().batch >= 200


def test_outputs_are_not_padded():
    assert [shape_of([network((3, 4, n))]).layer_sizes[-1] for n in range(1, 6)] == [*range(1, 6)]


@pytest.mark.parametrize(
    ("n_networks", "per_thread", "height"),
    [(1, 1, 1), (2, 2, 1), (7, 7, 1), (8, 8, 8), (9, 9, 8), (100, 100, 8), (15, 7.5, 1), (16, 8, 8),
     (64, 1, 1), (7, 100, 1), (8, 100, 8)],
)  # fmt: skip
def test_a_stack_is_taken_where_group_and_threads_have_eight_networks(n_networks, per_thread, height):
    assert stack_shape(SPEC, [network()] * n_networks, per_thread).height == height


def test_networks_that_gain_nothing_from_a_stack_train_alone():
    wide = [network((3, 200, 200, 1), batch_size=200) for _ in range(8)]

    assert shape_of(wide).height == 1
    assert shape_of([network()] * 8, FLOAT64).height == 1


def test_the_table_of_a_stack_holds_the_rows_of_all_and_otherwise_those_of_the_largest():
    networks = [network(rows=data(n), n_samples=n) for n in (1300, 1100, 1500)] * 3

    assert sum(shape_of(networks).table.lengths) >= 3900
    assert shape_of(networks, FLOAT64).table.lengths == (2048,)


def test_a_stack_has_room_for_the_largest_of_its_networks():
    widths = [(3, 2, 9, 1), (3, 17, 4, 1), (3, 5, 5, 1)]
    networks = [network(sizes, batch_size=size) for sizes, size in zip(widths, (7, 40, 12))]

    shape = shape_of(networks)

    assert all(a >= b for a, b in zip(shape.layer_sizes, (3, 17, 9, 1), strict=True))
    assert shape.batch >= 40
    assert shape.table.lengths[0] >= 100


def test_a_validation_set_has_room_for_every_networks_rows():
    rows = data(200)
    networks = [network(validation=rows, n_validation=n) for n in (0, 10, 70)]

    shape = shape_of(networks)

    assert shape.validation.lengths[0] >= 200
    assert shape.n_blocks * shape.batch >= 70


def test_a_large_x_keeps_its_features_so_it_need_not_be_copied():
    n_samples = shapes.LARGE_BYTES // (8 * 5) + 1

    of_large = [network((5, 4, 1), rows=data(n_samples, 5))]

    shape = shape_of(of_large)

    assert shape.layer_sizes[0] == shape.table.n_features == 5
    assert padded_sizes(of_large) == shape.layer_sizes


@given(st.integers(1, 40), st.integers(1, 4096), st.integers(1, 2048))
def test_one_call_has_a_few_steps_at_least_and_a_bounded_number_at_most(height, batch, width):
    layer_sizes = (width, bucket(width), 1)

    shape = shape_of([network(layer_sizes, batch_size=batch)] * height)

    assert 4 <= shape.steps <= shapes.MAX_STEPS
    assert shape.steps & (shape.steps - 1) == 0


def test_a_table_is_let_go_with_the_last_network_that_uses_it():
    rows = data()
    first, second, other = networks = [network(rows=rows), network(rows=rows), network()]
    plan = Plan(SPEC, networks, 1)
    plan.start()
    shared, own = plan.tables(first)[0], plan.tables(other)[0]

    plan.release(first)
    assert plan.tables(second)[0] is shared

    plan.release(second)
    assert plan.tables(second)[0] is not shared
    assert plan.tables(other)[0] is own
