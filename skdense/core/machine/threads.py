"""Work in other threads, so that Ctrl-C cannot break it; forks; the threads of BLAS and OpenMP.

A signal's handler may raise between any two bytecodes of the main thread. In the Python code of
`concurrent.futures` that leaves a lock locked, or ends with another error. Of 10,000 interrupts at
random moments of tasks of 0.03 to 0.4 ms, 27 made the process hang or die and 10 raised another error;
with the code below, all of 190,000 arrived. So the main thread passes tasks on, and waits for them, by
functions that are written in C. Unlike an executor, this also works after the main thread has ended.
Nothing here needs TensorFlow.
"""

import atexit
import os
import sys
from _thread import start_new_thread
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from contextvars import Context, copy_context
from functools import cache, lru_cache, partial
from queue import SimpleQueue
from threading import Event, Lock, RLock, current_thread, local
from typing import Any
from weakref import ref

from threadpoolctl import ThreadpoolController

at_fork: Callable[..., None] = getattr(os, "register_at_fork", lambda **calls: None)
"""`os.register_at_fork`, or nothing on Windows, where no process forks."""

_SIGNAL_SECONDS = 0.05
"""How long the answer to a signal may take."""

_idle: "list[SimpleQueue[Future]]" = []
"""The queues of waiting threads, which are reused: TensorFlow takes time to register a new thread."""
_MOST_IDLE = 8 + 2 * (os.cpu_count() or 1)
"""How many threads may wait: networks that train on all cores have two for each core."""
_unfinished: "set[Future]" = set()
"""The tasks that the end of the process waits for: all but those of daemon threads."""
_worker = local()
"""`_worker.is_daemon` says of a thread of the pool whether its task comes from a daemon thread."""


class Future:
    """A task in another thread: a function, its arguments, and later its result or error."""

    def __init__(self, function: Callable, *arguments: Any):
        self._function, self._arguments = function, arguments
        self._value: Any = None
        self._error: BaseException | None = None
        self._is_daemon = getattr(_worker, "is_daemon", None)
        if self._is_daemon is None:
            self._is_daemon = current_thread().daemon
        self._is_finished, self._running = False, Lock()
        self._running.acquire()
        self._queue: ref[SimpleQueue[Future]] | None = None

    def put_into(self, queue: "SimpleQueue[Future]") -> None:
        """Pass the task to the thread that alone takes its tasks from this queue."""
        self._queue = ref(queue)
        queue.put(self)

    def run(self) -> None:
        """Call the function, in a context of its own."""
        try:
            _worker.is_daemon = self._is_daemon
            if not self._is_daemon:
                _unfinished.add(self)
            self._value = Context().run(self._function, *self._arguments)
        except BaseException as error:
            self._error = error

    def finish(self) -> None:
        """Wake those who wait for the result."""
        self._is_finished = True
        self._running.release()
        _unfinished.discard(self)

    def wait(self, stop: Event | None = None) -> bool:
        """Wait until the task is finished or `stop` is set; return whether it is finished."""
        # A signal that comes just before the lock blocks does not wake it, hence the timeout. What a
        # handler raises may leave the lock taken, hence `_is_finished`.
        while not self._is_finished:
            if stop is not None and stop.is_set():
                return False
            if self._running.acquire(timeout=_SIGNAL_SECONDS):
                self._running.release()
            elif self._queue is not None and self._queue() is None and not self._is_finished:
                # The thread died at its start for lack of memory, so its queue was freed and the task
                # never began.
                self._error = MemoryError("no memory for a thread")
                self.finish()
        return True

    def result(self, stop: Event | None = None) -> Any:
        """Wait for the result; return it, or raise the task's error, or KeyboardInterrupt at `stop`."""
        if not self.wait(stop):
            raise KeyboardInterrupt
        if self._error is not None:
            raise self._error
        return self._value


