"""Work in other threads, while the thread that waits for it answers signals. No TensorFlow.

What the handler of a signal raises comes between any two steps of Python code in the main thread. So
that it neither gets lost nor leaves a lock taken, the caller's thread runs no more of Python's code for
threads than it must: it hands work over and waits for it by functions written in C. No executor: it
could not start threads once the main thread has ended.
"""

from _thread import start_new_thread
from collections.abc import Callable, Sequence
from threading import Lock, Thread, current_thread
from typing import Any


class Call:
    """A call of a function that runs in another thread once `run` is called there."""

    def __init__(self, function: Callable, *arguments: Any):
        self._function, self._arguments = function, arguments
        self._value: Any = None
        self._error: BaseException | None = None
        self._running = Lock()
        self._running.acquire()

    def run(self) -> None:
        """Make the call."""
        try:
            self._value = self._function(*self._arguments)
        except BaseException as error:
            self._error = error
        self._running.release()

    def wait(self) -> None:
        """Wait for the end of the call."""
        with self._running:
            pass

    def result(self) -> Any:
        """Wait for the result, and return it or raise the function's error."""
        self.wait()
        if self._error is not None:
            raise self._error
        return self._value


def apart(function: Callable, *arguments: Any) -> Call:
    """Begin a call in a thread of its own, where no handler of a signal can interrupt it."""
    call = Call(function, *arguments)
    start_new_thread(_start, (call, current_thread().daemon))
    return call


def _start(call: Call, daemon: bool) -> None:
    # A thread that is made by C alone would not be waited for at the end of the process.
    try:
        Thread(target=call.run, name="skdense", daemon=daemon).start()
    except BaseException:
        call.run()  # no thread can be had any more


def call_all(functions: Sequence[Callable], stop: Callable[[], object]) -> None:
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

    calls: list[Call] = []
    try:
        for function in functions:
            calls.append(apart(or_stop, function))
        for call in calls:
            call.result()
    except BaseException:
        stop()
        for call in calls:
            call.wait()
        raise
