"""The training program: networks in threads, stopping, chunks, pauses, observers, and compile counts.

Nearly all networks here are padded to the same widths, (8, 8), and to one size of batches, 25 to 32,
so that they share a few compiled programs.
"""

from dataclasses import replace
from itertools import product
from threading import Event

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from sklearn.model_selection import cross_val_score
from sklearn.neural_network import MLPClassifier

from helpers import assert_same_stream, drawn_parameters, train_alone
from skdense import LowLevelMLPClassifier
from skdense.core.formulas.layers import hidden_and_output
from skdense.core.host.planning import lone_bucket, plan_buckets
from skdense.core.host.train import Orders, train
from skdense.core.machine import costs, threads
from skdense.core.network import Curves, Data, Hyper, Network, Progress, Spec

pytestmark = [
    pytest.mark.filterwarnings("ignore:Stochastic Optimizer"),
    pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning"),
]

ADAM = Spec("binary", "log_loss", "adam", "float32")
SGD = Spec("binary", "log_loss", "sgd", "float64")
ADAMW = Spec("binary", "log_loss", "adamw", "float64", lr_by_step=True)
ACTIVATION = {"adam": "relu", "sgd": "logistic", "adamw": "tanh"}

SETTINGS = {
    "schedule": "constant", "learning_rate_init": 0.01, "power_t": 0.5, "warmup_epochs": 0.0,
    "max_grad_norm": np.inf, "momentum": 0.9, "nesterovs_momentum": 1.0, "beta_1": 0.9,
    "beta_2": 0.999, "epsilon": 1e-8, "weight_decay": 0.0,
}  # fmt: skip
HYPER = Hyper(
    alpha=1e-4,
    tol=1e-4,
    patience=10,
    max_epochs=6,
    early_stopping=0.0,
    n_samples=0,
    batch_size=25,
    n_validation=0,
)


def make_data(n_samples=120, n_features=3, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_samples, n_features)).astype("float32")
    y = X @ rng.normal(size=(n_features, 1)) + rng.normal(size=(n_samples, 1)) > 0
    return Data(X, y)


DATA = make_data()


def make_network(
    spec=ADAM, widths=(6, 4), seed=0, data=DATA, rows=None, validation_rows=None, dropout=(), fields=(),
    **numbers,
):  # fmt: skip
    """A new network; `numbers` are fields of its `Hyper`, or settings of its optimizer.

    With `validation_rows` it stops early, by its score on these rows of `data`.
    """
    random_state = np.random.RandomState(seed)
    layer_sizes, activation = (data.X.shape[1], *widths, 1), ACTIVATION[spec.solver]
    parameters = drawn_parameters(layer_sizes, activation, random_state, spec.dtype)
    if validation_rows is not None:
        numbers = {"early_stopping": 1.0, "n_validation": len(validation_rows)} | numbers
    settings = SETTINGS | {name: numbers.pop(name) for name in numbers.keys() & SETTINGS.keys()}
    hyper = HYPER._replace(n_samples=len(data.X) if rows is None else len(rows))._replace(**numbers)
    best = -np.inf if hyper.early_stopping else np.inf
    return Network(
        layers=hidden_and_output(widths, activation, 1),
        parameters=parameters,
        hyper=hyper,
        progress=Progress(settings["learning_rate_init"], best_value=best),
        settings=settings,
        data=replace(data, rows=rows),
        validation=None if validation_rows is None else replace(data, rows=validation_rows),
        random_state=random_state,
        dropout=dropout,
        **dict(fields),
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


def assert_identical(network, other):
    """Bit for bit the same training, and the same place in the random stream."""
    ours, theirs = numbers_left_on(network), numbers_left_on(other)
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        np.testing.assert_array_equal(value, theirs[name], err_msg=name)
    if not network.owns_stream:
        assert_same_stream(network.random_state, other.random_state)


def assert_ended_after(network, n_epochs, reference):
    """It is as the new network `reference` is after this many epochs, but not at its end."""
    reference.hyper = reference.hyper._replace(max_epochs=n_epochs)
    train_alone(ADAM, reference)
    reference.progress = reference.progress._replace(active=1.0)
    assert_identical(network, reference)


# --- networks in threads -----------------------------------------------------------------------------


def test_networks_of_one_bucket_are_bit_for_bit_what_they_are_alone():
    def networks():
        return [make_network(widths=(5 + k % 4, 3), seed=k, rows=np.arange(k, 100)) for k in range(6)]

    together, alone = networks(), networks()
    train(plan_buckets([(ADAM, network) for network in together]), 2)

    for network, lone in zip(together, alone, strict=True):
        train_alone(ADAM, lone)
        assert_identical(network, lone)


def many_networks():
    return [make_network(seed=k, max_epochs=50) for k in range(60)]


def n_begun(networks):
    """How many have been trained, once all threads are idle."""
    threads.wait_for_all()
    return sum(len(network.curves.loss) > 0 for network in networks)


@pytest.mark.parametrize("k", [0, 1])
def test_an_error_in_one_thread_ends_the_others_before_their_queue_is_empty(k):
    networks, raised = many_networks(), Event()

    def trained(network):
        if network is networks[k]:
            raised.set()
            raise MemoryError("of one thread")
        raised.wait()

    owners = {network: network for network in networks}
    with pytest.raises(MemoryError, match="of one thread"):
        train([*map(lone_bucket, [ADAM] * 60, networks)], 2, owners=owners, after=trained)

    assert n_begun(networks) < 30


def test_ctrl_c_while_threads_are_started_ends_them(monkeypatch):
    def started_and_interrupted(*arguments, call=threads.Future):
        call(*arguments)
        raise KeyboardInterrupt

    networks = many_networks()
    monkeypatch.setattr(threads, "Future", started_and_interrupted)

    assert train([*map(lone_bucket, [ADAM] * 60, networks)], 2)

    assert n_begun(networks) < 30


# --- the end -----------------------------------------------------------------------------------------


def test_a_network_that_lost_patience_stays_as_it_was_for_the_rest_of_the_chunk():
    impatient, reference = make_network(tol=1e6, patience=1), make_network()

    train_alone(ADAM, impatient)

    # The first loss improves on infinity, the next two do not improve on it by a million.
    assert impatient.progress.converged
    assert not impatient.progress.active
    unfinished = Progress(*impatient.progress)._replace(active=1.0, converged=0.0, no_improvement=0.0)
    impatient.progress = unfinished
    assert_ended_after(impatient, 3, reference)


@pytest.mark.parametrize("to_X", [np.asarray, csr_array])
def test_a_row_too_large_that_is_set_aside_leaves_the_training_alone(to_X):
    X = np.random.RandomState(0).randn(100, 3)
    X[0] = np.finfo(float).max
    y = np.arange(100) % 2
    settings = {"max_iter": 3, "random_state": 19, "batch_size": 25, "early_stopping": True}

    ours, theirs = (
        estimator((6, 4), **settings).fit(to_X(X), y)
        for estimator in (LowLevelMLPClassifier, MLPClassifier)
    )

    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=0, atol=1e-9)
    for array, expected in zip(ours.coefs_, theirs.coefs_, strict=True):
        np.testing.assert_allclose(array, expected, rtol=0, atol=1e-9)


