"""Out-of-fold ensembles: cross-fit ensembles, and blends of ensembles.

A cross-fit ensemble has members, which are clones of one estimator. Each has a split of the rows: those
that it is trained on, and its fold, which is held out. A blend has models, each of which ends with an
ensemble of either sort; its `summary()` is a table of these models.
"""

from skdense.ensemble.blend import BlendClassifier, BlendRegressor
from skdense.ensemble.crossfit import CrossFitClassifier, CrossFitRegressor

__all__ = ["BlendClassifier", "BlendRegressor", "CrossFitClassifier", "CrossFitRegressor"]
