"""The only import of TensorFlow: at the first use, quietly, and with joblib's share of the cores.

The user's own settings win: what an environment variable or earlier code has set is left alone.
"""

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from threading import Lock, Thread
from typing import Any

from joblib import cpu_count, effective_n_jobs

from skdense import compat
from skdense.core.machine import lazy_import
from skdense.core.machine.disk import exchange
from skdense.core.machine.threads import at_fork, submit

_log = logging.getLogger("skdense")
# A GPU was never measured, and would round float32 products to TensorFloat-32.
CPU = "/CPU:0"
"""Where all tensors are and all programs run."""


class _TensorFlow:
    """The module `tensorflow`, which is imported when a name of it is first looked up.

    The import runs in a thread of its own, as no handler of a signal can interrupt it there: modules
    that are half imported cannot be mended. Whoever else needs TensorFlow meanwhile waits for it.
    """

    def __init__(self) -> None:
        self._lock, self._importing = Lock(), None  # a Future, once it is asked for

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__version__":  # inspection asks for such names
            raise AttributeError(name)
        with self._lock:
            if self._importing is None:
                self._importing = submit(_start)
            importing = self._importing
        value = getattr(importing.result(), name)
        setattr(self, name, value)
        return value


def _after_fork() -> None:
    """Let the child import TensorFlow, if the thread that was about to is not there any more."""
    if "tensorflow" not in sys.modules:
        vars(tf).update(_lock=Lock(), _importing=None)


at_fork(after_in_child=_after_fork)

tf: Any = _TensorFlow()
"""TensorFlow. Modules import this name, and look nothing up in it while they are imported."""


def _start() -> Any:
    is_the_users = "tensorflow" in sys.modules  # with the user's settings
    try:
        with nullcontext() if is_the_users else quiet():
            module = lazy_import.import_tensorflow()
            if not is_the_users:
                with exchange(module), suppress(RuntimeError):
                    # A RuntimeError says that another thread has started the devices meanwhile.
                    configure_threads(module)
                    for device in module.config.list_physical_devices("GPU"):
                        module.config.experimental.set_memory_growth(device, True)
                    module.config.list_logical_devices()  # starts the devices while the log is off
    except BaseException as error:
        vars(tf)["_importing"] = None  # the next look-up tries again
        if not isinstance(error, ModuleNotFoundError) or error.name != "tensorflow":
            raise
        raise ImportError(
            "fit needs TensorFlow, which is not installed: python -m pip install tensorflow. "
            "Predicting with a fitted model does not need it."
        ) from None
    if not lazy_import.is_tested(module.__version__):
        _log.info(
            "TensorFlow %s is not tested (but %s is): all of it is imported, a large X is copied, and "
            "compiled programs are not kept.",
            module.__version__,
            ", ".join(f"{version}*" for version in lazy_import.TESTED),
        )
    return module


def configure_threads(module: Any) -> None:
    """Let TensorFlow take its share of the cores, which it does not know by itself.

    In joblib's workers that is OMP_NUM_THREADS, in a container the cores that it may use.
    """
    if "TF_NUM_INTRAOP_THREADS" in os.environ:
        return
    if threads := _number_in("OMP_NUM_THREADS"):
        module.config.threading.set_intra_op_parallelism_threads(threads)
        module.config.threading.set_inter_op_parallelism_threads(1)
    else:
        module.config.threading.set_intra_op_parallelism_threads(cpu_count())


def n_threads() -> int:
    """How many threads TensorFlow was told to compute with, or joblib's share of the cores.

    TensorFlow looks at the environment variable where no code has set a number.
    """
    set_by_code = tf.config.threading.get_intra_op_parallelism_threads()
    return set_by_code or _number_in("TF_NUM_INTRAOP_THREADS") or cpu_count()


def n_at_once(n_tasks: int, n_jobs: int | None = None) -> int:
    """How many of the tasks to work on at the same time: `n_jobs`, or if that is None as joblib says.

    If joblib is not configured, that is a thread for each core, but one within a task of joblib. There
    are never more than TensorFlow has threads.
    """
    said: Any = compat.joblibs_n_jobs() if n_jobs is None else n_jobs
    return min(n_tasks, effective_n_jobs(said), n_threads())


def _number_in(variable: str) -> int:
    """The number that an environment variable is set to, or 0."""
    value = os.environ.get(variable, "")
    return int(value) if value.isdecimal() else 0


# --- silence while TensorFlow is loaded --------------------------------------------------------------

_LEVEL = "TF_CPP_MIN_LOG_LEVEL"

# The message of an abort is at level F, and passes.
_FILTER = r"""
print("ready", flush=True)

import re, sys

kinds = sys.argv[1].encode()
of_tensorflow = re.compile(
    rb"[%b]\d{4} \d\d:\d\d:\d\d"
    rb"|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: [%b] "
    rb"|WARNING: All log messages before absl::InitializeLog\(\)" % (kinds, kinds)
)
for line in sys.stdin.buffer:
    if not of_tensorflow.match(line):
        sys.stderr.buffer.write(line)
        sys.stderr.buffer.flush()
"""
"""A program that passes lines on from stdin to stderr, but not those of TensorFlow's log."""


@contextmanager
def quiet() -> Iterator[None]:
    """Keep TensorFlow's log off stderr, or what TF_CPP_MIN_LOG_LEVEL says of it, if that is set.

    TensorFlow 2.21 writes lines before it reads that variable, whatever its value. So all that is
    written to stderr in the block passes through a process of its own: a filter in this process would
    lose the message of an abort, and what a process that starts in the block writes later.
    """
    level = os.environ.get(_LEVEL, "3")
    kinds = "IWE"[: int(level)] if level.isdecimal() else ""
    if not kinds:
        yield
        return
    with ExitStack() as at_end:
        if _LEVEL not in os.environ:
            os.environ[_LEVEL] = level
            at_end.callback(os.environ.pop, _LEVEL, None)
        if reader := _start_filter(kinds):
            ends = Thread(target=reader.wait, daemon=True)
            at_end.callback(ends.join, 1)  # it lasts longer if another process can still write to it
            at_end.callback(ends.start)
            stderr = os.dup(2)
            at_end.callback(os.close, stderr)
            at_end.callback(os.dup2, stderr, 2)
            os.dup2(reader.stdin.fileno(), 2)
            reader.stdin.close()
        yield


def _start_filter(kinds: str) -> Any:
    """The filter's process, for lines of these kinds; None where none starts, or fd 2 is not stderr.

    Another file may have this number once Python's stream is closed.
    """
    if getattr(sys, "frozen", False) or not sys.executable:
        return None
    command, pipe = [sys.executable, "-I", "-S", "-c", _FILTER, kinds], subprocess.PIPE
    try:
        os.fstat(2)
        if sys.__stderr__.fileno() != 2:  # pyright: ignore[reportOptionalMemberAccess]
            return None
        # In a session of its own, Ctrl-C does not end it.
        reader: Any = subprocess.Popen(command, stdin=pipe, stdout=pipe, start_new_session=True)
    except (AttributeError, OSError, ValueError):  # where stderr is None or closed, too
        return None
    if reader.stdout.readline().strip() == b"ready":
        reader.stdout.close()
        return reader
    reader.kill()
    reader.communicate()
    return None