def submit(function: Callable, *arguments: Any) -> Future:
    """Call a function in another thread, where no handler of a signal can interrupt it."""
    future = Future(function, *arguments)
    try:
        future.put_into(_idle.pop())
    except IndexError:
        queue: SimpleQueue[Future] = SimpleQueue()
        future.put_into(queue)
        start_new_thread(_serve, (queue,))
    # `run` also does this, but the process may end before the thread has begun.
    if not future._is_daemon:
        _unfinished.add(future)
        if future._is_finished:
            _unfinished.discard(future)
    return future


def _serve(queue: "SimpleQueue[Future]") -> None:
    """Run the tasks of a queue, one after the other, until there are enough idle threads."""
    stays = True
    while stays:
        future = queue.get()
        future.run()
        stays = len(_idle) < _MOST_IDLE
        if stays:
            _idle.append(queue)  # first, as the next task may come as soon as this one is finished
        future.finish()
        del future


@atexit.register
def wait_for_all() -> None:
    """Wait for all unfinished tasks, also for those whose result nobody waits for any more."""
    for future in [*_unfinished]:
        future.wait()


_forked_from_tensorflow = False


def check_not_forked() -> None:
    """Raise in a process that was forked after TensorFlow was imported.

    TensorFlow's threads do not exist there, so training would hang or abort.
    """
    if _forked_from_tensorflow:
        raise RuntimeError(
            "TensorFlow cannot train in a process that was forked after TensorFlow was imported. "
            "Start worker processes with joblib's default backend, 'loky', or with the "
            "multiprocessing start method 'spawn'."
        )


def _after_fork() -> None:
    global _forked_from_tensorflow
    _forked_from_tensorflow |= "tensorflow" in sys.modules
    _idle.clear()
    _unfinished.clear()


at_fork(after_in_child=_after_fork)


def run_all(functions: Sequence[Callable], stop: Callable[[], object]) -> None:
    """Call functions, each in a thread, and wait for all of them; raise the first error.

    `stop` asks all functions to end. It is called after an error, and when a signal's handler raises.
    """

    def or_stop(function: Callable) -> None:
        try:
            function()
        except BaseException:
            stop()
            raise

    futures: list[Future] = []
    try:
        for function in functions:
            futures.append(submit(or_stop, function))
        for future in futures:
            future.result()
    except BaseException:
        stop()
        for future in futures:
            future.wait()
        raise


# --- threads of BLAS and OpenMP ----------------------------------------------------------------------


# BLAS has a lock of its own. If it were held during a fork, it would stay locked in the child.
_lock = RLock()
"""Held while the number of threads of BLAS changes, and while the process forks."""
_limits: set[object] = set()
"""A token for each context of `one_blas_thread` that is active."""
# If other code changes a library's limit while ours is active, we leave it, and keep the library's
# first number here: that code may later restore our 1, and the next context then restores the first
# number.
_original = {}
"""The number of threads that each library had before it was limited."""


@contextmanager
def one_blas_thread() -> Iterator[int]:
    """Limit BLAS to one thread in the context; yield how many threads may be started in it instead.

    These are as many as BLAS had; if a limit is active, or other code does not let BLAS be limited,
    yield 1. Where contexts overlap, the limit ends with the last one. A number of threads that other
    code has set meanwhile is kept.
    """
    token = object()
    beginning = submit(_begin_limit, token)  # in a thread of ours, a signal cannot come in between
    try:
        yield beginning.result()
    finally:
        submit(_end_limit, token, beginning).result()


def _begin_limit(token: object) -> int:
    with _lock:
        _limits.add(token)
        numbers = {library: library.num_threads for library in _controllers()[0].lib_controllers}
        for library, n in numbers.items():
            # Other code may have set a number since the first context began. Most code lowers it, so
            # the larger of the two is what the user had before.
            if n == 1 or len(_limits) > 1:
                n = max(n, _original.get(library, 1))
            _original[library] = n
        _set_threads(dict.fromkeys(numbers, 1))
        is_limited = all(library.num_threads == 1 for library in numbers)
        return min(numbers.values(), default=1) if is_limited else 1


