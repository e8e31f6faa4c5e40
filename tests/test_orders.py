"""The orders of minibatches: MLPClassifier's shuffles, and the random state that they leave."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils import shuffle

from helpers import assert_same_stream
from skdense.core.host.train import Orders
from skdense.core.network import Data, Hyper, Network, Progress

N_SAMPLES = 23


def expected_orders(seed, n_epochs, n_samples=N_SAMPLES):
    """MLPClassifier's scheme: each epoch shuffles the order of the last. Also the stream after it."""
    random_state = np.random.RandomState(seed)
    order, orders = np.arange(n_samples), []
    for _ in range(n_epochs):
        order = shuffle(order, random_state=random_state)
        orders.append(order)
    return orders, random_state


def network(seed=0, n_samples=N_SAMPLES, batch_size=5, max_epochs=6, rows=None, **fields):
    """A network to draw orders for; its random state is a new one of this seed unless given."""
    hyper = dict.fromkeys(Hyper._fields, 0.0)
    hyper |= {"n_samples": n_samples, "batch_size": batch_size, "max_epochs": max_epochs}
    fields = {"random_state": np.random.RandomState(seed), **fields}
    n = n_samples if rows is None else 200
    data = Data(np.zeros((n, 2)), np.zeros((n, 1)), rows=rows)
    return Network((), [], Hyper(**hyper), Progress(0.1), data, **fields)


def orders_of(network, steps=16, n_epochs=6):
    return Orders(network, steps, 8, n_epochs, False)


def drawn_rows(orders, n_steps=16):
    """All steps of all chunks, `(steps, batch)`."""
    chunks = []
    while chunk := orders.next_chunk(n_steps):
        n, rows = chunk
        assert n <= n_steps
        chunks.append(rows[:n].copy())
    return np.concatenate(chunks)


def epochs_of(rows, network):
    """The orders in rows `(steps, batch)`, epoch by epoch, without the padding."""
    n_samples, size = int(network.hyper.n_samples), int(network.hyper.batch_size)
    epochs = rows.reshape(-1, int(network.hyper.steps_per_epoch), rows.shape[1])
    return [epoch[:, :size].ravel()[:n_samples] for epoch in epochs]


@given(st.integers(1, 40), st.integers(0, 9), st.booleans(), st.sampled_from([1, 3, 5, 16]))
def test_orders_are_those_of_mlpclassifier_however_chunks_divide_them(n_samples, seed, owned, n_steps):
    rows = np.arange(100, 100 + n_samples)
    its = network(seed, n_samples, batch_size=min(5, n_samples), rows=rows, owns_stream=owned)

    seen = epochs_of(drawn_rows(orders_of(its), n_steps), its)

    for order, ours in zip(expected_orders(seed, 6, n_samples)[0], seen, strict=True):
        np.testing.assert_array_equal(ours, rows[order])


@given(st.integers(1, 8), st.integers(1, 30), st.booleans())
def test_what_a_minibatch_leaves_free_names_its_own_first_row(batch_size, n_samples, shuffled):
    """Weight zero does not silence a row that is too large: zero times infinity is no number."""
    batch_size, own = min(batch_size, n_samples), np.arange(50, 50 + n_samples)
    its = network(rows=own, n_samples=n_samples, batch_size=batch_size, shuffle=shuffled)

    rows = drawn_rows(orders_of(its))

    for step, minibatch in enumerate(rows):
        n_valid = min(batch_size, n_samples - step % int(its.hyper.steps_per_epoch) * batch_size)
        assert set(minibatch) <= set(own)
        np.testing.assert_array_equal(minibatch[n_valid:], minibatch[0])


@given(st.lists(st.integers(0, 4), min_size=1, max_size=6), st.data())
def test_a_random_state_ends_at_any_epoch_of_the_last_two_chunks(epochs_per_chunk, data):
    """While the last chunk is drawn the one before it runs, and all before that have ended."""
    its = network()
    orders, n_drawn = orders_of(its, steps=20, n_epochs=100), [0]
    for n_epochs in epochs_per_chunk:
        orders.next_chunk(n_epochs * int(its.hyper.steps_per_epoch))
        n_drawn.append(n_drawn[-1] + n_epochs)
    assert_same_stream(its.random_state, np.random.RandomState(0))  # as if nothing had been drawn yet
    n_epochs = data.draw(st.integers(n_drawn[max(0, len(n_drawn) - 3)], n_drawn[-1]))

    orders.end(n_epochs)

    assert_same_stream(its.random_state, expected_orders(0, n_epochs)[1])


@pytest.mark.parametrize("bits", [np.random.MT19937, np.random.PCG64])
@pytest.mark.parametrize("somebody_draws", [False, True])
def test_a_random_state_is_set_only_if_nobody_else_has_drawn_from_it(bits, somebody_draws):
    shared, alone = (np.random.RandomState(bits(3)) for _ in range(2))
    orders = orders_of(network(random_state=shared))
    drawn_rows(orders)
    if somebody_draws:
        shared.uniform()
        alone.uniform()
    else:
        for _ in range(6):
            alone.shuffle(np.arange(N_SAMPLES))

    orders.end(6)

    assert_same_stream(shared, alone)
