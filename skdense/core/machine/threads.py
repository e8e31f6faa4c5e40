"""Work in other threads, while the thread that waits for it answers signals; forks; threads of BLAS.

Nothing here needs TensorFlow.

The handler of a signal may raise between any two bytecodes of the main thread. If that is inside
threading's Python code, a lock stays locked. So the caller's thread hands work over and waits for it by
functions that are written in C. No executor: it could not start threads once the main thread has ended.
"""

import atexit
import os
import sys
from _thread import start_new_thread
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from contextvars import Context, copy_context
from functools import cache, partial
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
"""A queue for each thread that waits for its next call: TensorFlow takes time to know a new thread."""
_MOST_IDLE = 8 + 2 * (os.cpu_count() or 1)
"""How many threads may wait: networks that train on all cores have two for each core."""
_under_way: "set[Future]" = set()
"""The calls that the end of the process waits for: all but those of daemon threads."""
_here = local()
"""Whether this thread, if it is a worker, makes a call of a daemon thread."""


class Future:
    """A call of a function in another thread."""

    def __init__(self, function: Callable, *arguments: Any):
        self._function, self._arguments = function, arguments
        self._value: Any = None
        self._error: BaseException | None = None
        self._of_daemon = getattr(_here, "of_daemon", None)
        if self._of_daemon is None:
            self._of_daemon = current_thread().daemon
        self._has_ended, self._running = False, Lock()
        self._running.acquire()
        self._calls: ref[SimpleQueue[Future]] | None = None

    def let(self, calls: "SimpleQueue[Future]") -> None:
        """Let the thread that takes its calls from this queue, which is its own, make the call."""
        self._calls = ref(calls)
        calls.put(self)

    def make(self) -> None:
        """Make the call."""
        try:
            _here.of_daemon = self._of_daemon
            if not self._of_daemon:
                _under_way.add(self)
            self._value = Context().run(self._function, *self._arguments)
        except BaseException as error:
            self._error = error

    def end(self) -> None:
        """Let those go on who wait for the result."""
        self._has_ended = True
        self._running.release()
        _under_way.discard(self)

    def wait(self, stop: Event | None = None) -> bool:
        """Wait until the call has ended, or `stop` is set; return whether it has ended."""
        # A signal that comes just before the lock blocks does not wake it, hence the timeout. What a
        # handler raises may leave the lock taken, hence `_has_ended`.
        while not self._has_ended:
            if stop is not None and stop.is_set():
                return False
            if self._running.acquire(timeout=_SIGNAL_SECONDS):
                self._running.release()
            elif self._calls is not None and self._calls() is None and not self._has_ended:
                # The thread has ended, and with it its queue, before it could begin.
                self._error = MemoryError("no memory for a thread")
                self.end()
        return True

    def result(self, stop: Event | None = None) -> Any:
        """Wait for the result; return it, or raise the function's error, or an interrupt at `stop`."""
        if not self.wait(stop):
            raise KeyboardInterrupt
        if self._error is not None:
            raise self._error
        return self._value


def submit(function: Callable, *arguments: Any) -> Future:
    """Begin a call in another thread, where no handler of a signal can interrupt it."""
    call = Future(function, *arguments)
    try:
        call.let(_idle.pop())
    except IndexError:
        calls: SimpleQueue[Future] = SimpleQueue()
        call.let(calls)
        start_new_thread(_make_all, (calls,))
    return call


def _make_all(calls: "SimpleQueue[Future]") -> None:
    """Make the calls of a queue, one after the other, unless enough threads wait for theirs."""
    stays = True
    while stays:
        call = calls.get()
        call.make()
        stays = len(_idle) < _MOST_IDLE
        if stays:
            _idle.append(calls)  # first, as the next call may come at once
        call.end()
        del call


@atexit.register
def wait_for_all() -> None:
    """Wait for the calls that nobody may be waiting for any more."""
    for call in [*_under_way]:
        call.wait()


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
    _under_way.clear()


at_fork(after_in_child=_after_fork)


def run_all(functions: Sequence[Callable], stop: Callable[[], object]) -> None:
    """Call functions, each in a thread, and wait for all of them; raise the first error.

    `stop` is called as soon as there is one, or a signal's handler raises. It asks the others to end,
    which is waited for.
    """

    def or_stop(function: Callable) -> None:
        try:
            function()
        except BaseException:
            stop()
            raise

    calls: list[Future] = []
    try:
        for function in functions:
            calls.append(submit(or_stop, function))
        for call in calls:
            call.result()
    except BaseException:
        stop()
        for call in calls:
            call.wait()
        raise


# --- threads of BLAS ---------------------------------------------------------------------------------


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
    function: Callable, n_rows: int, block_rows: int = BLOCK_ROWS, threaded_from: int = _THREADED_FROM
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
