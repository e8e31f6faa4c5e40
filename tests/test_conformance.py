"""scikit-learn's own estimator checks, over settings that take different ways through the library.

The defaults go through all checks. The other settings share all that comes before and after the
training with them, so that they go through the checks that compare what is trained; every setting
compiles programs of its own for every shape of the checks' data, which is nearly all the time taken.
"""

import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

from skdense import LowLevelMLPClassifier, LowLevelMLPRegressor

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
