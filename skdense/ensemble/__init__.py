"""Out-of-fold ensembles: models that are each judged by a fold that they were not trained on."""

from skdense.ensemble.blend import BlendClassifier, BlendRegressor
from skdense.ensemble.crossfit import CrossFitClassifier, CrossFitRegressor

__all__ = ["BlendClassifier", "BlendRegressor", "CrossFitClassifier", "CrossFitRegressor"]
