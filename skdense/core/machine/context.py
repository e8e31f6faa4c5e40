"""A TensorFlow context of our own, in which programs run if TensorFlow's version is tested.

A context has the devices, the compiled functions and the settings of eager execution. TensorFlow's
usual context belongs to the user. In ours, settings of the user's do not reach a program, GPUs are not
used, and TensorFlow writes executables for `disk.py`, which it does not for functions of the user's.
"""

from contextlib import nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skdense.core.machine import disk
from skdense.core.machine.lazy_import import import_submodule


class Context:
    """A context that calls functions by their names.

    Parameters
    ----------
    tensorflow : module
    intra_op, inter_op : int
        Numbers of threads; 0 stands for TensorFlow's default.
    flags : str, default=None
        TF_XLA_FLAGS for this context alone, if the user has not set the variable. As TensorFlow reads
        it once, no code may have used TensorFlow before. Afterwards all flags have their defaults.
    """

    def __init__(self, tensorflow: Any, intra_op: int, inter_op: int, flags: str | None = None):
        module = import_submodule("tensorflow.python.eager.context")
        self._execute = import_submodule("tensorflow.python.eager.execute").quick_execute
        self._from_dlpack = import_submodule("tensorflow.python.pywrap_tfe").TFE_FromDlpackCapsule
        config = tensorflow.compat.v1.ConfigProto()
        # XLA optimizes. TensorFlow's own optimization takes half as long as compiling.
        config.graph_options.rewrite_options.disable_meta_optimizer = True
        self._attributes = "executor_type", "", "config_proto", config.SerializeToString()
        with disk.environment("TF_XLA_FLAGS", flags) if flags else nullcontext():
            module.context()  # without the usual context, Python makes no tensors
            self._context = module.Context()
            try:
                self._context.set_visible_devices([], "GPU")
                self._context.intra_op_parallelism_threads = intra_op
                self._context.inter_op_parallelism_threads = inter_op
                self._context.ensure_initialized()
                if flags:
                    self._start_compiler(tensorflow)
            finally:
                if flags:
                    module._reset_jit_compiler_flags()

    def _start_compiler(self, tensorflow: Any) -> None:
        """Compile a function: only with the first one TensorFlow makes the compiler, with the flags."""
        graph = tensorflow.compat.v1.GraphDef()
        function, float32 = graph.library.function.add(), tensorflow.float32.as_datatype_enum
        function.signature.name = "skdense_negative"
        function.signature.input_arg.add(name="x", type=float32)
        function.signature.output_arg.add(name="y", type=float32)
        function.node_def.add(name="node", op="Neg", input=["x"]).attr["T"].type = float32
        function.ret["y"] = "node:y:0"
        function.attr["_XlaMustCompile"].b = True
        self.add(graph)
        self.call("skdense_negative", 1, [self.view(np.zeros(0, np.float32))])
        disk.take_executable("skdense_negative")

    def add(self, graph: Any) -> None:
        """Make the functions of a GraphDef known."""
        for function in graph.library.function:
            self._context.add_function_def(function)

    def call(self, function: str, n_outputs: int, tensors: Any) -> list:
        """The outputs of a function."""
        return self._execute(function, n_outputs, [*tensors], self._attributes, self._context)

    def view(self, array: NDArray) -> Any:
        """A tensor on the memory of an array that is aligned."""
        return self._from_dlpack(array.__dlpack__(), self._context._handle)
