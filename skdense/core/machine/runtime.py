"""The only import of TensorFlow: quietly, and with joblib's share of the cores.

The user's own settings win: what an environment variable or earlier code has set is left alone.
"""

import os
import re
import sys
import tempfile
from contextlib import contextmanager
from importlib.util import find_spec

import numpy as np
from joblib import cpu_count

from skdense.core.machine.memory import aligned, aligned_copy

CPU = "/CPU:0"
"""Where all tensors are and all programs run. A GPU was never measured, and would round float32
products to TensorFloat-32."""


def _has_stderr():
    try:
        os.fstat(2)
    except OSError:
        return False
    return sys.stderr is not None


@contextmanager
def _quiet():
    """Keep TensorFlow's native log off stderr, unless TF_CPP_MIN_LOG_LEVEL is set or the block fails.

    Some of its messages come before it reads that variable, so stderr itself is collected, and what is
    not TensorFlow's is passed on at the end: other threads may write meanwhile.
    """
    if "TF_CPP_MIN_LOG_LEVEL" in os.environ or not _has_stderr():
        yield
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    sys.stderr.flush()
    stderr = os.dup(2)
    passed_on = _of_others
    with tempfile.TemporaryFile() as log:
        os.dup2(log.fileno(), 2)
        try:
            yield
        except BaseException:
            passed_on = bytes
            raise
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            log.seek(0)
            with open(stderr, "wb") as stream:
                stream.write(passed_on(log.read()))
            del os.environ["TF_CPP_MIN_LOG_LEVEL"]


_TENSORFLOWS_LINE = re.compile(
    rb"^(?:[IWEF]\d{4} \d\d:\d\d:\d\d"
    rb"|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: [IWEF] "
    rb"|WARNING: All log messages before absl::InitializeLog\(\)"
    rb"|To enable the following instructions: ).*\n",
    re.MULTILINE,
)


def _of_others(log):
    """What is in a log besides TensorFlow's lines."""
    return _TENSORFLOWS_LINE.sub(b"", log)


@contextmanager
def _without_keras():
    """Keep `import tensorflow` from importing Keras, which takes a third of its time.

    A user's `tf.keras` is the same afterwards: it is looked up when it is first used. Where tf_keras is
    installed the setting would change which Keras that is, so there it is not made.
    """
    name = "TF_USE_LEGACY_KERAS"
    if name in os.environ or find_spec("tf_keras") is not None:
        yield
        return
    os.environ[name] = "1"
    try:
        yield
    finally:
        del os.environ[name]


def _configure_threads(tf):
    """Take the number of threads from OMP_NUM_THREADS, which joblib sets in its workers.

    TensorFlow itself reads only TF_NUM_INTRAOP_THREADS, and only before it starts.
    """
    threads = os.environ.get("OMP_NUM_THREADS", "")
    if threads.isdigit() and int(threads) > 0 and "TF_NUM_INTRAOP_THREADS" not in os.environ:
        tf.config.threading.set_intra_op_parallelism_threads(int(threads))
        tf.config.threading.set_inter_op_parallelism_threads(1)


def _start():
    imported_by_user = "tensorflow" in sys.modules
    with _quiet():
        with _without_keras():
            import tensorflow as tf

        if not imported_by_user:
            _configure_threads(tf)
            for device in tf.config.list_physical_devices("GPU"):
                tf.config.experimental.set_memory_growth(device, True)
            tf.config.list_logical_devices()  # starts the devices while the log is off
    return tf


tf = _start()


def n_threads():
    """How many threads TensorFlow computes with."""
    return tf.config.threading.get_intra_op_parallelism_threads() or cpu_count()


def to_tensor(array):
    """A tensor with a copy of `array`. It is made sooner than `tf.constant` would make it."""
    return view(aligned_copy(array))


def to_array(tensor):
    """An array with a copy of a tensor, for `view`."""
    return aligned_copy(np.asarray(tensor))


def share(array):
    """A tensor that uses the memory of `array`, if it can, which must not change meanwhile.

    It is for compiled programs only. Memory that may not be written, such as a file that is mapped to
    be read, is used as well.
    """
    return view(np.asarray(_AsIfWritable(aligned(array))))


def view(array):
    """A tensor on the memory of an array that is aligned, for compiled programs only."""
    return tf.experimental.dlpack.from_dlpack(array.__dlpack__())


class _AsIfWritable:
    """What NumPy takes for an array on the memory of another that may be written.

    NumPy exports no other memory. No program writes to its arguments.
    """

    def __init__(self, array):
        self._array = array  # keeps the memory
        interface = array.__array_interface__
        self.__array_interface__ = interface | {"data": (interface["data"][0], False)}
