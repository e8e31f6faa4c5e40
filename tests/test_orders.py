"""The orders of minibatches: MLPClassifier's shuffles, whoever shares them, and rewound streams."""

import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils import shuffle

from helpers import assert_same_stream
from skdense.core.host.orders import Lane, Orders, Source, sources_of
from skdense.core.network import Data, Hyper, Network, Progress
from skdense.core.program.program import Shape

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
    fields = {"random_state": np.random.RandomState(seed), "rows": rows, **fields}
    data = Data(np.zeros((100, 2)), np.zeros((100, 1)))
    return Network([], Hyper(**hyper), Progress(0.1), data, **fields)


def source(seed=0, n_samples=N_SAMPLES, users=("only",), private=False):
    return Source(np.random.RandomState(seed), n_samples, users, private)


# --- sources ----------------------------------------------------------------------------------------


@given(st.integers(1, 40), st.integers(0, 9), st.sampled_from([("only",), ("only", "other")]))
def test_a_source_gives_the_orders_of_mlpclassifier(n_samples, seed, users):
    orders = source(seed, n_samples, users)

    for expected in expected_orders(seed, 4, n_samples)[0]:
        np.testing.assert_array_equal(orders.next_order("only"), expected)


def test_a_source_takes_memory_only_while_its_users_train():
    tracemalloc.start()
    try:
        waiting = [source(n_samples=100_000, users=("only",)) for _ in range(8)]
        assert tracemalloc.get_traced_memory()[0] < 100_000
        user = network()
        orders = source(n_samples=100_000, users=(user,))
        orders.next_order(user)
        assert tracemalloc.get_traced_memory()[0] > 800_000
        orders.leave(user, 1)
        assert tracemalloc.get_traced_memory()[0] < 100_000
    finally:
        tracemalloc.stop()
    assert len(waiting[-1].next_order("only")) == 100_000


@given(st.lists(st.sampled_from("abc"), max_size=24))
def test_a_shared_source_gives_each_user_every_order_whoever_is_ahead(turns):
    orders, expected = source(users="abc"), expected_orders(0, 24)[0]
    n_given = dict.fromkeys("abc", 0)

    for user in turns:
        np.testing.assert_array_equal(orders.next_order(user), expected[n_given[user]])
        n_given[user] += 1


@given(st.lists(st.sampled_from("abc"), max_size=24))
def test_a_source_keeps_the_orders_that_a_user_has_still_to_come_to_and_no_others(turns):
    orders = source(users="abc")
    n_given = dict.fromkeys("abc", 0)

    for user in turns:
        orders.next_order(user)
        n_given[user] += 1
        kept = {id(order) for its_orders in orders.pending.values() for order in its_orders}
        assert len(kept) == max(n_given.values()) - min(n_given.values())


def test_who_leaves_a_source_holds_back_no_order():
    behind, ahead = networks = [network(seed=0), network(seed=0)]
    orders = sources_of(networks)[ahead]
    for _ in range(5):
        orders.next_order(ahead)
    assert len(orders.pending[behind]) == 5

    orders.mark()
    orders.leave(behind, 5)

    assert orders.pending.keys() == {ahead}
    assert not orders.pending[ahead]
    np.testing.assert_array_equal(orders.next_order(ahead), expected_orders(0, 6)[0][5])


def test_an_order_that_was_given_is_not_changed_by_the_next_ones():
    orders = source()
    first = orders.next_order("only")
    copy = first.copy()

    orders.next_order("only")
    orders.next_order("only")

    np.testing.assert_array_equal(first, copy)


@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=6),
    st.data(),
)
def test_a_stream_is_rewound_to_any_epoch_of_the_last_two_chunks(epochs_per_chunk, data):
    """While the last chunk is drawn the one before it runs, and all before that have ended."""
    orders, n_drawn = source(), [0]
    for n_epochs in epochs_per_chunk:
        orders.mark()
        for _ in range(n_epochs):
            orders.next_order("only")
        n_drawn.append(n_drawn[-1] + n_epochs)
    n_epochs = data.draw(st.integers(n_drawn[max(0, len(n_drawn) - 3)], n_drawn[-1]))
    target = np.random.RandomState(99)

    orders.rewind(target, n_epochs)

    assert_same_stream(target, expected_orders(0, n_epochs)[1])


@given(st.lists(st.integers(1, 5), max_size=5), st.lists(st.integers(0, 12), min_size=1))
def test_networks_that_share_a_source_are_rewound_to_any_epoch_each(epochs_per_chunk, ends):
    orders = source(users=("ahead", "behind"))
    for n_epochs in epochs_per_chunk:
        orders.mark()
        for _ in range(n_epochs):
            orders.next_order("ahead")
    orders.mark()

    for end in ends:
        target = np.random.RandomState(99)
        orders.rewind(target, end)
        assert_same_stream(target, expected_orders(0, end)[1])


