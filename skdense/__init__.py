"""Hand-built TensorFlow networks behind scikit-learn's interface."""

from typing import TYPE_CHECKING

from skdense.classifier import LowLevelMLPClassifier
from skdense.many import fit_many
from skdense.regressor import LowLevelMLPRegressor
from skdense.version import __version__ as __version__

if TYPE_CHECKING:
    from skdense.tabular import make_tabular_classifier, make_tabular_regressor

__all__ = [
    "LowLevelMLPClassifier",
    "LowLevelMLPRegressor",
    "fit_many",
    "make_tabular_classifier",
    "make_tabular_regressor",
]


def __getattr__(name):
    """Import the functions for tables when they are asked for: they need much more of scikit-learn."""
    if name in ("make_tabular_classifier", "make_tabular_regressor"):
        from skdense import tabular

        return getattr(tabular, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    """All names, so that completion shows the functions for tables, too."""
    return sorted({*globals(), *__all__})
