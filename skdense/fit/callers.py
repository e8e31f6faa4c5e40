"""Warnings at the user's line, however deep they arise, one of worker processes, names in errors."""

import inspect
import sys
import warnings
from functools import cache

from skdense.compat import is_worker_of_joblib
from skdense.exceptions import WorkerWarning

_PASSED_OVER = {
    "skdense", "sklearn", "joblib", "skrub", "concurrent", "multiprocessing", "threading",
}  # fmt: skip
"""The packages between a user's line and ours."""


def warn_at_caller(message: str | Warning, category: type[Warning] = UserWarning) -> None:
    """Warn at the innermost line of the user's.

    A thread of joblib has none. There it is the line that calls a method of this package.
    """
    outside, frame = None, sys._getframe(1)
    ours = frame
    while frame is not None:
        module = str(frame.f_globals.get("__name__"))
        package = module.partition(".")[0]
        if package not in _PASSED_OVER:
            break
        if outside is None and package != "skdense" and module != "sklearn.base":  # it wraps `fit`
            outside = frame
        frame = frame.f_back
    frame = frame or outside or ours
    registry = frame.f_globals.setdefault("__warningregistry__", {})
    module = frame.f_globals.get("__name__")
    warnings.warn_explicit(
        message, category, frame.f_code.co_filename, frame.f_lineno, module, registry
    )


@cache
def warn_in_a_worker() -> None:
    """Warn at the first fit in a worker process of joblib: one process takes less time and memory."""
    if not is_worker_of_joblib():
        return
    warn_at_caller(
        "Networks are fitted in worker processes. Each of these imports TensorFlow, takes 600 MB or "
        "more and compiles what this machine has not compiled before. Put "
        '`with joblib.parallel_config("threading", n_jobs=-1):` around the call: then the same fits '
        "run in threads of one process, usually faster. To keep the worker processes, silence this "
        "warning with "
        '`warnings.filterwarnings("ignore", category=skdense.exceptions.WorkerWarning)`.',
        WorkerWarning,
    )


def of_users(base: type) -> type:
    """A decorator of a private base: errors about arguments of its methods name the method alone."""
    for name, method in vars(base).items():
        if inspect.isfunction(method):
            inspect.unwrap(method).__qualname__ = name
    return base
