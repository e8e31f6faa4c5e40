"""Silence while TensorFlow is loaded: its log is kept off stderr, and nothing else is."""

import os
import subprocess
import sys
from contextlib import contextmanager
from threading import Thread

from skdense.core.machine import stderr_reader


@contextmanager
def quiet():
    """Keep TensorFlow's log off stderr, unless TF_CPP_MIN_LOG_LEVEL is set or the block fails.

    Some of its lines come before it reads that variable. So a process of its own reads what is written
    to stderr meanwhile, and passes on at once what others write: threads, processes that start in the
    block, and this process if it aborts.
    """
    reader = None if "TF_CPP_MIN_LOG_LEVEL" in os.environ else _start_reader()
    if reader is None:
        yield
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    sys.stderr.flush()
    stderr = os.dup(2)
    os.dup2(reader.stdin.fileno(), 2)
    end = stderr_reader.FAILED
    try:
        yield
        end = stderr_reader.LOADED
    finally:
        del os.environ["TF_CPP_MIN_LOG_LEVEL"]
        sys.stderr.flush()
        os.dup2(stderr, 2)
        os.close(stderr)
        os.write(reader.stdin.fileno(), end)
        reader.stdin.close()
        with reader.stdout:
            reader.stdout.read()
        Thread(target=reader.wait, daemon=True).start()  # another process may still write to it


def _start_reader():
    """The process; None where it cannot be started, or nobody could see what is written."""
    if sys.stderr is None or getattr(sys, "frozen", False) or not sys.executable:
        return None
    try:
        os.fstat(2)
        reader = subprocess.Popen(
            [sys.executable, "-I", "-S", stderr_reader.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,  # no Ctrl-C ends it
        )
    except OSError:
        return None
    if reader.stdout.readline() == stderr_reader.READY:
        return reader
    reader.kill()
    reader.communicate()
    return None
