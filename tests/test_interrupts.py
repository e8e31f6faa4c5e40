"""Ctrl-C while TensorFlow works in the main thread: it waits for the end, and is never lost."""

import signal
import threading

import numpy as np
import pytest
from skdense.core.machine.interrupts import can_hold_ctrl_c, ctrl_c_held

from helpers import press_ctrl_c
from skdense import LowLevelMLPClassifier


def test_ctrl_c_waits_for_the_end_of_the_block_and_is_told_at_once():
    happened = []

    def work():
        press_ctrl_c()
        happened.append("block goes on")

    with pytest.raises(KeyboardInterrupt), ctrl_c_held(lambda: happened.append("told")):
        work()
    assert happened == ["told", "block goes on"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_error_comes_before_ctrl_c():
    def work():
        press_ctrl_c()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), ctrl_c_held(lambda: None):
        work()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_another_thread_neither_holds_ctrl_c_nor_has_to():
    seen = []

    def work():
        seen.append(can_hold_ctrl_c())
        with ctrl_c_held(lambda: None):
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [True, signal.default_int_handler]


class Enough(Exception):
    """What a user's own handler raises."""


@pytest.fixture
def own_handler():
    """Let SIGINT raise `Enough`."""

    def handler(*_):
        raise Enough

    before = signal.signal(signal.SIGINT, handler)
    yield handler
    signal.signal(signal.SIGINT, before)


def test_a_users_own_handler_stays_in_place(own_handler):
    assert not can_hold_ctrl_c()
    with ctrl_c_held(lambda: None):
        assert signal.getsignal(signal.SIGINT) is own_handler
    with pytest.raises(Enough), ctrl_c_held(lambda: None):
        press_ctrl_c()


def test_a_handler_that_is_set_in_the_block_stays_in_place():
    before = signal.getsignal(signal.SIGINT)
    try:
        with ctrl_c_held(lambda: None):
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs POSIX signals")
def test_what_a_users_own_handler_raises_ends_a_fit_and_leaves_the_estimator_as_it_was(own_handler):
    X, y = np.eye(8), [0, 1] * 4
    model = LowLevelMLPClassifier((2,), solver="sgd", max_iter=3, n_iter_no_change=1, tol=1e9)
    model.fit(X, y)
    before = dict(vars(model))
    model.set_params(max_iter=10**6, n_iter_no_change=10**6, tol=0)
    timer = threading.Timer(0.2, press_ctrl_c)
    timer.start()
    with pytest.raises(Enough):
        model.fit(X, y)
    model.set_params(max_iter=3, n_iter_no_change=1, tol=1e9)
    assert dict(vars(model)) == before
