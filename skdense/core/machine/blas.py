"""How many threads BLAS uses, which is a setting of the whole process. No TensorFlow."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock

from threadpoolctl import ThreadpoolController

from skdense.core.machine.threads import apart

_lock = Lock()
_n_users = 0
_before = {}
"""How many threads each library had before it was limited; empty where no limit is active."""


@contextmanager
def one_blas_thread() -> Iterator[int]:
    """Limit BLAS to one thread in the block; yield how many threads the block may start instead.

    These are as many as BLAS had; if a limit is active, yield 1. Where blocks overlap, the limit ends
    with the last one. A number of threads that other code has set meanwhile is kept.
    """
    global _n_users
    with _lock:
        _n_users += 1
        n_threads = min((library.num_threads for library in _libraries()), default=1)
        for library in _libraries():
            # Other code may have set a number since the first block began. Most code lowers it, so
            # the larger of the two is what the user had before.
            _before[library] = max(library.num_threads, _before.get(library, 1))
            library.set_num_threads(1)
    try:
        yield n_threads
    finally:
        with _lock:
            _n_users -= 1
            while _before and _n_users == 0:
                library, n_before = _before.popitem()
                if library.num_threads == 1:
                    library.set_num_threads(n_before)


@cache
def _libraries() -> list:
    """The BLAS libraries of the process: finding them takes milliseconds.

    It calls Python from C, which would swallow what a signal's handler raises, and leave libraries out.
    """
    return apart(lambda: ThreadpoolController().select(user_api="blas").lib_controllers).result()
