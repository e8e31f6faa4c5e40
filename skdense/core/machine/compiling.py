"""Compiled programs: one cache for the whole process, and always on the CPU.

TensorFlow never frees a compiled program. So there should be few keys; all else is an argument.
"""

from collections.abc import Callable, Hashable
from functools import cache
from threading import Lock
from typing import Any

import numpy as np

from skdense.core.machine.memory import no_collection
from skdense.core.machine.runtime import CPU, tf

_lock = Lock()
_NAN = np.float64(np.nan)


def compiled(make: Callable[..., tuple], *key: Hashable) -> Callable[..., list]:
    """The program that `make(*key)` describes, made once in a process, compiled at its first call.

    `make` returns a function of nested tensors and the TensorSpecs of its arguments. The program is
    called with the flat tensors, and returns a flat list of them.
    """
    check_eager()
    _check_numbers_are_unchecked()
    with _lock, no_collection():
        return _compiled(make, *key)


def n_compiled() -> int:
    """How many programs this process has compiled."""
    return _compiled.cache_info().misses


def check_eager() -> None:
    """Raise if TensorFlow does not execute eagerly in the calling thread."""
    if not tf.executing_eagerly():
        raise RuntimeError(
            "Training needs TensorFlow's eager execution, which is off: "
            "tf.compat.v1.disable_eager_execution() (or disable_v2_behavior()) was called, or fit was "
            "called in a tf.Graph or a tf.function. Call fit outside of them, in a process that does "
            "not switch eager execution off."
        )


def _check_numbers_are_unchecked() -> None:
    """Raise if TensorFlow checks the results of all operations of this thread.

    Programs return memory that they have not written to, and XLA cannot compile the checks.
    """
    try:
        tf.negative(_NAN)
    except tf.errors.InvalidArgumentError:
        raise RuntimeError(
            "Training is not possible while TensorFlow looks for NaN in all results: call "
            "tf.debugging.disable_check_numerics() before fit. A fit whose weights become NaN or "
            "infinite raises a ValueError without it."
        ) from None


@cache
def _compiled(make: Callable[..., tuple], *key: Hashable) -> Callable[..., list]:
    function, arguments = make(*key)
    signature = tf.nest.flatten(arguments)

    def on_tensors(*tensors: Any) -> list:
        return tf.nest.flatten(function(*tf.nest.pack_sequence_as(arguments, tensors)))

    with tf.device(CPU):
        # XLA compiles a function where another function calls it.
        inner = tf.function(on_tensors, signature, autograph=False, jit_compile=True)
        outer = tf.function(lambda *tensors: inner(*tensors), signature, autograph=False)
        program = outer.get_concrete_function()
    dtypes = [output.dtype for output in program.outputs]
    config = _config()

    def run(*tensors: Any) -> list:
        # This operation calls the function without comparing each argument with its TensorSpec in
        # Python, which `program(*tensors)` does: lbfgs on iris takes 21 ms and not 42.
        with tf.device(CPU):
            return tf.raw_ops.PartitionedCall(args=tensors, Tout=dtypes, f=program, config_proto=config)

    return run


def _config() -> bytes:
    """Options that leave optimization to XLA: TensorFlow's own takes half as long as compiling."""
    config = tf.compat.v1.ConfigProto()
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    return config.SerializeToString()
