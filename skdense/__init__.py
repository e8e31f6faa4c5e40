"""Hand-built TensorFlow networks behind scikit-learn's interface."""

from skdense.classifier import LowLevelMLPClassifier

__all__ = ["LowLevelMLPClassifier"]
__version__ = "0.1.0.dev0"
