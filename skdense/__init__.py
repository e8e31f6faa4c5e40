"""Hand-built TensorFlow networks behind scikit-learn's interface."""

from joblib import register_parallel_backend

from skdense.classifier import LowLevelMLPClassifier
from skdense.many import fit_many
from skdense.regressor import LowLevelMLPRegressor
from skdense.tabular import make_tabular_classifier, make_tabular_regressor
from skdense.together import TogetherBackend

__all__ = [
    "LowLevelMLPClassifier",
    "LowLevelMLPRegressor",
    "fit_many",
    "make_tabular_classifier",
    "make_tabular_regressor",
]
__version__ = "0.1.0.dev0"

register_parallel_backend("skdense", TogetherBackend)
