"""The only import of TensorFlow, at its first use, and memory that its programs share with NumPy.

TensorFlow uses joblib's share of the cores, unless an environment variable or earlier code has set
another number.
"""

import logging
import math
import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from threading import Lock
from types import SimpleNamespace
from typing import Any

import numpy as np
from joblib import cpu_count, effective_n_jobs
from numpy.typing import DTypeLike, NDArray

from skdense import compat
from skdense.core.machine import costs, disk, lazy_import
from skdense.core.machine.context import Context
from skdense.core.machine.log import quiet_log
from skdense.core.machine.threads import at_fork, submit

_log = logging.getLogger("skdense")
_own_context: Context | None = None
"""See `own_context`."""


class _TensorFlow:
    """The module `tensorflow`, which is imported when a name of it is first looked up.

    The import runs in a thread of its own, where no handler of a signal can interrupt it: a half
    imported module cannot be repaired. Other threads that need TensorFlow wait for it.
    """

    def __init__(self) -> None:
        self._lock, self._importing = Lock(), None  # later a Future

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__version__":  # inspection asks for such names
            raise AttributeError(name)
        with self._lock:
            if self._importing is None:
                self._importing = submit(_start)
            importing = self._importing
        value = getattr(importing.result(), name)
        setattr(self, name, value)
        return value


def _after_fork() -> None:
    """Let the child import TensorFlow: the thread that was about to import it is not there."""
    if "tensorflow" not in sys.modules:
        vars(tf).update(_lock=Lock(), _importing=None)


at_fork(after_in_child=_after_fork)

tf: Any = _TensorFlow()
"""TensorFlow. Modules import this object, and look up no name in it while they are imported."""


def _start() -> Any:
    """Import TensorFlow, and start its devices unless the user has imported it before."""
    is_imported = "tensorflow" in sys.modules
    try:
        with nullcontext() if is_imported else quiet_log():
            module = lazy_import.import_tensorflow()
            if lazy_import.is_tested(module.__version__):
                _start_own_context(module, is_imported)
            if not is_imported:
                _start_usual_context(module)
    except BaseException as error:
        vars(tf)["_importing"] = None  # the next look-up tries again
        if not isinstance(error, ModuleNotFoundError) or error.name != "tensorflow":
            raise
        raise ImportError(
            "fit needs TensorFlow, which is not installed: python -m pip install tensorflow. "
            "Predicting with a fitted model does not need it."
        ) from None
    if not lazy_import.is_tested(module.__version__):
        _log.info(
            "TensorFlow %s is not tested (but %s is): all of it is imported, a large X is copied, and "
            "compiled programs are not kept.",
            module.__version__,
            ", ".join(f"{version}*" for version in lazy_import.TESTED),
        )
    return module


def _start_own_context(module: Any, is_imported: bool) -> None:
    global _own_context
    n_threads, threading = threads_of_joblib(), module.config.threading
    try:
        with lazy_import.block_execution() as is_unused:
            if is_imported:
                intra_op = threading.get_intra_op_parallelism_threads()
                n_threads = intra_op, threading.get_inter_op_parallelism_threads()
            flags = disk.exchange_flags(module) if is_unused else None
            _own_context = Context(module, *n_threads, flags)
    except Exception as error:
        _log.info("Programs run in TensorFlow's usual context and are not kept: %s", error)


def _start_usual_context(module: Any) -> None:
    intra_op, inter_op = threads_of_joblib()
    with suppress(RuntimeError):  # another thread has started the devices meanwhile
        if intra_op:
            module.config.threading.set_intra_op_parallelism_threads(intra_op)
        if inter_op:
            module.config.threading.set_inter_op_parallelism_threads(inter_op)
        for device in module.config.list_physical_devices("GPU"):
            module.config.experimental.set_memory_growth(device, True)
        module.config.list_logical_devices()  # starts them while the log is off


def own_context() -> Context | None:
    """The context in which programs run; None stands for the user's, if TensorFlow is not tested."""
    return _own_context if tf.__version__ else None


