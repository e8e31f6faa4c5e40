"""scikit-learn's own estimator checks, over settings that take different ways through the library.

Three settings go through all checks. The others share all that comes before and after the training with
them, so that they go through the checks that compare what is trained; every setting compiles programs
of its own for every shape of the checks' data, which is nearly all the time they take.

No failure is expected but with early stopping, where MLPClassifier fails the same checks: partial_fit
must refuse it with a ValueError (the test_mlp_partial_fit_after_fit of scikit-learn asks for it), and a
split that is drawn cannot put all copies of a repeated sample on the side of the weighted one.
"""

import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

from skdense import LowLevelMLPClassifier, LowLevelMLPRegressor

IN_FULL = {
    "the default, adam": LowLevelMLPClassifier(max_iter=100),
    # A tenth of the checks' ten samples is too few to validate on, as for MLPClassifier.
    "early stopping": LowLevelMLPClassifier(
        max_iter=100, early_stopping=True, validation_fraction=0.4, learning_rate_init=0.01
    ),
    "a regressor": LowLevelMLPRegressor(max_iter=100),
}
IN_TRAINING = {
    "sgd": LowLevelMLPClassifier(max_iter=100, solver="sgd", learning_rate_init=0.1),
    "squared error": LowLevelMLPClassifier(max_iter=100, loss="squared_error", learning_rate_init=0.01),
    "tanh": LowLevelMLPClassifier(max_iter=100, activation="tanh", learning_rate_init=0.01),
    "no hidden layer": LowLevelMLPClassifier((), max_iter=100, learning_rate_init=0.05),
    "balanced classes": LowLevelMLPClassifier(max_iter=100, class_weight="balanced"),
    "lbfgs": LowLevelMLPClassifier(max_iter=100, solver="lbfgs"),
    "poisson by lbfgs": LowLevelMLPRegressor(max_iter=100, loss="poisson", solver="lbfgs"),
    "a quantile by sgd": LowLevelMLPRegressor(
        max_iter=100, loss="quantile", quantile=0.6, solver="sgd"
    ),
}
CHECKS_OF_TRAINING = {
    "check_class_weight_classifiers",
    "check_classifiers_one_label",
    "check_classifiers_train",
    "check_fit2d_1sample",
    "check_fit_idempotent",
    "check_methods_subset_invariance",
    "check_regressors_train",
    "check_sample_weight_equivalence_on_dense_data",
}

NO_PARTIAL_FIT = "partial_fit refuses early_stopping=True"
DRAWN_SPLIT = "repeated samples fall on both sides of the validation split"
FAILED_WITH_EARLY_STOPPING = {
    "check_fit_score_takes_y": NO_PARTIAL_FIT,
    "check_n_features_in_after_fitting": NO_PARTIAL_FIT,
    "check_estimators_partial_fit_n_features": NO_PARTIAL_FIT,
    "check_sample_weight_equivalence_on_dense_data": DRAWN_SPLIT,
    "check_sample_weight_equivalence_on_sparse_data": DRAWN_SPLIT,
}


@parametrize_with_checks(
    list(IN_FULL.values()),
    expected_failed_checks=lambda estimator: (
        FAILED_WITH_EARLY_STOPPING if estimator.early_stopping else {}
    ),
)
def test_every_check_of_scikit_learn_passes(estimator, check):
    check(estimator)


def checks_of_training():
    for setting, estimator in IN_TRAINING.items():
        done = set()
        for its_estimator, check in estimator_checks_generator(estimator):
            name = check.func.__name__
            # Some are repeated in float32 and with read-only data, as in the full lists.
            if name in CHECKS_OF_TRAINING - done:
                done.add(name)
                yield pytest.param(its_estimator, check, id=f"{setting}-{name}")


@pytest.mark.parametrize(("estimator", "check"), list(checks_of_training()))
def test_the_checks_of_what_is_trained_pass(estimator, check):
    check(estimator)
