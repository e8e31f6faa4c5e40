"""How many threads BLAS uses, which is a setting of the whole process. No TensorFlow."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from threading import Lock, Thread

from threadpoolctl import ThreadpoolController

from skdense.core.machine.threads import Call, apart

_lock = Lock()
_n_users = 0
_before = {}
"""The number of threads that each library had before it was limited; empty if none is limited."""


@contextmanager
def one_blas_thread() -> Iterator[int]:
    """Limit BLAS to one thread in the block; yield how many threads the block may start instead.

    These are as many as BLAS had; if a limit is active, or other code does not let BLAS be limited,
    yield 1. Where blocks overlap, the limit ends with the last one. A number of threads that other code
    has set meanwhile is kept.
    """
    begin = apart(_begin)  # where no signal can come between counting a user and setting the limit
    try:
        yield begin.result()
    finally:
        apart(_end, begin).result()


def _begin() -> int:
    global _n_users
    with _lock:
        _n_users += 1
        had = {library: library.num_threads for library in _libraries()}
        # Other code may have set a number since the first block began. Most code lowers it, so the
        # larger of the two is what the user had before.
        _before.update({library: max(n, _before.get(library, 1)) for library, n in had.items()})
        _set_threads(dict.fromkeys(had, 1))
        return min(had.values(), default=1) if all(library.num_threads == 1 for library in had) else 1


def _end(begin: Call) -> None:
    global _n_users
    begin.wait()  # which a signal may have ended early in the caller's thread
    with _lock:
        _n_users -= 1
        if _n_users == 0:
            _set_threads({library: n for library, n in _before.items() if library.num_threads == 1})
            _before.clear()


def _set_threads(numbers: dict) -> None:
    """Set the number of threads of each library, unless another thread of the process does so.

    With threadpoolctl, the first thread that sets a number is the only one that can, until it ends or
    leaves a block of `threadpool_limits`. So a thread of its own does it, which has ended afterwards.
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
