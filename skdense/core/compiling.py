"""Compiled programs: one cache for the whole process, and always on the CPU.

TensorFlow never frees a compiled program, so a key is to have few values: all else is an argument.
"""

from contextlib import nullcontext
from functools import cache, partial
from threading import Lock

from skdense.core.runtime import CPU, eager_context, tf

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
    has_others = len(tf.config.list_logical_devices()) > 1
    on_cpu = partial(tf.device, CPU) if has_others else nullcontext
    with on_cpu():
        program = tf.function(function, arguments, autograph=False, jit_compile=True)
        program = program.get_concrete_function().inference_fn
    # Called itself, it would compare each argument with its TensorSpec and look for gradient tapes,
    # which takes longer than many a training step.
    call, kind = eager_context().call_function, program.function_type

    def run(*arguments):
        with on_cpu():
            outputs = call(program.name, tf.nest.flatten(arguments), len(kind.flat_outputs))
        return kind.pack_output(outputs)

    return run
