"""What handlers of signals raise arrives wherever a fit is, and nothing of it stays behind."""

import itertools
import signal
import sys
import threading
import warnings

import numpy as np
import pytest
from sklearn.base import clone

from helpers import assert_identical, make_problem
from skdense import LowLevelMLPClassifier, fit_many
from skdense.core.host import lbfgs, train
from skdense.core.machine import threads
from skdense.fit import prepare
from skdense.fit.fitting import fit_together
from skdense.fit.inputs import FitInput

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs POSIX signals"),
]

X, Y = make_problem()


def net(solver="adam", **parameters):
    defaults = {"activation": "tanh", "batch_size": 30, "max_iter": 4, "random_state": 0}
    return LowLevelMLPClassifier((6,), solver=solver, **defaults | parameters)


class Enough(Exception):
    """What a user's own handler raises."""


def raise_at(n, error):
    """Raise an error at the n-th step of the code of threads and training in this thread.

    Steps are the beginnings and ends of calls. Return a function that tells whether it was raised.
    """
    files = {module.__file__ for module in (lbfgs, train, threading, threads)}
    left = itertools.count(n - 1, -1)
    raised = []

    def step(frame, event, argument):
        if frame.f_code.co_filename in files and next(left) == 0:
            raised.append(event)
            raise error  # which ends the profile, too

    sys.setprofile(step)
    return lambda: bool(raised)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("error", [Enough, KeyboardInterrupt])
def test_an_exception_between_any_two_steps_of_a_fit_arrives_and_breaks_nothing(
    error, solver, limit_calls
):
    expected = net(solver).fit(X, Y)
    for n in itertools.count(1):
        model = net(solver)
        was_raised = raise_at(n, error)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                model.fit(X, Y)
                arrived = any("interrupted by user" in str(w.message) for w in caught)
                assert error is KeyboardInterrupt or not arrived
            except error:
                arrived = True
                assert vars(model) == vars(net(solver))
            finally:
                sys.setprofile(None)
        assert arrived == was_raised(), n
        if not arrived:
            break
    assert n > 50
    threads.wait_for_all()
    assert_identical(net(solver).fit(X, Y), expected)


@pytest.fixture
def own_handler():
    """Let SIGINT raise `Enough`."""

    def handler(*_):
        raise Enough

    before = signal.signal(signal.SIGINT, handler)
    yield handler
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_what_a_users_own_handler_raises_ends_a_fit_at_once_and_leaves_the_estimator_as_it_was(
    solver, own_handler, ctrl_c_during_call
):
    model = net(solver).fit(X, Y)
    before = dict(vars(model))
    go_on = ctrl_c_during_call(2)

    with pytest.raises(Enough):
        model.set_params(max_iter=10**6, n_iter_no_change=10**6, tol=0).fit(X, Y)

    assert signal.getsignal(signal.SIGINT) is own_handler
    go_on()
    assert dict(vars(model.set_params(max_iter=4, n_iter_no_change=10, tol=1e-4))) == before


@pytest.mark.parametrize("several", ["draws", "estimators"])
def test_ctrl_c_does_not_wait_for_calls_of_several_networks(several, ctrl_c_during_call):
    models = [net(max_iter=50, tol=0, random_state=i) for i in range(3)]
    alone = clone(models[1]).fit(X, Y)
    go_on = ctrl_c_during_call(2 if several == "estimators" else 5)

    if several == "estimators":
        before = [dict(vars(model)) for model in models]
        with pytest.raises(KeyboardInterrupt):
            fit_many(models, X, Y)
    else:
        models[0].set_params(n_init=3, max_iter=10**6)
        with pytest.warns(UserWarning, match="interrupted by user"):
            models[0].fit(X, Y)
        assert models[0].loss_ == np.nanmin(models[0].init_losses_)  # the best of the draws so far
        assert models[0].init_losses_.shape == (3,)
        before = [dict(vars(model)) for model in models]
    go_on()

    assert [dict(vars(model)) for model in models] == before
    assert_identical(models[1].fit(X, Y), alone)


@pytest.mark.parametrize("alone", [{}, {"verbose": True}, {"solver": "lbfgs", "max_fun": 10**6}])
def test_another_thread_can_stop_networks_that_train_together(alone, replace_programs):
    """They end at the next chunk, nothing is kept, and no other network begins."""
    stop, was_stopped, begun, calls = threading.Event(), threading.Event(), [], itertools.count(1)

    def counted(program):
        begun.append(program)

        def run(*arguments):
            if next(calls) == 20:
                stop.set()
                was_stopped.wait()  # or lbfgs might converge before anyone looks at `stop`
            return program(*arguments)

        return run

    replace_programs(counted)
    for_ever = {"max_iter": 10**6, "n_iter_no_change": 10**6, "tol": 0, "random_state": 0}
    models = [net(**for_ever | alone) for _ in range(9)]
    with pytest.raises(KeyboardInterrupt):
        fit_together(models, [FitInput(X, Y)] * 9, n_jobs=2, stop=stop)
    was_stopped.set()

    assert not any(hasattr(model, "coefs_") for model in models)
    threads.wait_for_all()  # none goes on for ever
    assert len(begun) == (1 if alone else 2)
    with pytest.raises(KeyboardInterrupt):
        fit_together(models, [FitInput(X, Y)] * 9, stop=stop)
    assert len(begun) <= 3  # lbfgs makes its program before it looks


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_an_error_of_a_training_stops_all_that_share_its_event(n_jobs):
    stop = threading.Event()

    def fail(model, X, y):
        raise Enough

    models = [net(random_state=i, early_stopping=True, scoring=fail) for i in range(3)]
    with pytest.raises(Enough):
        fit_together(models, [FitInput(X, Y)] * 3, n_jobs, stop=stop)
    assert stop.is_set()


@pytest.mark.parametrize("n", [1, 5, 9])
def test_what_a_handler_raises_while_estimators_are_prepared_is_no_error_of_a_fit(n, monkeypatch):
    """An exception like any other that comes in code of scikit-learn's."""
    models = [net(random_state=i) for i in range(9)]
    check, n_checks = prepare.check_parameters, itertools.count(1)

    def interrupted(*arguments):
        if next(n_checks) == n:
            raise Enough
        return check(*arguments)

    monkeypatch.setattr(prepare, "check_parameters", interrupted)
    with pytest.raises(Enough):
        fit_many(models, X, Y)

    assert next(n_checks) == n + 1
    assert not any(hasattr(model, "n_features_in_") for model in models)