# --- chunks ------------------------------------------------------------------------------------------


def early_stopped():
    """A network of 4 steps an epoch that stops early."""
    return make_network(
        rows=np.arange(100), validation_rows=np.arange(100, 120), patience=2, max_epochs=20, tol=0.01
    )


def limit_steps(patch, n_steps):
    """Limit the chunks to come to n steps; return the list of their numbers of steps."""
    take, numbers = Orders.next_chunk, []

    def take_few(self, n):
        chunk = take(self, min(n, n_steps))
        if chunk is not None:
            assert chunk[0] <= n_steps
            numbers.append(chunk[0])
        return chunk

    patch.setattr(Orders, "next_chunk", take_few)
    return numbers


@pytest.fixture(scope="module")
def trained():
    network = early_stopped()
    train_alone(ADAM, network)
    return network


@pytest.mark.parametrize("each_epoch", [False, True])
@pytest.mark.parametrize(("n_steps", "expected"), [(1, {1}), (3, {3, 1}), (10, {8, 4}), (9999, {4})])
def test_chunks_of_any_length_give_the_same_numbers_and_an_observer_every_epoch_once(
    trained, n_steps, expected, each_epoch, monkeypatch
):
    """They end with an epoch if one fits."""
    network, chunks, seen = early_stopped(), limit_steps(monkeypatch, n_steps), []

    train_alone(ADAM, network, observe=lambda new, _: seen.append(new), each_epoch=each_epoch)

    for field in Curves._fields:
        parts = [getattr(curves, field) for curves in seen]
        np.testing.assert_array_equal(np.concatenate(parts), getattr(network.curves, field))
        assert max(map(len, parts)) == 1 or not each_epoch

    assert {*chunks} <= expected or (n_steps > 999 and not each_epoch)
    assert max(chunks) <= 4 or not each_epoch
    assert_identical(network, trained)


# --- pauses ------------------------------------------------------------------------------------------

SPLIT = {"spec": ADAM, "rows": np.arange(100), "validation_rows": np.arange(100, 120)}
KINDS = [
    {"spec": ADAM, "tol": 0},
    {"spec": ADAM, "tol": 0.1},
    SPLIT,
    SPLIT | {"early_stopping": 0.0},
    {"spec": SGD, "schedule": "adaptive", "tol": 0.05},
    {"spec": SGD, "schedule": "invscaling", "tol": 0.05},
    {
        "spec": ADAMW._replace(drops=True), "dropout": (0.3, 0.1), "schedule": "cosine",
        "warmup_epochs": 1.5, "weight_decay": 0.1, "schedule_epochs": 9,
    },
]  # fmt: skip