def threads_of_joblib() -> tuple[int, int]:
    """The numbers of threads within and between operations that are joblib's share of the cores.

    In joblib's workers it is OMP_NUM_THREADS, in a container the cores that may be used. TensorFlow
    knows neither. 0 stands for its default.
    """
    if "TF_NUM_INTRAOP_THREADS" in os.environ:
        return 0, 0
    n_threads = _number_in("OMP_NUM_THREADS")
    return (n_threads, 1) if n_threads else (cpu_count(), 0)


def n_threads() -> int:
    """The number of threads within operations: as code or the environment has set it, or joblib's."""
    set_by_code = tf.config.threading.get_intra_op_parallelism_threads()
    return set_by_code or _number_in("TF_NUM_INTRAOP_THREADS") or cpu_count()


def n_at_once(n_tasks: int, n_jobs: int | None = None) -> int:
    """The number of tasks to work on at the same time, at most as many as TensorFlow has threads.

    None is the number that joblib is configured with, or a thread for each core if it is not, but 1
    within a task of joblib.
    """
    configured: Any = compat.joblibs_n_jobs() if n_jobs is None else n_jobs
    return min(n_tasks, effective_n_jobs(configured), n_threads())


def _number_in(variable: str) -> int:
    """The number in an environment variable, or 0."""
    value = os.environ.get(variable, "")
    return int(value) if value.isdecimal() else 0


# --- memory that programs use where it lies ----------------------------------------------------------


ALIGNMENT = 64
"""XLA's minimum, that of TensorFlow's tensors: with less, operations abort and programs may crash."""
# Gather loops of the tested versions load one number at a time, so 16 bytes suffice for X.
_ALIGNMENT_OF_GATHERS = 16
"""The alignment of a large X, of which programs gather rows: the alignment of NumPy's memory."""


def aligned_zeros(shape: Sequence[int], dtype: DTypeLike) -> NDArray:
    """An array of zeros that programs can use."""
    dtype = np.dtype(dtype)
    n_bytes = math.prod(shape) * dtype.itemsize
    buffer = np.zeros(n_bytes + ALIGNMENT, np.uint8)
    start = -_address(buffer) % ALIGNMENT
    return buffer[start : start + n_bytes].view(dtype).reshape(shape)


def aligned_copy(array: NDArray) -> NDArray:
    """A copy that programs can use."""
    copy = aligned_zeros(array.shape, array.dtype)
    copy[...] = array
    return copy


def _address(array: NDArray) -> int:
    return array.__array_interface__["data"][0]  # `array.ctypes.data` takes longer


def aligned(array: NDArray, alignment: int = ALIGNMENT) -> NDArray:
    """The array itself if its memory has this alignment, or a copy that programs can use."""
    if array.flags.c_contiguous and _address(array) % alignment == 0:
        return array
    return aligned_copy(array)


def to_tensor(array: NDArray) -> Any:
    """A tensor with a copy of an array, faster than `tf.constant`."""
    return view(aligned_copy(array))


def share(array: NDArray) -> Any:
    """A tensor, for compiled programs only, that uses the memory of an array if its alignment suffices.

    The array must not change while the tensor is used. Its memory may be read-only, as of mapped files.
    """
    is_gathered = array.nbytes > costs.COPIED_BYTES and own_context() is not None
    array = aligned(array, _ALIGNMENT_OF_GATHERS if is_gathered else ALIGNMENT)
    # NumPy refuses to export read-only memory by DLPack. Programs never write to their arguments.
    interface = array.__array_interface__
    interface["data"] = interface["data"][0], False  # whether it is read-only
    return view(np.asarray(SimpleNamespace(__array_interface__=interface, memory=array)))


def view(array: NDArray) -> Any:
    """A tensor on the memory of an array that is aligned, for compiled programs only."""
    if context := own_context():
        return context.view(array)
    return tf.experimental.dlpack.from_dlpack(array.__dlpack__())
