"""Limits of BLAS that overlap: each holds to its end, and afterwards all is as before the first."""

from contextlib import ExitStack, contextmanager
from itertools import permutations

import pytest
from threadpoolctl import ThreadpoolController, threadpool_limits

from helpers import blas_threads
from skdense.core.machine.blas import one_blas_thread


@contextmanager
def limited(n_threads):
    """Let each library of BLAS have so many threads until the block ends."""
    libraries = ThreadpoolController().select(user_api="blas").lib_controllers
    before = [library.num_threads for library in libraries]
    for library in libraries:
        library.set_num_threads(n_threads)
    yield
    for library, n in zip(libraries, before, strict=True):
        library.set_num_threads(n)


@pytest.fixture(autouse=True)
def two_threads():
    """Two threads for BLAS, where it takes as many."""
    with limited(2):
        if set(blas_threads()) != {2}:
            pytest.skip("BLAS takes no second thread")
        yield


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
        users = threadpool_limits(3, user_api="blas")
        of_user = blas_threads()
    assert blas_threads() == of_user
    users.restore_original_limits()


@pytest.mark.parametrize("n_blocks", [1, 2])
def test_a_users_limit_that_ends_in_the_block_does_not_come_back(n_blocks):
    users = threadpool_limits(1, user_api="blas")
    with ExitStack() as blocks:
        assert blocks.enter_context(one_blas_thread()) == 1
        users.restore_original_limits()
        for _ in range(1, n_blocks):
            blocks.enter_context(one_blas_thread())
            assert set(blas_threads()) == {1}
    assert set(blas_threads()) == {2}