@settings(max_examples=12)
@given(
    kind=st.sampled_from(KINDS),
    fields=st.fixed_dictionaries({"shuffle": st.booleans(), "owns_stream": st.booleans()}),
    pauses=st.lists(st.integers(1, 10), min_size=1, max_size=4).map(sorted),
    n_steps=st.sampled_from([1, 7, 1000]),
)
def test_a_training_that_pauses_goes_on_as_if_it_had_not(kind, fields, pauses, n_steps):
    def network():
        return make_network(**kind, fields=fields, patience=1, max_epochs=12)

    whole, paused = network(), network()
    train_alone(kind["spec"], whole)

    with pytest.MonkeyPatch.context() as patch:
        limit_steps(patch, n_steps)
        for until in (*pauses, np.inf):
            train_alone(kind["spec"], paused, until=until)
            assert paused.progress.epochs == min(until, whole.progress.epochs)

    assert_identical(paused, whole)


# --- observers and Ctrl-C ----------------------------------------------------------------------------


@pytest.mark.parametrize("n_steps", [1, costs.MAX_STEPS])
@pytest.mark.parametrize("by_ctrl_c", [False, True])
def test_an_observer_or_ctrl_c_ends_the_training_after_an_epoch(by_ctrl_c, n_steps, monkeypatch):
    limit_steps(monkeypatch, n_steps)
    stopped, seen = make_network(), []

    def observe(new, _):
        seen.extend(new.loss)
        if len(seen) == 3 and by_ctrl_c:
            raise KeyboardInterrupt
        return len(seen) == 3

    assert train_alone(ADAM, stopped, observe=observe, each_epoch=True) == by_ctrl_c

    assert_ended_after(stopped, 3, make_network())


def test_ctrl_c_inside_an_epoch_leaves_the_stream_after_the_draw_of_the_epoch_begun(monkeypatch):
    limit_steps(monkeypatch, 1)
    network, reference, seen = make_network(max_epochs=500), make_network(), []

    def observe(new, _):
        seen.extend(new.loss)
        if len(seen) == 3 and len(new.loss) == 0:
            raise KeyboardInterrupt

    assert train_alone(ADAM, network, observe=observe)

    assert len(network.curves.loss) == 3
    for _ in range(4):
        reference.random_state.shuffle(np.arange(120))
    assert_same_stream(network.random_state, reference.random_state)


@pytest.mark.parametrize("n", [2, 4])
def test_ctrl_c_is_answered_before_a_call_of_the_program_ends(n, ctrl_c_during_call):
    """Nor does the rest of that call change anything."""
    go_on = ctrl_c_during_call(n)
    network = make_network()

    assert train_alone(ADAM, network, each_epoch=True)
    go_on()

    assert_ended_after(network, n - 1, make_network())


# --- what compiles ----------------------------------------------------------------------------------


def fit(n_samples=120, n_features=3, hidden=(6, 4), data_seed=0, **parameters):
    data = make_data(n_samples, n_features, seed=data_seed)
    parameters = {"max_iter": 3, "batch_size": 25, "random_state": 0, **parameters}
    return LowLevelMLPClassifier(hidden, **parameters).fit(data.X, data.targets.ravel())


def test_other_numbers_nearby_sizes_partial_fit_and_a_warm_start_compile_nothing(compiles):
    model, data = fit(warm_start=True), make_data(100)
    by_sgd = {"solver": "sgd", "activation": "logistic"}
    fit(**by_sgd)
    fit(early_stopping=True)
    compiles()

    fit(random_state=1, data_seed=5)
    fit(learning_rate_init=0.3, alpha=0.5, max_iter=17, tol=0.1, n_iter_no_change=2)
    fit(beta_1=0.5, beta_2=0.9, epsilon=0.1, n_iter_no_change=np.inf, shuffle=False)
    fit(batch_size=32, class_weight="balanced", verbose=False)
    for n_samples, n_features, hidden in product((70, 128), (3, 4), ((5, 3), (8, 4))):
        fit(n_samples, n_features, hidden)
    model.fit(data.X, data.targets.ravel()).partial_fit(data.X, data.targets.ravel())
    schedules = "constant", "invscaling", "adaptive"
    for schedule, momentum, nesterov in product(schedules, (0, 0.5), (False, True)):
        numbers = {"momentum": momentum, "nesterovs_momentum": nesterov}
        fit(learning_rate=schedule, **by_sgd, **numbers)
    fit(early_stopping=True, random_state=3, validation_fraction=0.2)
    assert compiles() == 0


def test_partial_fit_of_any_few_rows_is_one_program(compiles):
    data = make_data(32)
    model = LowLevelMLPClassifier((6, 4), activation="identity")
    compiles()

    for n_samples in (1, 7, 32):
        model.partial_fit(data.X[:n_samples], data.targets[:n_samples].ravel(), classes=[0, 1])
    assert compiles() == 1


@pytest.mark.parametrize("n_samples", [97, 803])
def test_the_folds_of_a_cross_validation_share_one_program(n_samples, compiles):
    data = make_data(n_samples)
    model = LowLevelMLPClassifier((6, 4), activation="identity", max_iter=3)

    cross_val_score(model, data.X, data.targets.ravel(), cv=5, error_score="raise")

    assert compiles() <= 1
