"""Work on many rows, block by block and on as many threads as BLAS would take."""

from collections.abc import Callable
from contextvars import copy_context
from functools import partial

from skdense.core.machine.blas import one_blas_thread
from skdense.core.machine.threads import run_all

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

    if len(blocks) < threaded_from:
        work()
        return
    with one_blas_thread() as n_threads:
        if min(n_threads, len(blocks)) == 1:
            work()
            return
        # A copy of the context has the caller's numpy.errstate.
        workers = [partial(copy_context().run, work) for _ in blocks[:n_threads]]
        run_all(workers, stop=lambda: list(left))  # after an error no further block is begun
