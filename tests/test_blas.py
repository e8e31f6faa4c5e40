"""Limits of BLAS that overlap: each holds to its end, and afterwards all is as before the first."""

from contextlib import ExitStack
from itertools import permutations
from threading import Thread

import pytest
from threadpoolctl import ThreadpoolController, threadpool_limits

from helpers import blas_threads
from skdense.core.machine.blas import one_blas_thread


@pytest.fixture(autouse=True)
def two_threads():
    """Two threads for BLAS, where it takes as many; nobody's limit is active."""
    libraries = ThreadpoolController().select(user_api="blas").lib_controllers
    before = [library.num_threads for library in libraries]

    def set_threads(numbers):
        for library, n in zip(libraries, numbers, strict=True):
            library.set_num_threads(n)

    in_a_thread(set_threads, [2] * len(libraries))
    if set(blas_threads()) != {2}:
        pytest.skip("BLAS takes no second thread")
    yield
    in_a_thread(set_threads, before)


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


@pytest.mark.parametrize("n_threads", [1, 2])
def test_no_more_threads_than_a_users_limit_allows(n_threads):
    with threadpool_limits(n_threads, user_api="blas"):
        with one_blas_thread() as n_own:
            assert n_own * max(blas_threads()) <= n_threads
        assert set(blas_threads()) == {n_threads}
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
