"""The only import of TensorFlow."""

import os

import tensorflow as tf

_process_id = os.getpid()


def check_not_forked():
    """Raise in a process forked after TensorFlow was imported, where its threads do not exist."""
    if os.getpid() != _process_id:
        raise RuntimeError(
            "TensorFlow cannot train in a process that was forked after TensorFlow was imported. "
            "Start worker processes with joblib's default backend, 'loky', or with the "
            "multiprocessing start method 'spawn'."
        )


def to_tensor(array):
    """A tensor of a copy of `array`."""
    return tf.constant(array)