def test_rewinding_the_first_of_those_that_share_leaves_the_others_orders_as_they_are():
    """A network that stops gets its random state back while others go on drawing."""
    first, second = networks = [network(seed=0), network(seed=0)]
    orders = sources_of(networks)[first]
    assert sources_of(networks).keys() == {first, second}
    orders.mark()
    for _ in range(4):
        orders.next_order(first)

    orders.rewind(first.random_state, 1)

    expected, stream = expected_orders(0, 7)
    for order in expected:
        np.testing.assert_array_equal(orders.next_order(second), order)
    orders.rewind(second.random_state, 7)
    assert_same_stream(second.random_state, stream)
    assert_same_stream(first.random_state, expected_orders(0, 1)[1])


def test_rewinding_a_private_source_touches_no_stream():
    orders = source(private=True)
    orders.mark()
    orders.next_order("only")
    target = np.random.RandomState(5)

    orders.rewind(target, 1)

    assert_same_stream(target, np.random.RandomState(5))


def test_threads_that_share_a_source_all_get_the_same_orders_and_streams():
    orders, n_epochs = source(users=range(8), n_samples=200), 200
    expected, _ = expected_orders(0, n_epochs, n_samples=200)
    streams = [expected_orders(0, n, n_samples=200)[1] for n in (0, 50, 100, 150)]

    def go_through(user):
        ends = []
        for epoch in range(n_epochs):
            if epoch % (user + 1) == 0:
                orders.mark()
            np.testing.assert_array_equal(orders.next_order(user), expected[epoch])
            if epoch % 50 == 0:
                ends.append(np.random.RandomState(user))
                orders.rewind(ends[-1], epoch)
        return ends

    with ThreadPoolExecutor(8) as executor:
        for ends in executor.map(go_through, range(8)):
            for end, stream in zip(ends, streams, strict=True):
                assert_same_stream(end, stream)


# --- who shares -------------------------------------------------------------------------------------


def test_networks_share_a_source_if_their_streams_and_numbers_of_samples_are_alike():
    alike = [network(seed=0), network(seed=0, batch_size=7, max_epochs=2)]
    moved = network(seed=0)
    moved.random_state.uniform()
    others = [network(seed=1), network(seed=0, n_samples=22), moved]

    sources = sources_of(alike + others)

    assert sources[alike[0]] is sources[alike[1]]
    assert sources[alike[0]].shared
    assert len(set(sources.values())) == 4
    assert not any(sources[other].shared for other in others)


def test_networks_that_do_not_shuffle_have_no_source():
    still, shuffled = network(shuffle=False), network()

    assert sources_of([still, shuffled]).keys() == {shuffled}


def test_a_source_is_private_only_if_all_its_networks_own_their_streams():
    def private(*owned):
        networks = [network(owns_stream=owns) for owns in owned]
        return sources_of(networks)[networks[0]].private

    assert private(True, True)
    assert not private(True, False)
    assert not private(False)


def test_any_bit_generator_can_be_the_source():
    networks = [network(random_state=np.random.RandomState(np.random.PCG64(3))) for _ in range(2)]

    sources = sources_of(networks)

    assert sources[networks[0]] is sources[networks[1]]


# --- lanes and their chunks -------------------------------------------------------------------------


def shape(height, steps=16, batch=8):
    return Shape(height, steps, batch, (2, 1), None, None, 0)


def epochs_of(rows, network, steps_per_epoch):
    """The orders in rows `(steps, batch)` of one lane, epoch by epoch, without the padding."""
    n_samples, size = int(network.hyper.n_samples), int(network.hyper.batch_size)
    for epoch in range(0, len(rows) - steps_per_epoch + 1, steps_per_epoch):
        steps = rows[epoch : epoch + network.steps_per_epoch]
        yield steps[:, :size].ravel()[:n_samples]


def lanes_of(networks, first_row=0):
    sources = sources_of(networks)
    return [Lane(n, sources.get(n), first_row, 8) for n in networks]


def drawn_rows(orders, n_steps):
    """All steps of all chunks, `(steps, K, batch)`."""
    chunks = []
    while chunk := orders.take(n_steps):
        assert chunk.n_steps <= n_steps
        chunks.append(chunk.orders[: chunk.n_steps].copy())
    return np.concatenate(chunks)


