"""Out-of-fold ensembles: models that are each judged by a fold that they were not trained on."""

from skdense.ensemble.classifiers import BlendClassifier, CrossFitClassifier
from skdense.ensemble.regressors import BlendRegressor, CrossFitRegressor

__all__ = ["BlendClassifier", "BlendRegressor", "CrossFitClassifier", "CrossFitRegressor"]
