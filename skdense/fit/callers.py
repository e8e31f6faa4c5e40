"""Warnings that name the user's line, however deep in this package and in others they arise."""

import sys
import warnings
from types import FrameType

_PASSED_OVER = {
    "skdense", "sklearn", "joblib", "skrub", "concurrent", "multiprocessing", "threading",
}  # fmt: skip
"""The packages between a user's line and ours."""


def warn_at_caller(message: str | Warning, category: type[Warning] = UserWarning) -> None:
    """Warn at the innermost line of the user's.

    A thread of joblib has none. There it is the line that calls a method of this package.
    """
    frame = _users_frame()
    registry = frame.f_globals.setdefault("__warningregistry__", {})
    module = frame.f_globals.get("__name__")
    warnings.warn_explicit(
        message, category, frame.f_code.co_filename, frame.f_lineno, module, registry
    )


def _users_frame() -> FrameType:
    outside, frame = None, sys._getframe(2)
    while frame is not None:
        module = str(frame.f_globals.get("__name__"))
        package = module.partition(".")[0]
        if package not in _PASSED_OVER:
            return frame
        if outside is None and package != "skdense" and module != "sklearn.base":  # it wraps `fit`
            outside = frame
        frame = frame.f_back
    return outside or sys._getframe(2)
