"""The training program: stacks against lone trainings, stopping, chunks, observers, and compile counts.

Nearly all networks here fall in one bucket of widths, (5..8, 3..4), and one of batches, 25 to 32, so
that they share a few compiled programs. Float32 networks train in stacks where there are eight or more.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import product
from threading import Event
from typing import NamedTuple

import numpy as np
import pytest
from scipy.sparse import csr_array
from skdense.core.host.stack import stack_shape
from sklearn.model_selection import cross_val_score
from sklearn.neural_network import MLPClassifier

from helpers import assert_close, assert_same_stream, one_ulp_away, train_group
from skdense import LowLevelMLPClassifier
from skdense.core.formulas.initializers import initial_parameters
from skdense.core.formulas.schedules import SCHEDULES
from skdense.core.host.orders import Orders
from skdense.core.host.training import train
from skdense.core.machine import shapes
from skdense.core.machine.compiling import n_compiled
from skdense.core.network import Curves, Data, Hyper, Network, Progress, Spec

pytestmark = [
    pytest.mark.filterwarnings("ignore:Stochastic Optimizer"),
    pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning"),
]

ADAM = Spec("relu", "binary", "log_loss", "adam", "float32")
SGD = Spec("logistic", "binary", "log_loss", "sgd", "float32")
FLOAT64 = ADAM._replace(dtype="float64")

HYPER = Hyper(
    alpha=1e-4,
    learning_rate_init=0.01,
    schedule=SCHEDULES["constant"].number,
    power_t=0.5,
    momentum=0.9,
    nesterov=1.0,
    beta_1=0.9,
    beta_2=0.999,
    epsilon=1e-8,
    tol=1e-4,
    patience=10,
    max_epochs=6,
    early_stopping=0.0,
    n_samples=0,
    batch_size=25,
    n_validation=0,
)


def make_data(n_samples=120, n_features=3, weights=None, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_samples, n_features)).astype("float32")
    y = X @ rng.normal(size=(n_features, 1)) + rng.normal(size=(n_samples, 1)) > 0
    return Data(X, y, weights)


DATA = make_data()


def make_network(
    widths=(6, 4),
    seed=0,
    data=DATA,
    spec=ADAM,
    rows=None,
    validation=None,
    validation_rows=None,
    shuffle=True,
    **numbers,
):
    """A new network; `numbers` are fields of its `Hyper`.

    With `validation_rows` it stops early, by its score on these rows of `data`.
    """
    random_state = np.random.RandomState(seed)
    layer_sizes = (data.X.shape[1], *widths, data.targets.shape[1])
    parameters = initial_parameters(
        layer_sizes, "glorot_uniform", spec.activation, random_state, spec.dtype
    )
    if validation_rows is not None:
        validation = data
        numbers |= {"early_stopping": 1.0, "n_validation": len(validation_rows)}
    hyper = HYPER._replace(n_samples=len(data.X) if rows is None else len(rows))._replace(**numbers)
    best = -np.inf if hyper.early_stopping else np.inf
    return Network(
        parameters=parameters,
        hyper=hyper,
        progress=Progress(hyper.learning_rate_init, best=best),
        data=data,
        validation=validation,
        random_state=random_state,
        shuffle=shuffle,
        rows=rows,
        validation_rows=validation_rows,
    )


def numbers_left_on(network):
    """All that a training leaves on a network, as arrays by name."""
    numbers = dict(network.curves._asdict()) | dict(network.progress._asdict())
    several = {"parameters": network.parameters, "best": network.best_parameters or []}
    several |= {f"slot {i}": slot for i, slot in enumerate(network.slots)}
    for name, layers in several.items():
        for i, (kernel, bias) in enumerate(layers):
            numbers |= {f"kernel {i} of {name}": kernel, f"bias {i} of {name}": bias}
    return numbers


def assert_identical(networks, others):
    """Bit for bit the same training, and the same place in the random stream."""
    for network, other in zip(networks, others, strict=True):
        ours, theirs = numbers_left_on(network), numbers_left_on(other)
        assert ours.keys() == theirs.keys()
        for name, value in ours.items():
            np.testing.assert_array_equal(value, theirs[name], err_msg=name)
        assert_same_stream(network.random_state, other.random_state)


def assert_equal_to_rounding(network, alone, perturbed):
    """Within 1e-5, or 100 times what one unit in the last place of X changes in a lone training."""
    ours, theirs, nearby = numbers_left_on(network), numbers_left_on(alone), numbers_left_on(perturbed)
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        assert_close(value, theirs[name], nearby[name], name, floor=1e-5)
    assert_same_stream(network.random_state, alone.random_state)


def moved_by_one_ulp(data):
    return replace(data, X=one_ulp_away(data.X))


# --- a stack is its networks ------------------------------------------------------------------------


def forty_networks(spec, data):
    """Networks of 3 to 20 units that differ in all that networks of a stack may differ in.

    With adam their widths fall in two buckets, and those with early stopping in one of them, so that
    training them one by one compiles three programs, of which other tests use two. With sgd, whose
    schedules differ, one bucket and no early stopping will do, so that it compiles none.
    """
    rng = np.random.default_rng(42)
    schedules = [schedule.number for schedule in SCHEDULES.values()]
    is_adam, networks = spec.optimizer == "adam", []
    for k in range(40):
        low, high = [((3, 3), (8, 8)), ((9, 17), (16, 20))][is_adam and k % 2]
        rows = rng.choice(len(data.X), rng.integers(60, 121), replace=False)
        validation_rows = None
        if is_adam and k % 8 == 0:
            rows, validation_rows = rows[20:], rows[:20]
        networks.append(
            make_network(
                widths=tuple(rng.integers(low, np.add(high, 1)).tolist()),
                seed=k,
                data=data,
                spec=spec,
                rows=rows if k % 5 or validation_rows is not None else None,
                validation_rows=validation_rows,
                shuffle=k % 7 != 0,
                alpha=10.0 ** rng.uniform(-6, 0),
                learning_rate_init=10.0 ** rng.uniform(-4, -1),
                schedule=schedules[0 if is_adam else k % 3],
                power_t=rng.uniform(0.2, 0.8),
                momentum=rng.uniform(0, 0.95),
                nesterov=float(k % 2),
                beta_1=rng.uniform(0.5, 0.95),
                beta_2=rng.uniform(0.9, 0.9999),
                epsilon=10.0 ** rng.uniform(-9, -3),
                tol=10.0 ** rng.uniform(-4, -2),
                patience=rng.integers(1, 5),
                max_epochs=rng.integers(1, 13),
                batch_size=rng.integers(25, 33),
            )
        )
    return networks


@pytest.fixture(scope="module", params=[ADAM, SGD], ids=lambda spec: spec.optimizer)
def forty_alone(request):
    """A spec, data, and forty networks trained one by one: on the data, and one ulp away from it."""
    spec = request.param
    data = make_data(weights=np.random.default_rng(1).uniform(0.1, 3, 120))
    alone, perturbed = forty_networks(spec, data), forty_networks(spec, moved_by_one_ulp(data))
    for network in alone + perturbed:
        train_group(spec, [network])
        if network.validation is None:  # beside others that validate it has no rows to do it on
            nothing = np.full_like(network.curves.loss, np.nan)
            assert np.isnan(network.curves.validation_score).all()
            network.curves = network.curves._replace(validation_loss=nothing)
    return spec, data, alone, perturbed


@pytest.mark.parametrize("n_stacks", [1, 2])
def test_forty_unequal_networks_go_through_stacks_as_each_would_alone(forty_alone, n_stacks):
    spec, data, alone, perturbed = forty_alone
    together = forty_networks(spec, data)
    if any(network.validation is not None for network in together):
        for network in together:
            network.validation = data
    held = {}

    def observe(news, stack):
        for k, network in enumerate(stack.networks):
            held.setdefault((id(stack), k), set()).add(id(network))

    train_group(spec, together, observe, n_stacks=n_stacks)

    assert len(held) == 8 * n_stacks
    assert set.union(*held.values()) - {id(None)} == {id(network) for network in together}
    for network, lone, nearby in zip(together, alone, perturbed, strict=True):
        assert_equal_to_rounding(network, lone, nearby)
    assert len({network.progress.epochs for network in together}) > 5
    assert 0 < sum(network.progress.converged for network in together) < 40


@pytest.mark.parametrize("n_stacks", [1, 3])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_network_of_every_group_is_trained_as_it_would_be_alone(n_stacks, dtype):
    adam, sgd = ADAM._replace(dtype=dtype), SGD._replace(dtype=dtype)

    def groups():
        shallow = [make_network((6, 4), seed=k, spec=adam, max_epochs=3 + k % 3) for k in range(8)]
        datas = [make_data(90, seed=k) for k in range(8)]
        deep = [make_network((4, 4, 4), spec=adam, data=data) for data in datas]
        plain = [make_network((6, 4), seed=k, spec=sgd, rows=np.arange(k, 80)) for k in range(8)]
        return [(adam, shallow), (adam, deep), (sgd, plain)]

    alone, together, trained = groups(), groups(), []
    for spec, networks in alone:
        for network in networks:
            train_group(spec, [network])

    assert not train(together, n_stacks, trained.append)

    assert len(trained) == len({id(network) for network in trained}) == 24
    for (_, networks), (_, its_alone) in zip(together, alone, strict=True):
        for network, lone in zip(networks, its_alone, strict=True):
            assert_equal_to_rounding(network, lone, lone)


@pytest.mark.parametrize("n_stacks", [1, 2])
def test_an_observer_ends_the_training_of_all_networks(n_stacks):
    networks = [make_network(seed=k, max_epochs=50) for k in range(6)]

    interrupted = train_group(ADAM, networks, lambda news, _: True, each_epoch=True, n_stacks=n_stacks)

    assert not interrupted
    begun = [network for network in networks if network.curves is not None]
    assert 1 <= len(begun) <= n_stacks
    assert all(network.progress.epochs < 50 for network in begun)


def many_networks():
    """Networks that train one by one."""
    return [make_network((6, 4), seed=k, spec=FLOAT64, max_epochs=50) for k in range(60)]


@pytest.mark.parametrize("k", [0, 1])
def test_an_error_in_one_stack_ends_the_others_before_their_queue_is_empty(k):
    networks, raised = many_networks(), Event()

    def trained(network):
        if network is networks[k]:
            raised.set()
            raise MemoryError("of one stack")
        raised.wait()

    with pytest.raises(MemoryError, match="of one stack"):
        train([(FLOAT64, networks)], 2, trained)

    assert sum(network.curves is not None for network in networks) < 30


def test_ctrl_c_before_the_stacks_are_waited_for_ends_them(monkeypatch):
    class Executor(ThreadPoolExecutor):
        def submit(self, function, *arguments):
            future = super().submit(function, *arguments)
            if function.__name__ == "_settle":
                raise KeyboardInterrupt
            return future

    monkeypatch.setattr("skdense.core.host.training.ThreadPoolExecutor", Executor)
    networks = many_networks()

    assert train([(FLOAT64, networks)], 2)

    assert sum(network.curves is not None for network in networks) < 30


def unequal_networks(**numbers_of_the_first):
    """Eight networks, which train in a stack."""
    return [
        make_network((6, 4), seed=0, **numbers_of_the_first),
        make_network((5, 3), seed=1, batch_size=30, learning_rate_init=0.03),
        make_network((8, 4), seed=2, rows=np.arange(10, 90), alpha=0.1),
        *(make_network((5 + k % 4, 3 + k % 2), seed=k) for k in range(3, 8)),
    ]


def test_a_stopped_network_is_frozen():
    stopped, *going_on = unequal_networks(max_epochs=2)
    train_group(ADAM, [stopped, *going_on])
    # The same program, but here nothing goes on after the second epoch.
    reference, *others = unequal_networks(max_epochs=2)
    for network in others:
        network.hyper = network.hyper._replace(max_epochs=2)
    train_group(ADAM, [reference, *others])

    assert [network.progress.epochs for network in (stopped, *going_on)] == [2, *[6] * 7]
    assert_identical([stopped], [reference])


def test_a_network_that_lost_patience_is_frozen_while_others_go_on():
    impatient, *going_on = unequal_networks(tol=1e6, patience=1)
    train_group(ADAM, [impatient, *going_on])
    # The first loss improves on infinity, the next two do not improve on it by a million.
    reference, *_ = same = unequal_networks(max_epochs=3)
    train_group(ADAM, same)

    assert impatient.progress.converged
    assert impatient.progress.epochs == 3
    assert [network.progress.epochs for network in going_on] == [6] * 7
    for ours, theirs in zip(impatient.parameters, reference.parameters, strict=True):
        for array, expected in zip(ours, theirs):
            np.testing.assert_array_equal(array, expected)
    np.testing.assert_array_equal(impatient.curves.loss, reference.curves.loss)
    assert_same_stream(impatient.random_state, reference.random_state)


@pytest.mark.parametrize("rate", [1e200, np.inf])
def test_a_network_that_diverges_does_not_poison_its_neighbours(rate):
    healthy = unequal_networks()
    train_group(ADAM, healthy)
    diverging = unequal_networks(learning_rate_init=rate)
    train_group(ADAM, diverging)

    assert not np.isfinite(diverging[0].parameters[0][0]).all()
    assert_identical(diverging[1:], healthy[1:])


def test_a_network_that_starts_as_nan_leaves_its_neighbours_alone_and_stays_nan():
    healthy, with_nan = unequal_networks(), unequal_networks()
    with_nan[0].parameters[0][0][:] = np.nan

    train_group(ADAM, healthy)
    train_group(ADAM, with_nan)

    assert np.isnan(with_nan[0].curves.loss).all()
    assert_identical(with_nan[1:], healthy[1:])


def eight_networks(first_row):
    """Networks on data of their own, in short minibatches; those of the first begin with this row."""
    networks = []
    for k in range(8):
        data = make_data(60 + k, seed=k)
        if k == 0:
            data.X[0] = first_row
        networks.append(
            make_network(
                seed=k,
                data=data,
                validation=data,
                n_validation=20 + k,
                validation_rows=np.arange(20 + k),
                batch_size=25 + k % 3,
                max_epochs=3 + k % 2,
            )
        )
    return networks


def test_a_row_too_large_for_its_network_reaches_no_other():
    healthy, with_row = eight_networks(1), eight_networks(np.finfo(ADAM.dtype).max)

    train_group(ADAM, healthy)
    train_group(ADAM, with_row)

    assert not np.isfinite(with_row[0].parameters[0][0]).all()
    assert_identical(with_row[1:], healthy[1:])


@pytest.mark.parametrize("to_X", [np.asarray, csr_array])
def test_a_row_too_large_that_is_set_aside_leaves_the_training_alone(to_X):
    X = np.random.RandomState(0).randn(60, 3)
    X[0] = np.finfo(float).max
    y = np.arange(60) % 2
    settings = {"max_iter": 3, "random_state": 19, "batch_size": 25, "early_stopping": True}

    ours, theirs = (
        estimator((6, 4), **settings).fit(to_X(X), y)
        for estimator in (LowLevelMLPClassifier, MLPClassifier)
    )

    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=0, atol=1e-9)
    for array, expected in zip(ours.coefs_, theirs.coefs_, strict=True):
        np.testing.assert_allclose(array, expected, rtol=0, atol=1e-9)


# --- chunks ------------------------------------------------------------------------------------------


def varied_networks():
    """A stack of networks that differ in batches per epoch and length, one with early stopping."""
    return [
        make_network((6, 4), seed=0, validation=DATA, max_epochs=7),
        make_network(
            (5, 3), seed=1, validation=DATA, batch_size=17, max_epochs=4, rows=np.arange(20, 70)
        ),
        make_network(
            (8, 4),
            seed=2,
            rows=np.arange(0, 100),
            validation_rows=np.arange(100, 120),
            patience=2,
            max_epochs=20,
            tol=0.01,
        ),
        *(make_network(seed=k, validation=DATA, max_epochs=k) for k in range(4, 9)),
    ]


@pytest.fixture
def limit_chunks(monkeypatch):
    """A function that limits the chunks to come to n steps, and returns the list of their numbers."""

    def limit(n_steps):
        take, numbers = Orders.take, []

        def take_few(self, n):
            chunk = take(self, min(n, n_steps))
            if chunk is not None:
                assert chunk.n_steps <= n_steps
                numbers.append(chunk.n_steps)
            return chunk

        monkeypatch.setattr(Orders, "take", take_few)
        return numbers

    return limit


@pytest.fixture(scope="module")
def trained():
    networks = varied_networks()
    train_group(ADAM, networks)
    return networks


def test_chunks_that_end_with_the_epoch_give_the_same_numbers(trained):
    networks = varied_networks()

    train_group(ADAM, networks, each_epoch=True)

    assert_identical(networks, trained)


@pytest.mark.parametrize("each_epoch", [False, True])
def test_chunks_of_a_single_step_give_the_same_numbers(trained, each_epoch, limit_chunks):
    networks, chunks = varied_networks(), limit_chunks(1)

    train_group(ADAM, networks, each_epoch=each_epoch)

    assert set(chunks) == {1}
    assert_identical(networks, trained)


@pytest.mark.parametrize(("n_steps", "expected"), [(3, {2, 3}), (13, {10, 5})])
def test_chunks_end_with_an_epoch_if_one_fits(trained, n_steps, expected, limit_chunks):
    networks, chunks = varied_networks(), limit_chunks(n_steps)

    train_group(ADAM, networks)

    assert {*chunks} <= expected
    assert_identical(networks, trained)


def test_chunks_of_at_most_four_steps_give_the_same_numbers(trained, monkeypatch):
    networks = varied_networks()
    monkeypatch.setattr(shapes, "MAX_STEPS", 4)
    assert stack_shape(ADAM, networks, 8).steps == 4

    train_group(ADAM, networks)

    assert_identical(networks, trained)


@pytest.mark.parametrize("n_steps", [1, 13, shapes.MAX_STEPS])
@pytest.mark.parametrize("each_epoch", [False, True])
def test_an_observer_gets_every_epoch_exactly_once(trained, each_epoch, n_steps, limit_chunks):
    limit_chunks(n_steps)
    networks, seen = varied_networks(), []

    train_group(ADAM, networks, lambda news, *_: seen.append(news), each_epoch)

    lanes = list(zip(*seen))
    assert not any(len(curves.loss) for idle in lanes[len(networks) :] for curves in idle)
    for network, news in zip(networks, lanes):
        for field in Curves._fields:
            parts = [getattr(curves, field) for curves in news]
            np.testing.assert_array_equal(np.concatenate(parts), getattr(network.curves, field))
            if each_epoch:
                assert max(map(len, parts)) == 1
    assert_identical(networks, trained)


def test_the_curves_of_an_epoch_keep_no_more_than_themselves_in_memory():
    owners = {}

    def observe(news, _):
        for curves in news:
            for array in curves:
                owner = array if array.base is None else array.base
                owners[id(owner)] = owner

    network = make_network(max_epochs=30)
    train_group(ADAM, [network], observe, each_epoch=True)

    assert sum(owner.nbytes for owner in owners.values()) == sum(c.nbytes for c in network.curves)


@pytest.mark.parametrize("n_steps", [1, shapes.MAX_STEPS])
def test_an_observer_can_stop_the_training_after_an_epoch(n_steps, limit_chunks):
    limit_chunks(n_steps)
    stopped, seen = varied_networks(), []

    def observe(news, *_):
        seen.extend(news[0].loss)
        return len(seen) == 3

    interrupted = train_group(ADAM, stopped, observe, each_epoch=True)

    expected = varied_networks()
    for network in expected:
        network.hyper = network.hyper._replace(max_epochs=3)
    train_group(ADAM, expected)
    assert not interrupted
    for network in expected:  # these ended by themselves
        network.progress = network.progress._replace(active=1.0)
    assert_identical(stopped, expected)


def test_ctrl_c_between_epochs_keeps_the_epochs_done():
    interrupted_networks, calls = varied_networks(), []

    def observe(news, *_):
        calls.append(news)
        if len(calls) == 3:
            raise KeyboardInterrupt

    interrupted = train_group(ADAM, interrupted_networks, observe, each_epoch=True)

    expected = varied_networks()
    for network in expected:
        network.hyper = network.hyper._replace(max_epochs=3)
    train_group(ADAM, expected)
    assert interrupted
    for network in expected:
        network.progress = network.progress._replace(active=1.0)
    assert_identical(interrupted_networks, expected)


def test_ctrl_c_inside_an_epoch_leaves_each_stream_after_the_draw_of_the_epoch_begun(limit_chunks):
    limit_chunks(1)
    finished, going_on, *_ = networks = [
        make_network((6, 4), seed=0, max_epochs=1),
        make_network((5, 3), seed=1, max_epochs=500),
        *(make_network(seed=k) for k in range(2, 8)),
    ]
    seen = []

    def observe(news, *_):
        seen.extend(news[1].loss)
        if len(seen) == 3 and len(news[1].loss) == 0:
            raise KeyboardInterrupt

    interrupted = train_group(ADAM, networks, observe)

    assert interrupted
    assert len(finished.curves.loss) == 1
    assert len(going_on.curves.loss) == 3
    references = make_network((6, 4), seed=0), make_network((5, 3), seed=1)
    for network, reference, n_begun in zip(networks, references, (1, 4)):
        for _ in range(n_begun):
            reference.random_state.shuffle(np.arange(120))
        assert_same_stream(network.random_state, reference.random_state)


def test_ctrl_c_before_the_first_step_keeps_the_networks_as_they_were(monkeypatch):
    def interrupt(source, user):
        raise KeyboardInterrupt

    network, reference = make_network(), make_network()
    monkeypatch.setattr("skdense.core.host.orders.Source.next_order", interrupt)

    assert train_group(ADAM, [network])

    for ours, theirs in zip(network.parameters, reference.parameters, strict=True):
        np.testing.assert_array_equal(ours[0], theirs[0])
        np.testing.assert_array_equal(ours[1], theirs[1])
    assert_same_stream(network.random_state, reference.random_state)


# --- what compiles ----------------------------------------------------------------------------------


@pytest.fixture
def compiles():
    """A function that counts the programs compiled since it was last called."""

    class Count(NamedTuple):
        seen: list

        def __call__(self):
            new = n_compiled() - self.seen[0]
            self.seen[0] += new
            return new

    return Count([n_compiled()])


def fit(n_samples=120, n_features=3, hidden=(6, 4), data_seed=0, **parameters):
    data = make_data(n_samples, n_features, seed=data_seed)
    parameters = {"max_iter": 3, "batch_size": 25, "random_state": 0, **parameters}
    return LowLevelMLPClassifier(hidden, **parameters).fit(data.X, data.targets.ravel())


def test_a_second_fit_with_other_numbers_compiles_nothing(compiles):
    fit()
    compiles()

    fit(random_state=1, data_seed=5)
    fit(learning_rate_init=0.3, alpha=0.5, max_iter=17, tol=0.1, n_iter_no_change=2)
    fit(beta_1=0.5, beta_2=0.9, epsilon=0.1, n_iter_no_change=np.inf, shuffle=False)
    fit(batch_size=32, class_weight="balanced", verbose=False)
    assert compiles() == 0


def test_nearby_sizes_compile_nothing(compiles):
    fit()
    compiles()

    for n_samples, n_features, hidden in product((70, 128), (3, 4), ((5, 3), (8, 4))):
        fit(n_samples, n_features, hidden)
    assert compiles() == 0


def test_every_kind_of_sgd_is_one_program(compiles):
    fit(solver="sgd", activation="logistic")
    compiles()

    for schedule, momentum, nesterov in product(
        ("constant", "invscaling", "adaptive"), (0, 0.5), (False, True)
    ):
        fit(
            solver="sgd", activation="logistic", learning_rate=schedule, momentum=momentum,
            nesterovs_momentum=nesterov,
        )  # fmt: skip
    assert compiles() == 0


def test_partial_fit_and_a_warm_start_use_the_program_of_fit(compiles):
    model = fit(warm_start=True)
    compiles()

    data = make_data(100)
    model.fit(data.X, data.targets.ravel())
    model.partial_fit(data.X, data.targets.ravel())
    assert compiles() == 0


def test_partial_fit_of_any_few_rows_is_one_program(compiles):
    data = make_data(32)
    model = LowLevelMLPClassifier((6, 4), activation="identity")
    compiles()

    for n_samples in (1, 7, 32):
        model.partial_fit(data.X[:n_samples], data.targets[:n_samples].ravel(), classes=[0, 1])
    assert compiles() == 1


def test_other_structures_compile_once_each(compiles):
    fit()
    compiles()

    fit(early_stopping=True)
    assert compiles() <= 1
    fit(early_stopping=True, random_state=3, validation_fraction=0.2)
    assert compiles() == 0


@pytest.mark.parametrize("n_samples", [97, 103, 171, 803])
def test_the_folds_of_a_cross_validation_share_one_program(n_samples, compiles):
    data = make_data(n_samples)
    model = LowLevelMLPClassifier((6, 4), activation="identity", max_iter=3)

    cross_val_score(model, data.X, data.targets.ravel(), cv=5, error_score="raise")

    assert compiles() <= 1
