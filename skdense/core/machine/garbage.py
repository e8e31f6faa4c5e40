"""What Python and the C library do with memory: collections that can wait, freed memory to give back.

Both last no longer than a call. No TensorFlow.
"""

import ctypes
import gc
from contextlib import contextmanager, suppress


@contextmanager
def no_collection():
    """Keep Python from looking for unreachable cycles in the block, which creates objects that stay.

    While TensorFlow is imported and the first program is made, that is a tenth of the time.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def give_back_freed():
    """Let the C library give memory that was freed back to the system, which it may keep per thread.

    This is glibc's `malloc_trim`; other libraries have no such function. It changes no setting.
    """
    with suppress(AttributeError, OSError, TypeError):  # Windows has no library of that name
        ctypes.CDLL(None).malloc_trim(0)
