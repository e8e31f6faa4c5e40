"""Paired timing: contestants alternate (A B A B), so that a busy moment slows all of them."""

import time

import numpy as np
from threadpoolctl import threadpool_limits


def in_turn(contestants, rounds):
    """Time zero-argument callables in turn; return `{name: array of seconds}` of shape (rounds,).

    A name is a tuple that ends with a setting of BLAS and OpenMP: on one thread ('1'), or as the
    environment has them ('cores'); TensorFlow has threads of its own, which this does not touch. A
    round before the others is not counted: it compiles programs, and touches everything once.
    """
    seconds = {name: [] for name in contestants}
    for _ in range(1 + rounds):
        for name, run in contestants.items():
            with threadpool_limits(1 if name[-1] == "1" else None):
                start = time.perf_counter()
                run()
                seconds[name].append(time.perf_counter() - start)
    return {name: np.array(values[1:]) for name, values in seconds.items()}
