"""solver="lbfgs": the loss and gradient it gives to scipy, and MLPClassifier's results with it.

Nearly all fits are of 113 to 120 samples, which share a block of rows, so that little is compiled.

L-BFGS amplifies rounding as every training does, so equal means within 1e-9, or within 100 times what
MLPClassifier itself changes when X changes by one unit in the last place.
"""

import warnings

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from helpers import CLASSIFIERS, assert_identical, assert_same_model, blas_threads, make_problem
from skdense import LowLevelMLPClassifier
from skdense.core.formulas.layers import forward, hidden_and_output

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

SETTINGS = {"hidden_layer_sizes": (7, 4), "solver": "lbfgs", "max_iter": 8, "alpha": 0.01}
STOCHASTIC = {"solver": "adam", "batch_size": 25, "learning_rate_init": 0.01}


# --- the loss and its gradient -----------------------------------------------------------------------


# Activations and losses do not know each other: each is shown once.
@pytest.mark.parametrize(
    ("activation", "problem", "loss"),
    [
        *((activation, "multilabel", "log_loss") for activation in ("identity", "logistic", "tanh")),
        ("relu", "multilabel", "squared_error"),
        ("relu", "three classes", "log_loss"),
        ("relu", "three classes", "squared_error"),
    ],
)
def test_the_loss_is_that_of_the_outputs_and_the_gradient_is_its_slope(
    activation, problem, loss, objective_of
):
    X, y = make_problem(problem)
    weights = np.random.default_rng(1).uniform(0.1, 4, len(X))
    model = LowLevelMLPClassifier((7, 4), activation, solver="lbfgs", alpha=0.3, loss=loss)
    targets = y if problem == "multilabel" else np.eye(3)[y]
    for seed in range(3):
        objective, start = objective_of(model.set_params(random_state=seed), X, y, weights)

        value, gradient = objective(start)

        if loss == "squared_error":
            layers = hidden_and_output((7, 4), activation, 3)
            logits = forward(layers, [*zip(model.coefs_, model.intercepts_)], X)
            losses = ((logits - targets) ** 2).sum(axis=1)
        else:
            probabilities = model.predict_proba(X)
            of_others = 1 - probabilities if problem == "multilabel" else 1
            losses = -np.log(np.where(targets, probabilities, of_others)).sum(axis=1)
        penalty = 0.3 / 2 * sum((kernel**2).sum() for kernel in model.coefs_)
        np.testing.assert_allclose(value, (weights @ losses + penalty) / weights.sum(), rtol=1e-12)
        slope = approx_fprime(start, lambda vector, of=objective: of(vector)[0], epsilon=1e-7)
        np.testing.assert_allclose(gradient, slope, rtol=1e-4, atol=1e-5)


# A step of so few units is light up to about 13,000 rows, and takes its rows in larger blocks then.
@pytest.mark.parametrize("n_samples", [1, 2, 119, 120, 255, 256, 513, 768, 14336, 14337, 16383])
def test_blocks_of_rows_add_up_to_the_whole(n_samples):
    X, y = make_problem("multilabel", n_samples)
    weights = np.random.default_rng(1).uniform(0.1, 4, n_samples)

    assert_parity(X, y, weights, activation="tanh", max_iter=2)


def test_nearby_sizes_and_other_numbers_share_a_program(compiles):
    X, y = make_problem("binary")

    def fit(width, n_samples=120, n_features=4, alpha=0.01):
        settings = {**SETTINGS, "max_iter": 2, "activation": "tanh", "alpha": alpha}
        settings["hidden_layer_sizes"] = (width,)
        LowLevelMLPClassifier(**settings).fit(X[:n_samples, :n_features], y[:n_samples])

    fit(6)
    compiles()
    for width in range(3, 9):
        fit(width, alpha=0.5)
    for n_samples in range(113, 121):
        fit(6, n_samples, n_features=3)
    assert compiles() == 0


