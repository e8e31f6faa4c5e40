"""scikit-learn's own checks of estimators, and its own tests of MLPClassifier and MLPRegressor.

The checks go over settings that take different ways through the library. The defaults go through all
checks. The other settings share all that comes before and after the training with them, so that they
go through the checks that compare what is trained; every setting compiles programs of its own for every
shape of the checks' data, which is nearly all the time taken.
"""

import importlib.util
from pathlib import Path
from unittest import mock

import pytest
import sklearn.neural_network
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

from skdense import LowLevelMLPClassifier, LowLevelMLPRegressor
from skdense.search import PrunedSearchCV

pytestmark = pytest.mark.usefixtures("coarse_buckets")

IN_FULL = [LowLevelMLPClassifier(max_iter=100), LowLevelMLPRegressor(max_iter=100)]
IN_TRAINING = {
    "early stopping": LowLevelMLPClassifier(max_iter=100, early_stopping=True, learning_rate_init=0.01),
    "tanh by sgd": LowLevelMLPClassifier(
        max_iter=100, activation="tanh", solver="sgd", learning_rate_init=0.1
    ),
    "squared error without a hidden layer": LowLevelMLPClassifier(
        (), max_iter=100, loss="squared_error", learning_rate_init=0.05
    ),
    "balanced classes": LowLevelMLPClassifier(max_iter=100, class_weight="balanced"),
    "lbfgs": LowLevelMLPClassifier(max_iter=100, solver="lbfgs"),
    "poisson by lbfgs": LowLevelMLPRegressor(max_iter=100, loss="poisson", solver="lbfgs"),
    "a quantile by sgd": LowLevelMLPRegressor(
        max_iter=100, loss="quantile", quantile=0.6, solver="sgd"
    ),
}
CHECKS_OF_TRAINING = {"check_classifiers_train", "check_fit_idempotent", "check_regressors_train"}
OF_WEIGHTS = {"check_class_weight_classifiers", "check_sample_weight_equivalence_on_dense_data"}
OF_ONE_CLASS = {"check_classifiers_one_label"}


@parametrize_with_checks(IN_FULL)
def test_every_check_of_scikit_learn_passes(estimator, check):
    check(estimator)


def names_of_checks(estimator):
    names = set(CHECKS_OF_TRAINING)
    # With early stopping copies of a repeated sample fall on both sides of the split; weights in lbfgs
    # are compared with MLPClassifier's.
    if not estimator.early_stopping and estimator.solver != "lbfgs":
        names |= OF_WEIGHTS
    if estimator.loss == "squared_error":  # one class has a loss of its own
        names |= OF_ONE_CLASS
    return names


def checks_of_training():
    for setting, estimator in IN_TRAINING.items():
        names = names_of_checks(estimator)
        for its_estimator, check in estimator_checks_generator(estimator):
            name = check.func.__name__
            # Some are repeated in float32 and with read-only data, as in the full lists.
            if name in names:
                names.remove(name)
                yield pytest.param(its_estimator, check, id=f"{setting}-{name}")


@pytest.mark.parametrize(("estimator", "check"), list(checks_of_training()))
def test_the_checks_of_what_is_trained_pass(estimator, check):
    check(estimator)


# --- the pruned search -------------------------------------------------------------------------------

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
def test_a_pruned_search_passes_every_check(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    ("estimator", "check"),
    [
        pytest.param(estimator, check, id=check.func.__name__)
        for estimator, check in estimator_checks_generator(OF_PIPELINE)
        if check.func.__name__ in CHECKS_OF_STEPS
    ],
)
def test_a_search_over_a_pipeline_passes_the_checks_that_its_steps_may_matter_for(estimator, check):
    check(estimator)


# --- scikit-learn's tests of its networks, of which the module is imported anew with our classes ------

OURS = {"MLPClassifier": LowLevelMLPClassifier, "MLPRegressor": LowLevelMLPRegressor}
# These read what is private to MLPClassifier; all others are run.
SKIPPED = {
    "test_gradient": "calls MLPClassifier's private _loss_grad_lbfgs",
    "test_learning_rate_warmstart": "reads MLPClassifier's private _optimizer",
    "test_adaptive_learning_rate": "reads MLPClassifier's private _optimizer",
}


@pytest.fixture
def global_random_seed():
    """The seed that scikit-learn's settings of pytest give its tests by default."""
    return 42


def _suite():
    """The test functions of the installed module, by name."""
    path = Path(sklearn.neural_network.__file__).parent / "tests" / "test_mlp.py"
    spec = importlib.util.spec_from_file_location("sklearn.neural_network.tests.of_skdense", path)
    module = importlib.util.module_from_spec(spec)
    with mock.patch.multiple(sklearn.neural_network, **OURS):
        spec.loader.exec_module(module)
    return {name: test for name, test in vars(module).items() if name.startswith("test_")}


SUITE = _suite()
for _name, _test in SUITE.items():
    globals()[_name] = pytest.mark.skip(SKIPPED[_name])(_test) if _name in SKIPPED else _test


def test_every_skipped_test_is_one_of_the_suite():
    assert SKIPPED.keys() <= SUITE.keys()
    assert len(SUITE) > 10 * len(SKIPPED)
