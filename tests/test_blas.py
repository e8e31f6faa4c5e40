"""Limits of BLAS that overlap: each holds to its end, and afterwards all is as before the first."""

import os
import signal
from contextlib import ExitStack, nullcontext
from itertools import permutations
from threading import Event, Thread

import pytest
from threadpoolctl import ThreadpoolController, threadpool_limits

from helpers import blas_threads
from skdense.core.machine import threads
from skdense.core.machine.threads import one_blas_thread


@pytest.fixture(autouse=True)
def two_threads():
    """Two threads for BLAS, where it takes as many; nobody's limit is active."""
    before = max(blas_threads())
    in_a_thread(set_threads, 2)
    if set(blas_threads()) != {2}:
        pytest.skip("BLAS takes no second thread")
    with one_blas_thread():  # which forgets the numbers that earlier tests have left
        pass
    yield
    in_a_thread(set_threads, before)


def set_threads(n):
    for library in ThreadpoolController().select(user_api="blas").lib_controllers:
        library.set_num_threads(n)


def in_a_thread(function, *arguments):
    thread = Thread(target=function, args=arguments)
    thread.start()
    thread.join()


@pytest.mark.parametrize("ends", [*permutations(range(3))])
def test_the_limit_holds_until_the_last_block_ends(ends):
    blocks = [ExitStack() for _ in ends]
    assert [block.enter_context(one_blas_thread()) for block in blocks] == [2, 1, 1]

    for i in ends:
        assert set(blas_threads()) == {1}
        blocks[i].close()

    assert set(blas_threads()) == {2}


def test_a_users_limit_within_the_block_ends_as_it_began():
    with one_blas_thread():
        with threadpool_limits(2, user_api="blas"):
            assert set(blas_threads()) == {2}
        assert set(blas_threads()) == {1}
    assert set(blas_threads()) == {2}


def test_a_users_limit_that_begins_in_the_block_and_goes_on_is_not_lifted():
    with one_blas_thread():
        users = ExitStack()
        users.enter_context(threadpool_limits(3, user_api="blas"))
        of_user = blas_threads()
    assert blas_threads() == of_user
    users.close()


def test_a_users_limit_that_restores_ours_after_the_block_lasts_until_the_next_block():
    block, users = ExitStack(), ExitStack()
    block.enter_context(one_blas_thread())
    users.enter_context(threadpool_limits(2, user_api="blas"))
    block.close()
    assert set(blas_threads()) == {2}
    users.close()
    assert set(blas_threads()) == {1}  # what the user's limit had found

    for _ in range(2):
        with one_blas_thread():
            assert set(blas_threads()) == {1}
        assert set(blas_threads()) == {2}


def test_a_number_that_a_user_has_set_in_the_block_stays_also_after_the_next():
    with one_blas_thread():
        in_a_thread(set_threads, 3)
    of_user = blas_threads()
    with one_blas_thread():
        assert set(blas_threads()) == {1}
    assert blas_threads() == of_user


@pytest.mark.parametrize("n_blocks", [1, 2])
def test_a_users_limit_that_ends_in_the_block_does_not_come_back(n_blocks):
    users = ExitStack()
    users.enter_context(threadpool_limits(1, user_api="blas"))
    with ExitStack() as blocks:
        assert blocks.enter_context(one_blas_thread()) == 1
        users.close()
        for _ in range(1, n_blocks):
            blocks.enter_context(one_blas_thread())
            assert set(blas_threads()) == {1}
    assert set(blas_threads()) == {2}


def test_any_thread_can_limit_blas_before_and_afterwards():
    def limit():
        with one_blas_thread():
            assert set(blas_threads()) == {1}
        with threadpool_limits(1, user_api="blas"):
            seen.append(blas_threads())

    seen = []
    limit()
    in_a_thread(limit)
    limit()
    assert {n for numbers in seen for n in numbers} == {1}
    assert len(seen) == 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("state", ["limited", "in the block"])
def test_a_forked_child_has_all_threads_and_can_limit_them(state):
    """Whatever other threads of its parent were about to do, and if it was forked in a block itself."""
    with ExitStack() as blocks:
        in_a_thread(blocks.enter_context, one_blas_thread())
        own = one_blas_thread() if state == "in the block" else nullcontext()
        with own:
            child = os.fork()
            if child == 0:
                signal.alarm(60)  # ends a child that hangs
                numbers = [*blas_threads()]
                own.__exit__(None, None, None)
                with one_blas_thread() as n_threads:
                    numbers += [n_threads, *(n + 1 for n in blas_threads())]
                os._exit({*numbers, *blas_threads()} != {2})
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert set(blas_threads()) == {1}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_no_thread_changes_the_number_while_the_process_forks(monkeypatch):
    """The child would inherit a lock of BLAS that nobody there can release."""
    changing, over, change = [], Event(), threads._set_threads

    def change_and_note(numbers):
        changing.append(None)
        change(numbers)
        changing.pop()

    def limit_again_and_again():
        while not over.is_set():
            with one_blas_thread():
                pass

    monkeypatch.setattr(threads, "_set_threads", change_and_note)
    thread = Thread(target=limit_again_and_again)
    thread.start()
    for _ in range(8):  # each takes long where much memory is mapped
        child = os.fork()
        if child == 0:
            os._exit(len(changing))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    over.set()
    thread.join()
