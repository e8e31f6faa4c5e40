"""Hand-built TensorFlow networks behind scikit-learn's interface."""

from skdense.classifier import LowLevelMLPClassifier
from skdense.many import fit_many

__all__ = ["LowLevelMLPClassifier", "fit_many"]
__version__ = "0.1.0.dev0"
