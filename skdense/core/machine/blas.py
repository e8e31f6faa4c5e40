"""How many threads BLAS uses, which is a setting of the whole process. No TensorFlow."""

from contextlib import contextmanager
from functools import cache
from threading import Lock

from threadpoolctl import ThreadpoolController

_is_limited = Lock()


@contextmanager
def one_blas_thread():
    """Limit BLAS to one thread in the block; yield how many the work may take instead.

    A second limit at the same time would lose the setting to restore afterwards: if a limit is active,
    change nothing and yield 1.
    """
    if not _is_limited.acquire(blocking=False):
        yield 1
        return
    try:
        blas = _libraries()
        n_threads = min((library["num_threads"] for library in blas.info()), default=1)
        with blas.limit(limits=1):
            yield n_threads
    finally:
        _is_limited.release()


@cache
def _libraries():
    """The BLAS libraries of the process: finding them takes milliseconds."""
    return ThreadpoolController().select(user_api="blas")
