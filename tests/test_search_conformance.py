"""scikit-learn's own checks of estimators, for the pruned search over a network and over a Pipeline."""

import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from skdense import LowLevelMLPClassifier, LowLevelMLPRegressor
from skdense.search import PrunedSearchCV

pytestmark = pytest.mark.usefixtures("coarse_buckets")

SETTINGS = {"cv": 2, "error_score": "raise", "rungs": (10, 30)}


@parametrize_with_checks(
    [
        PrunedSearchCV(
            LowLevelMLPClassifier(max_iter=60, random_state=0), {"alpha": [1e-4, 1e-2]}, **SETTINGS
        ),
        PrunedSearchCV(
            make_pipeline(StandardScaler(), LowLevelMLPRegressor(max_iter=60, random_state=0)),
            {"lowlevelmlpregressor__alpha": [1e-4, 1e-2]},
            **SETTINGS,
        ),
    ]
)
def test_every_check_of_scikit_learn_passes(estimator, check):
    check(estimator)
