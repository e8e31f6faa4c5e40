"""When tasks that meet train: none waits for ever or for what it does not need, all can be ended."""

import functools
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joblib import Parallel, cpu_count, delayed, parallel_config
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline

from helpers import assert_no_thread_is_left, meeting, press_ctrl_c
from skdense import LowLevelMLPClassifier, fit_many
from skdense.ensemble import CrossFitClassifier
from skdense.together import meeting as meetings

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:A generator produced by joblib"),
    pytest.mark.filterwarnings("ignore:.*could benefit from adjusting the input task iterator"),
]

X, Y = load_iris(return_X_y=True)
NEVER_ENDS = {"max_iter": 10**6, "tol": 0, "n_iter_no_change": np.inf}
WIDTHS = {"hidden_layer_sizes": [(3,), (4,), (5,), (8,)]}


def net(sizes=(4,), **parameters):
    return LowLevelMLPClassifier(sizes, **({"max_iter": 2, "random_state": 0} | parameters))


def fit(seed=0):
    return net(random_state=seed).fit(X, Y).loss_


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    assert_no_thread_is_left()


@pytest.fixture(scope="module", autouse=True)
def stalls_are_noticed_soon():
    """Sooner than for users, so that many can be tried."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(meetings, "_IDLE_CORE_SECONDS", 0.05)
        patch.setattr(meetings, "_STALLED_SECONDS", 0.1)
        yield


@pytest.fixture
def groups(monkeypatch):
    """The number of fits of each group that has been trained together."""
    sizes, train_jobs = [], meetings.train_jobs

    def trained(jobs, **arguments):
        sizes.append(len(jobs))
        return train_jobs(jobs, **arguments)

    monkeypatch.setattr(meetings, "train_jobs", trained)
    return sizes


def interrupt_after(seconds, work):
    """Do work while Ctrl-C comes after so many seconds and, while it goes on, again and again.

    A fit in the main thread ends with Ctrl-C and keeps what it has reached; then the next begins.
    """
    is_over = threading.Event()

    def press():
        pause = seconds
        while not is_over.wait(pause):
            press_ctrl_c()
            pause = 0.5

    thread = threading.Thread(target=press)
    try:
        thread.start()
        work()
    except KeyboardInterrupt:
        pass
    while thread.is_alive():
        try:
            is_over.set()
            thread.join()
        except KeyboardInterrupt:
            pass


# --- no deadlock -------------------------------------------------------------------------------------


def test_tasks_may_fit_while_they_hold_a_lock():
    lock = threading.Lock()

    def task(i):
        with lock:
            return fit(i)

    expected = [fit(i) for i in range(4)]
    with meeting():
        assert Parallel()(delayed(task)(i) for i in range(4)) == expected


def test_a_cached_property_may_fit():
    class Model:
        """Up to Python 3.11 all instances share the lock of the property."""

        @functools.cached_property
        def loss(self):
            return fit()

    models = [Model() for _ in range(4)]
    with meeting():
        assert Parallel()(delayed(getattr)(model, "loss") for model in models) == [fit()] * 4


def test_tasks_may_work_in_parallel_while_they_hold_a_lock():
    lock = threading.Lock()

    def task():
        with lock:
            return sum(Parallel()(delayed(fit)(i) for i in range(3)))

    expected = sum(fit(i) for i in range(3))
    with meeting():
        assert Parallel()(delayed(task)() for _ in range(4)) == [expected] * 4


@pytest.mark.skipif(cpu_count() < 2, reason="no core is idle")
def test_a_slow_task_does_not_hold_up_others():
    fitted, n_fitted = threading.Semaphore(0), 3

    def slow():
        return all(fitted.acquire(timeout=60) for _ in range(n_fitted))

    def quick(i):
        fit(i)
        fitted.release()

    with meeting():
        assert Parallel()([delayed(slow)(), *(delayed(quick)(i) for i in range(n_fitted))])[0]


@pytest.mark.parametrize("n_jobs", [2, None])
def test_the_generator_of_tasks_may_fit(n_jobs):
    nets = [net(random_state=i) for i in range(20)]
    # More tasks than joblib asks for in advance.
    many = [net().fit(X, Y)] * (600 if n_jobs is None else 0)
    with meeting():
        tasks = (delayed(model.score)(X, Y) for model in many)
        scores = Parallel(n_jobs=n_jobs)(
            task
            for of in (tasks, (delayed(each.fit(X, Y).score)(X, Y) for each in nets))
            for task in of
        )

    assert scores[-20:] == [net(random_state=i).fit(X, Y).score(X, Y) for i in range(20)]


def test_a_task_may_return_a_generator_of_results():
    def task():
        return Parallel(return_as="generator", n_jobs=2)(delayed(fit)(i) for i in range(5))

    expected = [fit(i) for i in range(5)]
    with meeting():
        assert [list(results) for results in Parallel()(delayed(task)() for _ in range(4))] == [
            expected
        ] * 4


@pytest.mark.parametrize("pre_dispatch", [2, "all", "2*n_jobs"])
@pytest.mark.parametrize("return_as", ["list", "generator", "generator_unordered"])
def test_an_error_of_the_generator_of_tasks_is_raised(pre_dispatch, return_as):
    def tasks():
        yield delayed(fit)()
        raise ValueError("no second task")

    with meeting(), pytest.raises(ValueError, match="no second task"):
        list(Parallel(pre_dispatch=pre_dispatch, return_as=return_as)(tasks()))


class Failed(Exception):
    pass


def run(node):
    """Do the work of a tree; what cannot be done becomes a word."""
    if node == "fail":
        raise Failed
    if node == "work":
        return int(np.linalg.matrix_rank(np.eye(20)))
    if node == "nap":
        return threading.Event().wait(0.02)
    if node == "endless":
        return net(**NEVER_ENDS).fit(X, Y).loss_
    if node == "many":
        return [model.loss_ for model in fit_many([net((3,)), net()], X, Y)]
    if node in ("fit", "alone"):
        return net(solver="adam" if node == "fit" else "lbfgs").fit(X, Y).loss_
    *_, returns_generator, _ = node
    if returns_generator:
        return results_of(node)
    try:
        return consumed(results_of(node))
    except Failed:
        return "failed"


def consumed(results):
    """The results as lists, generators within generators too."""
    return [consumed(each) if hasattr(each, "send") else each for each in results]


def results_of(node):
    """Do the work of its children in parallel, maybe under a lock, or from a generator that fits."""
    n_jobs, pre_dispatch, return_as, has_lock, generator_fits, returns_generator, children = node
    lock = threading.Lock()

    def task(child):
        if not has_lock:
            return run(child)
        with lock:
            return run(child)

    def tasks():
        for child in children:
            if generator_fits:
                fit()
            yield delayed(task)(child)

    parallel = Parallel(
        n_jobs=n_jobs,
        pre_dispatch=pre_dispatch,
        return_as="generator" if returns_generator else return_as,
    )
    return parallel(tasks())


def trees(leaves):
    """Trees of these leaves; the root returns no generator."""

    def node(children, is_root=False):
        return st.tuples(
            st.sampled_from([None, 1, 2, 3, -1]),
            st.sampled_from(["2*n_jobs", "all", 1, 3]),
            st.sampled_from(["list", "generator"]),
            st.booleans(),
            st.sampled_from([False, False, True]),
            st.just(False) if is_root else st.sampled_from([False, False, True]),
            st.lists(children, min_size=1, max_size=4),
        )

    return node(st.recursive(st.sampled_from(leaves), node, max_leaves=12), is_root=True)


@settings(max_examples=60)
@given(trees(["fit", "alone", "work", "nap", "many", "fail"]))
def test_trees_of_nested_work_come_to_an_end_with_the_results_of_one_after_the_other(tree):
    with parallel_config("sequential"):
        expected = run(tree)
    with meeting():
        assert run(tree) == expected


# --- early ends --------------------------------------------------------------------------------------


@settings(max_examples=100)
@given(trees(["fit", "alone", "work", "nap", "many", "endless"]), st.floats(0, 0.3))
def test_ctrl_c_ends_trees_of_nested_work_at_any_moment(tree, seconds):
    def work():
        with meeting():
            run(tree)

    interrupt_after(seconds, work)

    assert_no_thread_is_left()


class Gate(TransformerMixin, BaseEstimator):
    """Lets a task go on to the next step when the event that is there for all is set."""

    def fit(self, X, y=None):
        self.reached.release()
        assert self.opened.wait(60)
        return self

    def transform(self, X):
        return X

    def __sklearn_is_fitted__(self):
        return True


@pytest.fixture
def gate():
    Gate.opened, Gate.reached = threading.Event(), threading.Semaphore(0)
    yield Gate
    Gate.opened.set()


@pytest.mark.parametrize("parameters", [{}, {"verbose": True}, {"solver": "lbfgs"}])
def test_a_task_that_reaches_its_fit_after_ctrl_c_does_not_train(gate, parameters, capsys):
    model = make_pipeline(Gate(), net(**(NEVER_ENDS | parameters)))

    def interrupt():
        gate.reached.acquire()
        press_ctrl_c()

    thread = threading.Thread(target=interrupt)
    thread.start()
    with meeting(), pytest.raises(KeyboardInterrupt):
        cross_val_score(model, X, Y, cv=3)
    thread.join()
    gate.opened.set()

    assert_no_thread_is_left()
    assert capsys.readouterr() == ("", "")


def test_a_task_that_reaches_its_fit_after_an_error_does_not_train(gate):
    def fail():
        gate.reached.acquire()
        raise ValueError("while another is in an earlier step")

    model = make_pipeline(Gate(), net(**NEVER_ENDS))
    with meeting(), pytest.raises(ValueError, match="in an earlier step"):
        Parallel()([delayed(fail)(), delayed(model.fit)(X, Y)])
    gate.opened.set()


def test_an_error_in_an_inner_search_ends_its_networks_only():
    def fail():
        raise ValueError("of an inner call")

    def inner():
        with pytest.raises(ValueError, match="of an inner call"):
            Parallel()([delayed(fail)(), delayed(net(**NEVER_ENDS).fit)(X, Y)])
        return fit()

    with meeting():
        assert Parallel()(delayed(inner)() for _ in range(2)) == [fit()] * 2


@pytest.mark.parametrize("kind", ["skdense task", "skdense training", "skdense meeting"])
@pytest.mark.parametrize("n_earlier", [0, 2])
def test_where_no_thread_can_start_the_error_says_so(monkeypatch, kind, n_earlier):
    start, started = threading.Thread.start, []

    def scarce(thread):
        if thread.name == kind:
            started.append(thread)
            if len(started) > n_earlier:
                raise RuntimeError("can't start new thread")
        start(thread)

    def search():
        with meeting():
            return cross_val_score(GridSearchCV(net(), WIDTHS, cv=2, error_score="raise"), X, Y, cv=3)

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", scarce)
        try:
            scores = search()
        except (RuntimeError, ValueError) as error:  # a search reports the errors of its fits
            assert "can't start new thread" in str(error)  # noqa: PT017
        else:
            assert len(started) <= n_earlier
            assert len(scores) == 3
    assert_no_thread_is_left()
    assert len(search()) == 3


# --- bounds ------------------------------------------------------------------------------------------


def test_nested_work_has_a_bounded_number_of_threads():
    most = []

    def inner():
        fit()
        most.append(threading.active_count())

    def outer():
        Parallel()(delayed(inner)() for _ in range(150))

    before = threading.active_count()
    with meeting():
        Parallel()(delayed(outer)() for _ in range(3))

    assert len(most) == 450
    assert max(most) - before <= 256 + 20  # what trains has threads as well


def large_fits(n_fits, n_rows):
    """Fits to data of so many rows of 8 KB each, with a task's copy of it."""
    big = np.random.RandomState(0).normal(size=(n_rows, 1000))
    labels = big[:, 0] > 0

    def task():
        return net((2,), max_iter=1, dtype="float64").fit(big.copy(), labels).loss_

    return [delayed(task)() for _ in range(n_fits)]


