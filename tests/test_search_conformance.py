"""scikit-learn's own checks of estimators, for the pruned search.

A search over a Pipeline goes through those checks that its steps may matter for.
"""

import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

from skdense import LowLevelMLPClassifier, LowLevelMLPRegressor
from skdense.search import PrunedSearchCV

pytestmark = pytest.mark.usefixtures("coarse_buckets")

SETTINGS = {"cv": 2, "error_score": "raise", "rungs": (10, 30), "random_state": 0}
OF_NETWORK = PrunedSearchCV(
    LowLevelMLPClassifier(max_iter=60, random_state=0), {"alpha": [1e-4, 1e-2]}, **SETTINGS
)
OF_PIPELINE = PrunedSearchCV(
    make_pipeline(StandardScaler(), LowLevelMLPRegressor(max_iter=60, random_state=0)),
    {"lowlevelmlpregressor__alpha": [1e-4, 1e-2]},
    **SETTINGS,
)
CHECKS_OF_STEPS = {
    "check_dataframe_column_names_consistency",
    "check_estimators_dtypes",
    "check_estimators_pickle",
    "check_fit_idempotent",
    "check_n_features_in_after_fitting",
    "check_positive_only_tag_during_fit",
    "check_regressors_train",
}


@parametrize_with_checks([OF_NETWORK])
def test_every_check_of_scikit_learn_passes(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    ("estimator", "check"),
    [
        pytest.param(estimator, check, id=check.func.__name__)
        for estimator, check in estimator_checks_generator(OF_PIPELINE)
        if check.func.__name__ in CHECKS_OF_STEPS
    ],
)
def test_the_checks_that_a_pipeline_may_matter_for_pass(estimator, check):
    check(estimator)
