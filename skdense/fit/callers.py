"""Warnings that name the user's line, however deep in this package they arise."""

import os
import sys
import warnings
from pathlib import Path

import sklearn.base

_PACKAGE = str(Path(__file__).parents[1]) + os.sep
_WRAPPER = sklearn.base.__file__  # scikit-learn wraps `fit` and `partial_fit`


def warn_at_caller(message, category=UserWarning):
    """Warn at the innermost line that is outside of this package and of scikit-learn's wrapper."""
    frame, stacklevel = sys._getframe(1), 2
    while frame.f_back is not None and _is_ours(frame.f_code.co_filename):
        frame, stacklevel = frame.f_back, stacklevel + 1
    warnings.warn(message, category, stacklevel=stacklevel)


def _is_ours(filename):
    return filename == _WRAPPER or filename.startswith(_PACKAGE)
