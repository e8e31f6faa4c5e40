"""The only import of TensorFlow: at the first use, quietly, and with joblib's share of the cores.

The user's own settings win: what an environment variable or earlier code has set is left alone.
"""

import os
import sys
from contextlib import suppress
from threading import Lock
from typing import Any

from joblib import cpu_count

from skdense.core.machine.lazy_import import import_tensorflow
from skdense.core.machine.programs import exchange
from skdense.core.machine.quiet import quiet
from skdense.core.machine.threads import Future, submit

CPU = "/CPU:0"
"""Where all tensors are and all programs run. A GPU was never measured, and would round float32
products to TensorFloat-32."""


class _TensorFlow:
    """The module `tensorflow`, which is imported when a name of it is first looked up.

    The import runs in a thread of its own, as no handler of a signal can interrupt it there: modules
    that are half imported cannot be mended. Whoever else needs TensorFlow meanwhile waits for it.
    """

    def __init__(self) -> None:
        self._lock, self._importing = Lock(), None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__version__":  # inspection asks for such names
            raise AttributeError(name)
        value = getattr(self._imported().result(), name)
        setattr(self, name, value)
        return value

    def _imported(self) -> Future:
        with self._lock:
            if self._importing is None:
                self._importing = submit(_start)
            return self._importing


tf: Any = _TensorFlow()
"""TensorFlow. Modules import this name, and look nothing up in it while they are imported."""


def is_imported() -> bool:
    """Whether a fit has begun to import TensorFlow."""
    return vars(tf)["_importing"] is not None


def _start() -> Any:
    try:
        if "tensorflow" in sys.modules:  # the user's, with the user's settings
            return import_tensorflow()
        with quiet():
            module = import_tensorflow()
            with exchange(module.__version__), suppress(RuntimeError):
                # A RuntimeError says that another thread has started the devices meanwhile.
                configure_threads(module)
                for device in module.config.list_physical_devices("GPU"):
                    module.config.experimental.set_memory_growth(device, True)
                module.config.list_logical_devices()  # starts the devices while the log is off
        return module
    except BaseException as error:
        vars(tf)["_importing"] = None  # the next look-up tries again
        if not isinstance(error, ModuleNotFoundError) or error.name != "tensorflow":
            raise
        raise ImportError(
            "fit needs TensorFlow, which is not installed: python -m pip install tensorflow. "
            "Predicting with a fitted model does not need it."
        ) from None


def configure_threads(module: Any) -> None:
    """Let TensorFlow take its share of the cores, which it does not know by itself.

    In joblib's workers that is OMP_NUM_THREADS, in a container the cores that it may use.
    """
    if "TF_NUM_INTRAOP_THREADS" in os.environ:
        return
    if threads := _number_in("OMP_NUM_THREADS"):
        module.config.threading.set_intra_op_parallelism_threads(threads)
        module.config.threading.set_inter_op_parallelism_threads(1)
    else:
        module.config.threading.set_intra_op_parallelism_threads(cpu_count())


def n_threads() -> int:
    """How many threads TensorFlow was told to compute with, or joblib's share of the cores.

    TensorFlow looks at the environment variable where no code has set a number.
    """
    set_by_code = tf.config.threading.get_intra_op_parallelism_threads()
    return set_by_code or _number_in("TF_NUM_INTRAOP_THREADS") or cpu_count()


def _number_in(variable: str) -> int:
    """The number that an environment variable is set to, or 0."""
    value = os.environ.get(variable, "")
    return int(value) if value.isdecimal() else 0
