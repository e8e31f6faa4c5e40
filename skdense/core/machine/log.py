"""TensorFlow's log while TensorFlow is imported. No TensorFlow."""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from subprocess import DEVNULL, PIPE, Popen, TimeoutExpired
from typing import Any

from skdense.core.machine.disk import environment

_LINES = "^WARNING: All log messages before absl::InitializeLog|^I[0-9]{4} .* (cudart_stub|port)[.]cc:"
"""The lines that TensorFlow writes before it reads TF_CPP_MIN_LOG_LEVEL, as a regular expression."""


@contextmanager
def quiet_log() -> Iterator[None]:
    """Keep TensorFlow's log off stderr in the block, unless TF_CPP_MIN_LOG_LEVEL is set to a level.

    While its libraries are loaded, TensorFlow writes up to three lines, about Abseil, oneDNN and CUDA,
    whatever the level. So stderr passes through a process of grep, which drops these lines unless the
    level is 0, and writes all others at once: also the last words of a process that aborts, and what
    other threads and new processes write. Without grep, as on Windows, the lines appear.
    """
    variable = "TF_CPP_MIN_LOG_LEVEL"
    level = os.environ.get(variable, "3")
    with ExitStack() as at_end:
        at_end.enter_context(environment(variable, level))
        stderr = sys.__stderr__
        if level != "0" and stderr is not None and not stderr.closed:  # else 2 may be another file
            with suppress(OSError, RuntimeError):  # no grep, or no new processes
                _filter_stderr(at_end)
        yield


def _filter_stderr(at_end: ExitStack) -> None:
    stderr = os.dup(2)
    at_end.callback(os.close, stderr)
    command = "grep", "-a", "-v", "-E", "--line-buffered", _LINES
    grep = Popen(command, stdin=PIPE, stdout=stderr, stderr=DEVNULL, process_group=0)  # without Ctrl-C
    pipe: Any = grep.stdin
    os.dup2(pipe.fileno(), 2)

    def end() -> None:
        if os.path.sameopenfile(pipe.fileno(), 2):  # else other code has put another file there
            os.dup2(stderr, 2)
        pipe.close()
        with suppress(TimeoutExpired):  # a new process may still have the pipe
            grep.wait(0.5)

    at_end.callback(end)
