"""Compiled programs: one cache for the whole process, and always on the CPU.

TensorFlow never frees a compiled program, so a key is to have few values: all else is an argument.
"""

from functools import cache
from threading import Lock

from skdense.core.machine.runtime import CPU, eager_context, quick_execute, tf

_lock = Lock()


def compiled(make, *key):
    """The program that `make(*key)` describes, made once in a process, compiled at its first call.

    `make` returns a function of nested tensors and the TensorSpecs of its arguments. The program is
    called with the flat tensors, and returns a flat list of them.
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
        program = program.get_concrete_function().inference_fn
    context, n_outputs = eager_context(), len(program.function_type.flat_outputs)

    def run(*tensors):
        # Called itself, it would compare each argument with its TensorSpec and look for gradient
        # tapes, which takes longer than many a training step. It lives as long as it is referred to.
        name = program.name.decode()
        return quick_execute(name, n_outputs, list(tensors), attrs=(), ctx=context)

    return run if len(tf.config.list_logical_devices()) == 1 else _on_cpu(run)


def _on_cpu(function):
    def run(*tensors):
        with tf.device(CPU):
            return function(*tensors)

    return run
