"""Compiled programs: one cache for the whole process, and always on the CPU.

TensorFlow never frees a compiled program, so a key is to have few values: all else is an argument.
"""

from functools import cache
from threading import Lock

from skdense.core.runtime import CPU, tf

_lock = Lock()


def compiled(make, *key):
    """The program that `make(*key)` describes, made once in a process, compiled at its first call.

    `make` returns a function of tensors and the list of the TensorSpecs of its arguments.
    """
    with _lock:
        return _compiled(make, *key)


def n_compiled():
    """How many programs this process has compiled."""
    return _compiled.cache_info().misses


@cache
def _compiled(make, *key):
    function, arguments = make(*key)
    with tf.device(CPU):
        program = tf.function(function, arguments, autograph=False, jit_compile=True)
        program = program.get_concrete_function()

    def run(*arguments):
        # The program itself would compare each argument with its TensorSpec, which takes longer than
        # many a training step.
        with tf.device(CPU):
            return program.inference_fn.call_preflattened(tf.nest.flatten(arguments))

    return run
