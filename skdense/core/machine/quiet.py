"""Silence while TensorFlow is loaded: its log is kept off stderr, and nothing else is."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

_LEVEL = "TF_CPP_MIN_LOG_LEVEL"

_FILTER = r"""
print("ready", flush=True)

import re, sys

of_tensorflow = re.compile(
    rb"[IWE]\d{4} \d\d:\d\d:\d\d"
    rb"|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: [IWE] "
    rb"|WARNING: All log messages before absl::InitializeLog\(\)"
)
for line in sys.stdin.buffer:
    if not of_tensorflow.match(line):
        sys.stderr.buffer.write(line)
        sys.stderr.buffer.flush()
"""
"""A program that passes lines on from stdin to stderr, but not those of TensorFlow's log.

The message of an abort is at level F, and passes.
"""


@contextmanager
def quiet() -> Iterator[None]:
    """Keep TensorFlow's log off stderr, unless TF_CPP_MIN_LOG_LEVEL is set.

    TensorFlow 2.21 writes two lines before it reads that variable, whatever its value. So all that is
    written to stderr in the block passes through a process of its own: a filter in this process would
    lose the message of an abort, and what a process that starts in the block writes later.
    """
    if _LEVEL in os.environ:
        yield
        return
    os.environ[_LEVEL] = "3"
    try:
        with _filtered_stderr():
            yield
    finally:
        os.environ.pop(_LEVEL, None)


@contextmanager
def _filtered_stderr() -> Iterator[None]:
    reader = _start_filter()
    if reader is None or reader.stdin is None:
        yield
        return
    stderr = os.dup(2)
    os.dup2(reader.stdin.fileno(), 2)
    reader.stdin.close()
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        ends = Thread(target=reader.wait, daemon=True)
        ends.start()
        ends.join(1)  # it lasts longer if another process can still write to it


def _start_filter() -> subprocess.Popen | None:
    """The filter's process; None where it cannot be started, or fd 2 may not be stderr."""
    if not _has_stderr() or getattr(sys, "frozen", False) or not sys.executable:
        return None
    try:
        reader = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _FILTER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C does not end it
        )
    except OSError:
        return None
    if reader.stdout and reader.stdout.readline().strip() == b"ready":
        reader.stdout.close()
        return reader
    reader.kill()
    reader.communicate()
    return None


def _has_stderr() -> bool:
    """Whether fd 2 is stderr. Another file may have this number once Python's stream is closed."""
    try:
        return sys.__stderr__ is not None and sys.__stderr__.fileno() == 2 and bool(os.fstat(2))
    except (AttributeError, OSError, ValueError):
        return False
