"""How many threads BLAS uses, and work on blocks of rows in as many threads. No TensorFlow."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from contextvars import copy_context
from functools import cache, partial
from threading import RLock

from threadpoolctl import ThreadpoolController

from skdense.core.machine.threads import Future, at_fork, run_all, submit

# BLAS has a lock of its own, which a child would inherit locked, for ever, if it were held in a fork.
_lock = RLock()
"""Held while the number of threads of BLAS changes, and while the process forks."""
_users: set[object] = set()
"""A mark for each context that has begun and not ended."""
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
    user = object()
    begin = submit(_begin, user)  # where no signal can come between noting a user and setting the limit
    try:
        yield begin.result()
    finally:
        submit(_end, user, begin).result()


def _begin(user: object) -> int:
    with _lock:
        _users.add(user)
        had = {library: library.num_threads for library in _controllers()[0].lib_controllers}
        for library, n in had.items():
            # Other code may have set a number since the first context began. Most code lowers it, so
            # the larger of the two is what the user had before.
            if n == 1 or len(_users) > 1:
                n = max(n, _before.get(library, 1))
            _before[library] = n
        _set_threads(dict.fromkeys(had, 1))
        return min(had.values(), default=1) if all(library.num_threads == 1 for library in had) else 1


def _end(user: object, begin: Future) -> None:
    begin.wait()  # which a signal may have ended early in the caller's thread
    with _lock:
        _users.discard(user)  # it is not there if there was no memory to begin, or in a forked child
        if not _users:
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
    _users.clear()
    _restore()
    _in_parent()


at_fork(before=_lock.acquire, after_in_parent=_in_parent, after_in_child=_in_child)


def _set_threads(numbers: dict) -> None:
    """Set the number of threads of each library, unless another thread of the process does so.

    Newer versions of threadpoolctl let only the first thread that sets a number set others, until it
    ends or leaves a context of limits. So there is such a context, which itself limits no library.
    """
    with _controllers()[1].limit(limits=None):
        for library, n_threads in numbers.items():
            library.set_num_threads(n_threads)


@cache
def _controllers() -> tuple[ThreadpoolController, ThreadpoolController]:
    """That of the BLAS libraries of the process, which takes milliseconds to find, and one of none."""
    found = ThreadpoolController()
    return found.select(user_api="blas"), found.select(user_api=[])


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
