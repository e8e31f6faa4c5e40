"""Work on many rows, block by block and on as many threads as BLAS would take."""

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from threading import Lock

from threadpoolctl import ThreadpoolController

BLOCK_ROWS = 2048
_THREADED_FROM = 16
"""The fewest blocks that are worth threads: one starts in the time of a small block."""

_blas_is_limited = Lock()


def for_each_block(function, n_rows):
    """Call `function` with slices of at most `BLOCK_ROWS` that together cover `n_rows`.

    Within a block only the matrix products would use more than one core. So many blocks are shared out
    to threads, with one BLAS thread each; the number of threads is BLAS's own limit, which is a setting
    of the whole process and back in place afterwards. Two at a time would lose it: the second does
    without.
    """
    blocks = [slice(start, start + BLOCK_ROWS) for start in range(0, n_rows, BLOCK_ROWS)]
    if len(blocks) < _THREADED_FROM or not _blas_is_limited.acquire(blocking=False):
        for block in blocks:
            function(block)
        return
    try:
        _share_out(function, blocks)
    finally:
        _blas_is_limited.release()


def _share_out(function, blocks):
    blas = ThreadpoolController().select(user_api="blas")
    n_threads = min((library["num_threads"] for library in blas.info()), default=1)
    left = iter(blocks)  # which all threads take the next from, one at a time

    def work():
        for block in left:
            function(block)

    with blas.limit(limits=1), ThreadPoolExecutor(n_threads) as executor:
        # A copy of the context has the caller's numpy.errstate.
        workers = [executor.submit(copy_context().run, work) for _ in range(n_threads)]
        try:
            for worker in workers:
                worker.result()
        finally:
            list(left)  # after an error or Ctrl-C nothing more is begun
