"""The only import of TensorFlow: quietly, and with joblib's share of the cores.

The user's own settings win: what an environment variable or earlier code has set is left alone.
"""

import os
import sys
from contextlib import suppress
from typing import Any

import numpy as np
from joblib import cpu_count
from numpy.typing import NDArray

from skdense.core.machine.costs import COPIED_BYTES
from skdense.core.machine.lazy_tensorflow import TESTED, import_tensorflow
from skdense.core.machine.memory import ALIGNMENT, aligned, aligned_copy, no_collection
from skdense.core.machine.quiet import quiet

CPU = "/CPU:0"
"""Where all tensors are and all programs run. A GPU was never measured, and would round float32
products to TensorFloat-32."""


def configure_threads(tf: Any) -> None:
    """Let TensorFlow take its share of the cores, which it does not know by itself.

    In joblib's workers that is OMP_NUM_THREADS, in a container the cores that it may use.
    """
    if "TF_NUM_INTRAOP_THREADS" in os.environ:
        return
    if threads := _number_in("OMP_NUM_THREADS"):
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    else:
        tf.config.threading.set_intra_op_parallelism_threads(cpu_count())


def _number_in(variable: str) -> int:
    """The number that an environment variable is set to, or 0."""
    value = os.environ.get(variable, "")
    return int(value) if value.isdecimal() else 0


def _start() -> Any:
    if "tensorflow" in sys.modules:  # the user's, with the user's settings
        return import_tensorflow()
    with quiet(), no_collection():
        tf = import_tensorflow()
        with suppress(RuntimeError):  # another thread has started the devices meanwhile
            configure_threads(tf)
            for device in tf.config.list_physical_devices("GPU"):
                tf.config.experimental.set_memory_growth(device, True)
        tf.config.list_logical_devices()  # starts the devices while the log is off
    return tf


try:
    tf: Any = _start()
except ModuleNotFoundError as error:
    if error.name != "tensorflow":
        raise
    raise ImportError(
        "fit needs TensorFlow, which is not installed: python -m pip install tensorflow. Predicting "
        "with a fitted model does not need it."
    ) from None

_LARGE_ALIGNMENT = 16 if tf.__version__.startswith(TESTED) else ALIGNMENT
"""The alignment of a large X, of which programs gather rows. NumPy's memory has 16.

In TensorFlow 2.21 the kernels that gather load single numbers and assume no alignment beyond theirs.
Other versions were not tried.
"""


def n_threads() -> int:
    """How many threads TensorFlow was told to compute with, or joblib's share of the cores.

    TensorFlow looks at the environment variable where no code has set a number.
    """
    set_by_code = tf.config.threading.get_intra_op_parallelism_threads()
    return set_by_code or _number_in("TF_NUM_INTRAOP_THREADS") or cpu_count()


def to_tensor(array: NDArray) -> Any:
    """A tensor with a copy of `array`, made faster than by `tf.constant`."""
    return view(aligned_copy(array))


def share(array: NDArray) -> Any:
    """A tensor that uses the memory of `array`, if it can, which must not change meanwhile.

    It is for compiled programs only. Read-only memory, such as a file mapped for reading, is used, too.
    """
    alignment = _LARGE_ALIGNMENT if array.nbytes > COPIED_BYTES else ALIGNMENT
    return view(np.asarray(_AsIfWritable(aligned(array, alignment))))


def view(array: NDArray) -> Any:
    """A tensor on the memory of an array that is aligned, for compiled programs only."""
    return tf.experimental.dlpack.from_dlpack(array.__dlpack__())


class _AsIfWritable:
    """Lets NumPy read an array's memory as writable, as it exports no other memory to TensorFlow.

    No program writes to its arguments.
    """

    def __init__(self, array: NDArray):
        self._array = array  # keeps the memory
        interface = array.__array_interface__
        self.__array_interface__ = interface | {"data": (interface["data"][0], False)}
