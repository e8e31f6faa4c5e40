"""Work in threads of its own, while the thread that waits for it answers signals. No TensorFlow."""

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from threading import Thread


def in_thread(function: Callable, *arguments) -> Future:
    """Call a function in a new thread; return the `Future` of its result.

    No executor: it could not start threads once the main thread has ended, and Ctrl-C within `submit`
    can leave one that waits for ever.
    """
    future: Future = Future()

    def work() -> None:
        try:
            future.set_result(function(*arguments))
        except BaseException as error:
            future.set_exception(error)

    Thread(target=work, name="skdense").start()
    return future


def first_error(futures: Sequence[Future], stop: Callable[[], None]) -> None:
    """Wait for all futures; raise the first error of theirs, or what a signal's handler raises.

    `stop` is called as soon as there is an error. It asks the others to end, which is waited for.
    """
    try:
        over, _ = wait(futures, return_when=FIRST_EXCEPTION)
        for future in over:
            future.result()
    except BaseException:
        stop()
        wait(futures)
        raise