# --- the same model as MLPClassifier -----------------------------------------------------------------


def assert_parity(X, y, sample_weight=None, **parameters):
    """Return our model, which is the one that scikit-learn's class finds."""
    return CLASSIFIERS.check(X, y, sample_weight, **SETTINGS | parameters)


@pytest.mark.parametrize(
    ("problem", "activation", "weighted"),
    [
        ("binary", "relu", False),
        ("binary", "relu", True),
        ("three classes", "relu", True),
        ("multilabel", "identity", True),
        ("multilabel", "tanh", False),
        ("multilabel", "logistic", True),
    ],
)
def test_the_same_model_as_mlp_classifier(problem, activation, weighted):
    X, y = make_problem(problem)
    weights = np.random.default_rng(1).uniform(0.2, 3, len(X)) if weighted else None

    assert_parity(X, y, weights, activation=activation)


def test_the_same_linear_model_until_convergence_which_does_not_warn():
    X, y = make_problem("binary")

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ours = assert_parity(X, y, hidden_layer_sizes=(), alpha=1.0, max_iter=200, tol=1e-3)

    assert ours.n_iter_ < 50


def test_float32_x_is_fitted_in_float64_as_there():
    X, y = make_problem("binary")

    ours = assert_parity(X.astype(np.float32), y, max_iter=3)

    assert {array.dtype for array in ours.coefs_ + ours.intercepts_} == {np.dtype(np.float64)}


@pytest.mark.parametrize("alpha", [0, 1])
def test_max_fun_ends_the_fit_where_it_does_there(alpha):
    ours = assert_parity(*make_problem("binary"), max_fun=4, alpha=alpha)

    assert ours.n_iter_ < 4


@pytest.mark.parametrize("parameters", [{"max_iter": 3}, {"max_iter": 100, "max_fun": 4}])
def test_a_fit_that_is_not_over_warns_as_there(parameters):
    X, y = make_problem("binary")

    for estimator in MLPClassifier, LowLevelMLPClassifier:
        with pytest.warns(ConvergenceWarning, match="lbfgs failed to converge") as caught:
            estimator(**{**SETTINGS, **parameters}, random_state=0).fit(X, y)
        assert len(caught) == 1


def test_early_stopping_is_without_effect_as_there():
    X, y = make_problem("binary")

    without = assert_parity(X, y)
    with_it = assert_parity(X, y, early_stopping=True)

    assert with_it.loss_ == without.loss_


# --- attributes, and going on from other solvers -----------------------------------------------------

CURVES = (
    "loss_curve_", "accuracy_curve_", "validation_scores_", "validation_loss_curve_", "best_loss_",
    "best_validation_score_",
)  # fmt: skip


def test_no_curves_are_left_from_an_earlier_adam_fit():
    X, y = make_problem("binary")
    model = LowLevelMLPClassifier(**{**SETTINGS, **STOCHASTIC}, early_stopping=True, random_state=0)

    model.fit(X, y).set_params(solver="lbfgs").fit(X, y)

    assert not [name for name in CURVES if hasattr(model, name)]
    np.testing.assert_array_equal(
        model.predict_proba(X),
        LowLevelMLPClassifier(**SETTINGS, random_state=0).fit(X, y).predict_proba(X),
    )


@pytest.mark.parametrize(
    ("first", "refits"), [({}, ({}, {}, {})), (STOCHASTIC, ({}, {"solver": "lbfgs"}))]
)
def test_a_warm_start_goes_on_as_there_also_from_adam(first, refits):
    X, y = make_problem("binary")
    settings = SETTINGS | {"warm_start": True, "max_iter": 4, "random_state": 0} | first
    models, Xs = CLASSIFIERS.all_three(X, **settings)
    for changed in refits:
        for model, its_X in zip(models, Xs):
            model.set_params(**changed).fit(its_X, y)
            vars(model).update(dict.fromkeys(CURVES))  # theirs may still be those of adam
    assert_same_model(*models, X)


