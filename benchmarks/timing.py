"""Paired timing: contestants take turns (A B A B), so that a busy moment meets them all."""

import time
from contextlib import nullcontext

import numpy as np
from threadpoolctl import ThreadpoolController

THREADS = ("1", "all")


def limited(threads):
    """A context with BLAS and OpenMP on one thread ('1'), or as the environment has them ('all').

    TensorFlow has threads of its own, which this does not touch.
    """
    return ThreadpoolController().limit(limits=1) if threads == "1" else nullcontext()


def in_turn(contestants, rounds, progress=None):
    """Time zero-argument callables in turn; return `{name: array of seconds}` of shape (rounds,).

    A name is a tuple that ends with a setting of the threads. Warm-up is the caller's.
    """
    seconds = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, run in contestants.items():
            with limited(name[-1]):
                start = time.perf_counter()
                run()
                seconds[name].append(time.perf_counter() - start)
            if progress is not None:
                progress.update()
    return {name: np.array(values) for name, values in seconds.items()}


def ratio(theirs, ours):
    """The median over the rounds of theirs / ours: what both met in the same round cancels."""
    return float(np.median(theirs / ours))
