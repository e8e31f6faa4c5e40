"""A guard against training in a process that was forked from one with TensorFlow in it.

TensorFlow's threads do not exist in such a child, so it would hang or abort. This does not import it.
"""

import os
import sys

_forked_from_tensorflow = False


def _after_fork() -> None:
    global _forked_from_tensorflow
    _forked_from_tensorflow |= "tensorflow" in sys.modules


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def check_not_forked() -> None:
    """Raise in a process that was forked after TensorFlow was imported."""
    if _forked_from_tensorflow:
        raise RuntimeError(
            "TensorFlow cannot train in a process that was forked after TensorFlow was imported. "
            "Start worker processes with joblib's default backend, 'loky', or with the "
            "multiprocessing start method 'spawn'."
        )
