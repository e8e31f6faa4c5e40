"""Work in other threads, while the thread that waits for it answers signals; and forks. No TensorFlow.

The handler of a signal may raise between any two bytecodes of the main thread. If that is inside
threading's Python code, a lock stays locked. So the caller's thread hands work over and waits for it by
functions that are written in C. No executor: it could not start threads once the main thread has ended.
"""

import atexit
import os
import sys
from _thread import start_new_thread
from collections.abc import Callable, Sequence
from contextvars import Context
from queue import SimpleQueue
from threading import Event, Lock, current_thread, local
from typing import Any
from weakref import ref

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
