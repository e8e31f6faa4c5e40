"""scikit-learn's own estimator checks, over settings that take different ways through the library.

No failure is expected but of one check that gives negative y to any loss, and with early stopping,
where MLPClassifier fails the same checks: partial_fit must refuse it with a ValueError (the
test_mlp_partial_fit_after_fit of scikit-learn asks for it), and a split that is drawn cannot put all
copies of a repeated sample on the side of the weighted one.
"""

from sklearn.utils.estimator_checks import parametrize_with_checks

from skdense import LowLevelMLPClassifier, LowLevelMLPRegressor

SETTINGS = {
    "the default, adam": {},
    "sgd": {"solver": "sgd", "learning_rate_init": 0.1},
    "squared error": {"loss": "squared_error", "learning_rate_init": 0.01},
    "tanh": {"activation": "tanh", "learning_rate_init": 0.01},
    "no hidden layer": {"hidden_layer_sizes": (), "learning_rate_init": 0.05},
    # A tenth of the checks' ten samples is too few to validate on, as for MLPClassifier.
    "early stopping": {
        "early_stopping": True,
        "validation_fraction": 0.4,
        "learning_rate_init": 0.01,
    },
    "balanced classes": {"class_weight": "balanced"},
    "lbfgs": {"solver": "lbfgs"},
}
SETTINGS_OF_REGRESSORS = {
    "the default, adam": {},
    "poisson by lbfgs": {"loss": "poisson", "solver": "lbfgs"},
    "a quantile by sgd": {"loss": "quantile", "quantile": 0.6, "solver": "sgd"},
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
FAILED_BY = {"poisson": {"check_regressor_multioutput": "its y is negative, whatever the tags ask for"}}


@parametrize_with_checks(
    [
        *(LowLevelMLPClassifier(**{"max_iter": 100, **setting}) for setting in SETTINGS.values()),
        *(LowLevelMLPRegressor(max_iter=100, **each) for each in SETTINGS_OF_REGRESSORS.values()),
    ],
    expected_failed_checks=lambda estimator: (
        FAILED_WITH_EARLY_STOPPING if estimator.early_stopping else FAILED_BY.get(estimator.loss, {})
    ),
)
def test_every_check_of_scikit_learn_passes(estimator, check):
    check(estimator)
