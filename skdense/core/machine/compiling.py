"""Compiled programs: one cache for the whole process, another one on disk, and always on the CPU.

TensorFlow never frees a compiled program. So there should be few keys; all else is an argument.
A version of TensorFlow that was not tested compiles by `tf.function`, without the rest of this file.
"""

from collections.abc import Callable, Hashable, Sequence
from functools import partial
from threading import Lock
from typing import Any

from skdense.core.machine import disk
from skdense.core.machine.context import Context
from skdense.core.machine.tensorflow import n_threads, own_context, tf

programs: dict[tuple, Callable[..., list]] = {}
"""All programs of this process."""
_lock = Lock()


def program_of(make: Callable[..., tuple], *key: Hashable) -> Callable[..., list]:
    """The program that `make(*key)` describes, made once in a process, compiled at its first call.

    `make` returns a function of nested tensors and the TensorSpecs of its arguments. The program is
    called with the flat tensors, and returns a flat list of them. Make and call it in a thread of ours:
    there neither Ctrl-C nor a device, a graph or checks of numerics of the user's thread reach it.
    """
    whole = make, key
    with _lock:
        if whole not in programs:
            if not tf.executing_eagerly():
                raise RuntimeError(
                    "Training needs TensorFlow's eager execution, which disable_eager_execution() or "
                    "disable_v2_behavior() of tf.compat.v1 has switched off. Call fit in a process "
                    "that does not."
                )
            if context := own_context():
                programs[whole] = _Compiled(context, make, key)
            else:
                programs[whole] = partial(_on_cpu, _traced(make, key))
        return programs[whole]


def _on_cpu(function: Callable, *arguments: Any) -> Any:
    # A GPU was never measured, and would round float32 products to TensorFloat-32.
    with tf.device("/CPU:0"):
        return function(*arguments)


def _traced(make: Callable[..., tuple], key: tuple) -> Any:
    """The concrete function that `make` describes, which XLA compiles.

    A concrete one is called even where the user has told TensorFlow to run functions eagerly.
    """
    function, arguments = make(*key)
    signature = tf.nest.flatten(arguments)

    def on_tensors(*tensors: Any) -> list:
        return tf.nest.flatten(function(*tf.nest.pack_sequence_as(arguments, tensors)))

    compiled = tf.function(on_tensors, signature, autograph=False, jit_compile=True)
    return _on_cpu(compiled.get_concrete_function)


class _Compiled:
    """A program, which is a function of our own context.

    The name of a program that is kept is the same in every process. XLA compiles it in its first call,
    unless its executable was kept. If something is wrong with that, TensorFlow remembers the error by
    the name; then the program is traced under another one.
    """

    def __init__(self, context: Context, make: Callable[..., tuple], key: tuple):
        self._context, self._make, self._key = context, make, key
        version = tf.version
        facts = version.VERSION, version.GIT_VERSION, version.COMPILER_VERSION, n_threads()
        folder, _ = disk.folder_for(version.VERSION)
        name = disk.name_of((make, *key), *facts) if folder else None
        self._folder = folder if name else None
        self._kept = disk.load(folder, name) if folder and name else None
        self._use(self._kept or self._named(name or f"skdense_of_process_{len(programs)}"))
        self._lock, self._was_called = Lock(), False

    def __call__(self, *tensors: Any) -> list:
        if self._was_called:
            return self._call(tensors)
        with self._lock:
            return self._call(tensors) if self._was_called else self._first_call(tensors)

    def _first_call(self, tensors: tuple) -> list:
        name = self._program.function
        try:
            results = self._call(tensors)
        except tf.errors.OpError:
            if self._kept is None or self._folder is None:
                raise
            disk.received(name)
            disk.forget(self._folder, name)
            self._use(self._named(f"{name}_again"))
            results = self._call(tensors)
            disk.received(self._program.function)
        else:
            entry, executable = disk.received(name)
            if self._folder is not None and not self._program.executable:
                disk.save(self._folder, self._program._replace(entry=entry, executable=executable))
        # What was on disk is in TensorFlow's memory now.
        self._kept, self._program = None, self._program._replace(functions=b"", executable=b"")
        self._was_called = True
        return results

    def _call(self, tensors: tuple) -> list:
        return self._context.call(self._program.function, self._program.n_outputs, tensors)

    def _named(self, name: str) -> disk.ProgramCode:
        program = _traced(self._make, self._key)
        graph = tf.compat.v1.GraphDef(library=program.graph.as_graph_def().library)
        graph.library.function.append(program.function_def)
        _rename(graph.library.function, name)
        return disk.ProgramCode(name, len(program.outputs), graph.SerializeToString())

    def _use(self, program: disk.ProgramCode) -> None:
        self._program = program
        self._context.add(tf.compat.v1.GraphDef.FromString(program.functions))


def _rename(functions: Sequence[Any], name: str) -> None:
    """Give functions names made of `name`, the last one this name itself, also where they are called.

    TensorFlow's own names have a number that counts all functions of the process.
    """
    names = {function.signature.name: f"{name}_{i}" for i, function in enumerate(functions)}
    names[functions[-1].signature.name] = name
    for function in functions:
        function.signature.name = names[function.signature.name]
        for node in function.node_def:
            for attribute in node.attr.values():
                for called in (attribute.func, *attribute.list.func):
                    if called.name in names:
                        called.name = names[called.name]
