"""Ctrl-C while TensorFlow works in the main thread, where Python raises it."""

import signal
from contextlib import contextmanager
from threading import current_thread, main_thread


def can_hold_ctrl_c():
    """Whether Ctrl-C cannot interrupt this thread: it goes to another one, or can be held back."""
    return not _is_main() or signal.getsignal(signal.SIGINT) is signal.default_int_handler


@contextmanager
def ctrl_c_held(when_it_comes):
    """Hold Ctrl-C back, if that is possible, until the block ends, and raise KeyboardInterrupt then.

    TensorFlow's C++ may swallow the exception when it asks Python for an attribute, and go on without
    the attribute. `when_it_comes` is called at once.
    """
    if not (_is_main() and can_hold_ctrl_c()):
        yield
        return
    came = []

    def hold(*_):
        came.append(True)
        when_it_comes()

    signal.signal(signal.SIGINT, hold)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is hold:  # and not another handler, set in the block
            signal.signal(signal.SIGINT, signal.default_int_handler)
    if came:
        raise KeyboardInterrupt


def _is_main():
    return current_thread() is main_thread()