def test_samples_that_were_seen_before_lbfgs_count_in_the_rate_after_it():
    X, y = make_problem("binary")
    by_sgd = {**STOCHASTIC, "solver": "sgd", "learning_rate": "invscaling"}
    models = [
        Model(**{**SETTINGS, **by_sgd}, random_state=0, warm_start=True)
        for Model in (LowLevelMLPClassifier, MLPClassifier)
    ]
    for model in models:
        for solver in ("sgd", "lbfgs", "sgd"):
            model.set_params(solver=solver).fit(X, y)

    ours, theirs = models
    assert ours.t_ == theirs.t_
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=0, atol=1e-7)


def test_a_warm_start_from_lbfgs_to_adam_goes_on_from_its_parameters_with_a_new_optimizer():
    X, y = make_problem("binary")
    model = LowLevelMLPClassifier(**SETTINGS, random_state=0, warm_start=True).fit(X, y)
    # MLPClassifier raises an AttributeError here; but parameters can be set on one fitted with adam.
    theirs = MLPClassifier(**{**SETTINGS, **STOCHASTIC}, random_state=0, warm_start=True).fit(X, y)
    theirs.coefs_ = [coef.copy() for coef in model.coefs_]
    theirs.intercepts_ = [intercept.copy() for intercept in model.intercepts_]

    model.set_params(**STOCHASTIC).fit(X, y)
    n_earlier = theirs.n_iter_
    theirs.fit(X, y)

    np.testing.assert_allclose(model.loss_curve_, theirs.loss_curve_[n_earlier:], rtol=0, atol=1e-9)
    np.testing.assert_allclose(model.predict_proba(X), theirs.predict_proba(X), rtol=0, atol=1e-9)
    loss = model.loss_

    model.set_params(solver="lbfgs").fit(X, y)

    assert model.loss_ < loss


def test_partial_fit_is_absent_as_there():
    for estimator in MLPClassifier, LowLevelMLPClassifier:
        assert not hasattr(estimator(solver="lbfgs"), "partial_fit")
        with pytest.raises(AttributeError, match=r"partial_fit|is not stochastic"):
            estimator(solver="lbfgs").partial_fit(*make_problem("binary"))


def test_blas_has_one_thread_meanwhile(replace_minimize):
    X, y = make_problem("binary")
    seen = set()

    def note(minimize, *arguments, **named):
        seen.update(blas_threads())
        return minimize(*arguments, **named)

    before = blas_threads()
    replace_minimize(note)
    LowLevelMLPClassifier(**SETTINGS, random_state=0).fit(X, y)

    assert seen == {1}
    assert blas_threads() == before


# --- Ctrl-C ------------------------------------------------------------------------------------------


def assert_ended_early(stopped, X, y):
    """It is what a shorter fit gives."""
    settings = {**SETTINGS, "max_iter": stopped.n_iter_, "random_state": 0}
    assert 0 < stopped.n_iter_ < SETTINGS["max_iter"]
    assert_identical(stopped, LowLevelMLPClassifier(**settings).fit(X, y))


def test_ctrl_c_inside_an_iteration_keeps_the_last_one(ctrl_c_at_call, monkeypatch):
    X, y = make_problem("binary")
    results = ctrl_c_at_call(7)

    with pytest.warns(UserWarning, match="interrupted"):
        stopped = LowLevelMLPClassifier(**SETTINGS, random_state=0).fit(X, y)
    monkeypatch.undo()

    assert len(results) == 6
    assert_ended_early(stopped, X, y)


def test_a_validation_set_is_an_error_that_says_what_would_do():
    X, y = make_problem("binary")

    with pytest.raises(ValueError, match="solver='lbfgs' supports neither dropout nor X_val"):
        LowLevelMLPClassifier(**SETTINGS).fit(X, y, X_val=X, y_val=y)
