"""How many threads BLAS uses, and work on blocks of rows in as many threads. No TensorFlow."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from contextvars import copy_context
from functools import cache, partial
from threading import RLock, Thread

from threadpoolctl import ThreadpoolController

from skdense.core.machine.threads import Future, at_fork, run_all, submit

# BLAS has a lock of its own, which a child would inherit locked, for ever, if it were held in a fork.
_lock = RLock()
"""Held while the number of threads of BLAS changes, and while the process forks."""
_n_users = 0
# Between contexts it keeps only libraries for which other code had set another number when the last
# context ended. That code may set one thread again, as it had found; then the next context gives back
# the number that is kept here.
_before = {}
"""The number of threads that each library had before it was limited."""


@contextmanager
def one_blas_thread() -> Iterator[int]:
    """Limit BLAS to one thread in the context; yield how many threads may be started in it instead.

    These are as many as BLAS had; if a limit is active, or other code does not let BLAS be limited,
    yield 1. Where contexts overlap, the limit ends with the last one. A number of threads that other
    code has set meanwhile is kept.
    """
    begin = submit(_begin)  # where no signal can come between counting a user and setting the limit
    try:
        yield begin.result()
    finally:
        submit(_end, begin).result()


def _begin() -> int:
    global _n_users
    with _lock:
        _n_users += 1
        had = {library: library.num_threads for library in _libraries()}
        for library, n in had.items():
            # Other code may have set a number since the first context began. Most code lowers it, so
            # the larger of the two is what the user had before.
            if n == 1 or _n_users > 1:
                n = max(n, _before.get(library, 1))
            _before[library] = n
        _set_threads(dict.fromkeys(had, 1))
        return min(had.values(), default=1) if all(library.num_threads == 1 for library in had) else 1


def _end(begin: Future) -> None:
    global _n_users
    begin.wait()  # which a signal may have ended early in the caller's thread
    with _lock:
        _n_users = max(0, _n_users - 1)  # a context that began before a fork may end in the child
        if _n_users == 0:
            _restore()


def _restore() -> None:
    """Let each library use as many threads as before, unless other code has set another number."""
    if limited := {library: n for library, n in _before.items() if library.num_threads == 1}:
        _set_threads(limited)
    for library in limited:
        del _before[library]


def _in_parent() -> None:
    with suppress(RuntimeError):  # what the handler of a signal raised has ended `acquire`
        _lock.release()


def _in_child() -> None:
    """Lift the limit in the child, which has none of the threads whose contexts would end there."""
    global _n_users
    _n_users = 0
    _restore()
    _in_parent()


at_fork(before=_lock.acquire, after_in_parent=_in_parent, after_in_child=_in_child)


def _set_threads(numbers: dict) -> None:
    """Set the number of threads of each library, unless another thread of the process does so.

    Newer versions of threadpoolctl let only the first thread that sets a number set others, until it
    ends or leaves a context of `threadpool_limits`. So a thread of its own does it, and ends.
    """

    def set_all() -> None:
        for library, n_threads in numbers.items():
            library.set_num_threads(n_threads)

    thread = Thread(target=set_all, name="skdense")
    with suppress(RuntimeError):  # at the end of the process there are no new threads
        thread.start()
        thread.join()


@cache
def _libraries() -> list:
    """The BLAS libraries of the process: finding them takes milliseconds."""
    return ThreadpoolController().select(user_api="blas").lib_controllers


# --- blocks of rows ----------------------------------------------------------------------------------

BLOCK_ROWS = 2048
"""The rows of a block: so few that a layer's values stay in the cache, 1 MB of 64 units in float64."""
_THREADED_FROM = 16
"""The fewest blocks that are worth threads: starting one takes as long as a small block."""


def for_each_block(
    function: Callable[[slice], None],
    n_rows: int,
    block_rows: int = BLOCK_ROWS,
    threaded_from: int = _THREADED_FROM,
) -> None:
    """Call `function` with slices of at most `block_rows` that together cover `n_rows`.

    Within a block only the matrix products would use more than one core. From `threaded_from` blocks
    on, they are divided among threads, as many as BLAS would use, each with one BLAS thread.
    """
    # Without rows, one empty block lets `function` say what it thinks of them.
    blocks = [slice(start, start + block_rows) for start in range(0, max(n_rows, 1), block_rows)]
    left = iter(blocks)  # each thread takes its next block from it

    def work() -> None:
        for block in left:
            function(block)

    with one_blas_thread() if len(blocks) >= threaded_from else nullcontext(1) as n_threads:
        if min(n_threads, len(blocks)) == 1:
            work()
            return
        # A copy of the context has the caller's numpy.errstate.
        workers = [partial(copy_context().run, work) for _ in blocks[:n_threads]]
        run_all(workers, stop=lambda: list(left))  # after an error no further block is begun