@pytest.mark.parametrize("n_steps", [1, 3, 5, 16])
@pytest.mark.parametrize("seeds", [(0, 0, 0), (0, 1, 0), (0, 1, 2)])
def test_lanes_see_the_orders_of_their_streams_however_chunks_divide_them(seeds, n_steps):
    """The longest takes 5 steps an epoch, the others wait for it at the end of each epoch."""
    networks = [
        network(seeds[0], batch_size=5),
        network(seeds[1], batch_size=8, max_epochs=3),
        network(seeds[2], batch_size=6, rows=np.arange(40, 40 + N_SAMPLES)),
    ]
    orders = Orders(shape(3), lanes_of(networks, first_row=100), 5, each_epoch=False)

    rows = drawn_rows(orders, n_steps)

    assert len(rows) == 5 * 6
    for k, its_network in enumerate(networks):
        samples = np.arange(100, 100 + N_SAMPLES) + (40 if k == 2 else 0)
        seen = list(epochs_of(rows[:, k], its_network, 5))
        for order, ours in zip(expected_orders(seeds[k], its_network.hyper.max_epochs)[0], seen):
            np.testing.assert_array_equal(ours, samples[order])


def test_a_lane_without_shuffling_repeats_the_order_of_its_rows():
    rows = np.random.RandomState(0).permutation(100)[:N_SAMPLES]
    still = network(rows=rows, shuffle=False)

    orders = Orders(shape(1), lanes_of([still]), 5, each_epoch=False)

    for order in epochs_of(drawn_rows(orders, 16)[:, 0], still, 5):
        np.testing.assert_array_equal(order, rows)


@given(st.integers(1, 8), st.integers(1, 30), st.booleans())
def test_what_a_minibatch_leaves_free_names_its_own_first_row(batch_size, n_samples, shuffled):
    """Weight zero does not silence a row that is too large: zero times infinity is no number."""
    batch_size, own = min(batch_size, n_samples), np.arange(50, 50 + n_samples)
    its_network = network(rows=own, n_samples=n_samples, batch_size=batch_size, shuffle=shuffled)
    n_steps = its_network.steps_per_epoch

    rows = drawn_rows(Orders(shape(1), lanes_of([its_network]), n_steps, each_epoch=False), 16)[:, 0]

    for step, minibatch in enumerate(rows):
        n_real = min(batch_size, n_samples - step % n_steps * batch_size)
        assert set(minibatch) <= set(own)
        np.testing.assert_array_equal(minibatch[n_real:], minibatch[0])


def test_each_chunk_ends_with_the_epoch_where_that_is_asked_for():
    orders = Orders(shape(1), lanes_of([network()]), 5, each_epoch=True)

    assert [orders.take(16).n_steps for _ in range(6)] == [5] * 6
    assert orders.take(16) is None


def test_what_is_drawn_stays_while_the_next_steps_are_drawn():
    orders = Orders(shape(1), lanes_of([network()]), 5, each_epoch=False)

    chunk = orders.take(16)
    before = chunk.orders.copy()
    orders.take(16)

    np.testing.assert_array_equal(chunk.orders, before)


@pytest.mark.parametrize("late_seed", [0, 1])
@pytest.mark.parametrize("drawn_ahead", [True, False])
def test_a_network_that_takes_a_lane_later_begins_with_the_first_order_of_its_stream(
    late_seed, drawn_ahead
):
    networks = [network(0, max_epochs=9), network(0, max_epochs=2), network(late_seed, max_epochs=4)]
    *lanes, late = lanes_of(networks)
    orders = Orders(shape(2), lanes, 5, each_epoch=False)

    first = orders.take(10).orders[:10].copy()
    upcoming = orders.take(10) if drawn_ahead else None
    orders.replace(1, late, upcoming)
    ahead = upcoming.orders[:10].copy() if drawn_ahead else first[:0]
    rows = np.concatenate([ahead, drawn_rows(orders, 10)])

    expected = expected_orders(0, 9)[0]
    everything = np.concatenate([first, rows])
    for order, ours in zip(expected, epochs_of(everything[:, 0], networks[0], 5), strict=True):
        np.testing.assert_array_equal(ours, order)
    late_epochs = list(epochs_of(rows[:, 1], networks[2], 5))[:4]
    for order, ours in zip(expected_orders(late_seed, 4)[0], late_epochs, strict=True):
        np.testing.assert_array_equal(ours, order)
    late.source.rewind(networks[2].random_state, 4)
    assert_same_stream(networks[2].random_state, expected_orders(late_seed, 4)[1])


def test_an_emptied_lane_draws_nothing_more():
    networks = [network(0, max_epochs=4), network(1, max_epochs=100)]
    orders = Orders(shape(2), lanes_of(networks), 5, each_epoch=False)
    orders.take(10)

    orders.replace(1, None, None)

    assert len(drawn_rows(orders, 10)) == 10