@pytest.mark.parametrize("n_rows", [1000, 10_000])
def test_data_that_wait_are_of_bounded_size_but_enough_for_all_cores(groups, n_rows):
    n_bytes = n_rows * 8000
    with meeting():
        losses = Parallel()(large_fits(3 * cpu_count(), n_rows))

    assert sum(groups) == 3 * cpu_count()
    assert len(set(losses)) == 1
    assert max(groups) * n_bytes <= max(2**26, cpu_count() * n_bytes)
    assert min(groups) >= min(cpu_count(), 2**26 // n_bytes) or n_bytes < 2**26


# --- ensembles and fit_many --------------------------------------------------------------------------


def test_networks_of_ensembles_in_a_cross_validation_train_together(groups):
    ensemble = CrossFitClassifier(net(early_stopping=True), cv=3, random_state=0)
    expected = cross_val_score(ensemble, X, Y, cv=4, scoring="neg_log_loss")
    with meeting():
        scores = cross_val_score(ensemble, X, Y, cv=4, scoring="neg_log_loss")

    assert groups == [4 * 3]
    np.testing.assert_allclose(scores, expected, rtol=1e-9)


def test_fits_and_lists_of_fits_train_together(groups):
    def many():
        return [model.loss_ for model in fit_many([net((3,)), net((8,))], X, Y)]

    with meeting():
        losses = Parallel()([delayed(many)(), delayed(fit)(), delayed(many)()])

    assert groups == [5]
    assert_array_equal(losses[0], losses[2])
    np.testing.assert_allclose(losses[1], fit(), rtol=1e-12)


def test_an_error_of_one_of_many_fits_is_raised_and_the_others_are_fitted(groups):
    models = [net(), net((0,)), net((3,))]

    def many():
        with pytest.raises(ValueError, match="hidden_layer_sizes"):
            fit_many(models, X, Y)

    with meeting():
        Parallel()([delayed(many)(), delayed(fit)()])

    assert groups == [3]
    assert [hasattr(model, "coefs_") for model in models] == [True, False, True]


def test_ctrl_c_ends_ensembles_and_leaves_them_unfitted():
    ensembles = [CrossFitClassifier(net(**NEVER_ENDS, early_stopping=True), cv=3) for _ in range(3)]

    def work():
        with meeting():
            Parallel()(delayed(ensemble.fit)(X, Y) for ensemble in ensembles)

    interrupt_after(0.2, work)

    assert not any(hasattr(ensemble, "estimators_") for ensemble in ensembles)
