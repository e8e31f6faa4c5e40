"""Out-of-fold ensembles: models that are each judged by a fold that they were not trained on."""

import sys

from skdense.ensemble.blend import BlendClassifier, BlendRegressor
from skdense.ensemble.crossfit import CrossFitClassifier, CrossFitRegressor

__all__ = ["BlendClassifier", "BlendRegressor", "CrossFitClassifier", "CrossFitRegressor"]

# Files that versions before 0.4 saved name the classes by these modules.
for _name in ("classifiers", "regressors"):
    sys.modules[f"{__name__}.{_name}"] = sys.modules[__name__]
