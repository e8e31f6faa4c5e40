"""The only import of TensorFlow: quietly, with joblib's share of the cores, and guarded against fork.

The user's own settings win: what an environment variable or earlier code has set is left alone.
"""

import os
import sys
import tempfile
from contextlib import contextmanager

from joblib import cpu_count

_process_id = os.getpid()


@contextmanager
def _quiet():
    """Keep TensorFlow's native log off stderr, unless TF_CPP_MIN_LOG_LEVEL is set or the block fails.

    Some of its messages come before it reads that variable, so stderr itself is redirected.
    """
    if "TF_CPP_MIN_LOG_LEVEL" in os.environ:
        yield
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as log:
        os.dup2(log.fileno(), 2)
        try:
            yield
        except BaseException:
            log.seek(0)
            os.write(stderr, log.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            del os.environ["TF_CPP_MIN_LOG_LEVEL"]


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


def check_not_forked():
    """Raise in a process forked after TensorFlow was imported: its threads do not exist there."""
    if os.getpid() != _process_id:
        raise RuntimeError(
            "TensorFlow cannot train in a process that was forked after TensorFlow was imported. "
            "Start worker processes with joblib's default backend, 'loky', or with the "
            "multiprocessing start method 'spawn'."
        )


def to_tensor(array):
    """A tensor with a copy of `array`."""
    return tf.constant(array)


def share(array):
    """A tensor that shares the memory of `array` where it can, which must not change while in use."""
    return tf.constant(array)
