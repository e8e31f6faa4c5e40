"""Out-of-fold ensembles: networks that are each stopped by a fold that they were not trained on."""

from skdense.ensemble.crossfit import CrossFitClassifier, CrossFitRegressor

__all__ = ["CrossFitClassifier", "CrossFitRegressor"]