def _end_limit(token: object, beginning: Future) -> None:
    beginning.wait()  # as a signal may have ended the waiting of the caller's thread
    with _lock:
        _limits.discard(token)  # it is missing if there was no memory to begin, or in a forked child
        if not _limits:
            _restore()


def _restore() -> None:
    """Let each library use as many threads as before, unless other code has set another number."""
    if limited := {library: n for library, n in _original.items() if library.num_threads == 1}:
        _set_threads(limited)
    for library in limited:
        del _original[library]


def _release_in_parent() -> None:
    with suppress(RuntimeError):  # the handler of a signal may have raised during `acquire`
        _lock.release()


def _restore_in_child() -> None:
    """Lift the limit in the child: the threads whose contexts would do that are not there."""
    _limits.clear()
    _restore()
    _release_in_parent()


at_fork(before=_lock.acquire, after_in_parent=_release_in_parent, after_in_child=_restore_in_child)


def _set_threads(numbers: dict) -> None:
    """Set the number of threads of each library, unless another thread of the process does so.

    Newer versions of threadpoolctl let only the first thread that sets a number set others, until it
    ends or leaves a context of limits. So we use such a context, which itself limits no library.
    """
    with _controllers()[1].limit(limits=None):
        for library, n_threads in numbers.items():
            library.set_num_threads(n_threads)


@cache
def _controllers() -> tuple[ThreadpoolController, ThreadpoolController]:
    """A controller of the BLAS libraries, whose search takes milliseconds, and one of no library."""
    libraries = ThreadpoolController()
    return libraries.select(user_api="blas"), libraries.select(user_api=[])


def one_openmp_thread() -> AbstractContextManager:
    """Limit OpenMP to one thread in the context.

    `threadpool_limits(1, user_api="openmp")` would also set BLAS back to what it was, which another
    thread may have limited then.
    """
    return _openmp(len(sys.modules)).limit(limits=1)


@lru_cache(maxsize=1)
def _openmp(n_modules: int) -> ThreadpoolController:
    """The OpenMP libraries of the process, whose search takes as long as the fit of a small model.

    A further module may have brought another one. threadpoolctl 3.8 has this cache too.
    """
    return ThreadpoolController().select(user_api="openmp")


# --- blocks of rows ----------------------------------------------------------------------------------

BLOCK_ROWS = 2048
"""The rows of a block: so few that a layer's values stay in the cache, 1 MB of 64 units in float64."""
_THREADED_FROM = 16
"""The fewest blocks that are worth threads: starting one takes as long as a small block."""


def for_each_block(
    function: Callable,
    n_rows: int,
    block_rows: int = BLOCK_ROWS,
    threaded_from: int = _THREADED_FROM,
    n_threads: int | None = None,
) -> None:
    """Call `function` with slices of at most `block_rows` that together cover `n_rows`.

    Within a block only the matrix products would use more than one core. From `threaded_from` blocks
    on, they are divided among threads, each with one BLAS thread: `n_threads`, or as many as BLAS would
    use.
    """
    # Without rows there is one empty block, so that `function` raises its error.
    blocks = [slice(start, start + block_rows) for start in range(0, max(n_rows, 1), block_rows)]
    remaining = iter(blocks)  # which the threads share

    def work() -> None:
        for block in remaining:
            function(block)

    with one_blas_thread() if len(blocks) >= threaded_from else nullcontext(1) as n_allowed:
        if n_threads is None or len(blocks) < threaded_from:
            n_threads = n_allowed
        if min(n_threads, len(blocks)) == 1:
            work()
            return
        # Copies of the context, which has the caller's numpy.errstate.
        workers = [partial(copy_context().run, work) for _ in blocks[:n_threads]]
        run_all(workers, stop=lambda: list(remaining))  # after an error no further block is begun
