"""Compiled programs: one cache for the process, and `disk.py` for later processes; always on the CPU.

TensorFlow never frees a compiled program. So there should be few keys, and all else is an argument.
With a version of TensorFlow that is not tested, a program is an ordinary `tf.function`.
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
    called with the flat tensors, and returns a flat list of them. Make and call it in a thread of
    `submit`. There, Ctrl-C and the user's device, graph and numeric checks do not affect it.
    """
    whole_key = make, *key
    with _lock:
        if whole_key not in programs:
            if not tf.executing_eagerly():
                raise RuntimeError(
                    "Training needs TensorFlow's eager execution, which disable_eager_execution() or "
                    "disable_v2_behavior() of tf.compat.v1 has switched off. Call fit in a process "
                    "that does not."
                )
            if context := own_context():
                programs[whole_key] = _Program(context, make, key)
            else:
                programs[whole_key] = partial(_on_cpu, _concrete_function(make, key))
        return programs[whole_key]


def _on_cpu(function: Callable, *arguments: Any) -> Any:
    # A GPU was never measured, and would round float32 products to TensorFloat-32.
    with tf.device("/CPU:0"):
        return function(*arguments)


def _concrete_function(make: Callable[..., tuple], key: tuple) -> Any:
    """The concrete function that `make` describes, which XLA compiles.

    A concrete one is called even where the user has told TensorFlow to run functions eagerly.
    """
    function, arguments = make(*key)
    signature = tf.nest.flatten(arguments)

    def on_tensors(*tensors: Any) -> list:
        return tf.nest.flatten(function(*tf.nest.pack_sequence_as(arguments, tensors)))

    compiled = tf.function(on_tensors, signature, autograph=False, jit_compile=True)
    return _on_cpu(compiled.get_concrete_function)


class _Program:
    """A program, which is a function of our own context.

    Its name is the same in every process, so that its executable can be kept. XLA compiles it in its
    first call, unless an executable was loaded. If TensorFlow rejects a loaded executable, it remembers
    this by the function's name, so we trace the program again under a new name.
    """

    def __init__(self, context: Context, make: Callable[..., tuple], key: tuple):
        self._context, self._make, self._key = context, make, key
        version = tf.version
        facts = version.VERSION, version.GIT_VERSION, version.COMPILER_VERSION, n_threads()
        self._folder, _ = disk.folder_for(version.VERSION)
        name = disk.name_of((make, *key), *facts) if self._folder else None
        if name is None:
            self._folder, name = None, f"skdense_of_process_{len(programs)}"
        loaded = disk.load(self._folder, name) if self._folder else None
        self._is_loaded = loaded is not None
        self._code = loaded or self._traced(name)
        self._register()
        self._lock, self._was_called = Lock(), False

    def __call__(self, *tensors: Any) -> list:
        if self._was_called:
            return self._call(tensors)
        with self._lock:
            return self._call(tensors) if self._was_called else self._first_call(tensors)

    def _call(self, tensors: tuple) -> list:
        return self._context.call(self._code.function, self._code.n_outputs, tensors)

    def _first_call(self, tensors: tuple) -> list:
        name, folder = self._code.function, self._folder
        try:
            results = self._call(tensors)
        except tf.errors.OpError:
            if not self._is_loaded or folder is None:
                raise
            disk.take_executable(name)
            disk.forget(folder, name)
            self._code = self._traced(f"{name}_again")
            self._register()
            results = self._call(tensors)
            disk.take_executable(self._code.function)
        else:
            entry, executable = disk.take_executable(name)
            if folder is not None and not self._code.executable:
                disk.save(folder, self._code._replace(entry=entry, executable=executable))
        # Both are in TensorFlow's memory now.
        self._code = self._code._replace(functions=b"", executable=b"")
        self._was_called = True
        return results

    def _traced(self, name: str) -> disk.ProgramCode:
        """The program under a name, without an executable."""
        function = _concrete_function(self._make, self._key)
        graph = tf.compat.v1.GraphDef(library=function.graph.as_graph_def().library)
        graph.library.function.append(function.function_def)
        _rename(graph.library.function, name)
        return disk.ProgramCode(name, len(function.outputs), graph.SerializeToString())

    def _register(self) -> None:
        """Make the program's functions known to TensorFlow."""
        self._context.add(tf.compat.v1.GraphDef.FromString(self._code.functions))


def _rename(functions: Sequence[Any], name: str) -> None:
    """Name the last function `name`, and the others after it, also in the nodes that call them.

    TensorFlow's own names end with a number that counts all functions of the process.
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
