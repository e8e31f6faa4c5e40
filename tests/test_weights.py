"""Sample weights and class weights: laws that hold for any weights.

That fits with weights are those of MLPClassifier is among the parity tests; what is refused, among
those of bad input. Nearly all fits share one shape, of widths (7, 4) and batches of 25 to 32.
"""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, log_loss
from sklearn.neural_network import MLPClassifier
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight

from helpers import PROBLEMS, SETTINGS, assert_identical, make_problem
from skdense import LowLevelMLPClassifier
from skdense.fit.inputs import FitInput
from skdense.fit.prepare import prepare

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

SOLVERS = {
    "adam": {},
    "sgd": {"solver": "sgd"},
    "early stopping": {"early_stopping": True},
    "lbfgs": {"solver": "lbfgs"},
}
X, Y = make_problem(n_samples=100)
WEIGHTS = np.random.default_rng(1).uniform(0, 3, len(X))


def fit(X, y, weights=None, **parameters):
    return LowLevelMLPClassifier(**SETTINGS | parameters).fit(X, y, weights)


# --- in the loss and the accuracy --------------------------------------------------------------------


@pytest.mark.parametrize("problem", PROBLEMS)
def test_loss_and_accuracy_of_an_epoch_are_weighted_means(problem):
    X, y = make_problem(problem, 30)
    weights = WEIGHTS[:30]
    model = fit(X, y, warm_start=True, batch_size=30, alpha=0.7)
    probabilities, predictions = model.predict_proba(X), model.predict(X)
    penalty = 0.7 / 2 * sum((coef**2).sum() for coef in model.coefs_) / weights.sum()

    model.set_params(max_iter=1).fit(X, y, weights)  # one step: the network is seen before it

    if problem == "multilabel":
        of_label = np.where(y == 1, probabilities, 1 - probabilities)
        loss = np.average(-np.log(of_label).sum(axis=1), weights=weights)
    else:
        loss = log_loss(y, probabilities, sample_weight=weights)
    np.testing.assert_allclose(model.loss_, loss + penalty, rtol=1e-12)
    accuracy = accuracy_score(y, predictions, sample_weight=weights)
    np.testing.assert_allclose(model.accuracy_curve_[-1], accuracy, rtol=1e-12)


@pytest.mark.parametrize("solver", SOLVERS)
def test_weights_of_one_are_no_weights(solver):
    assert_identical(fit(X, Y, np.ones(100), **SOLVERS[solver]), fit(X, Y, **SOLVERS[solver]))


@settings(max_examples=12)
@given(st.sampled_from(list(SOLVERS)), st.integers(-20, 20), st.integers(0, 99))
def test_weights_and_penalty_can_be_scaled_together(solver, exponent, seed):
    """By a power of two, which rounds nothing: the loss is a mean."""
    weights, scale = np.random.default_rng(seed).uniform(0.1, 3, 100), 2.0**exponent

    scaled = fit(X, Y, scale * weights, alpha=scale * 0.01, **SOLVERS[solver])

    reference = fit(X, Y, weights, alpha=0.01, **SOLVERS[solver])
    np.testing.assert_allclose(scaled.loss_, reference.loss_, rtol=1e-9)
    np.testing.assert_allclose(scaled.predict_proba(X), reference.predict_proba(X), rtol=0, atol=1e-9)


# --- weight zero -------------------------------------------------------------------------------------


@settings(max_examples=12)
@given(st.sampled_from(list(SOLVERS)), st.integers(0, 99))
def test_what_a_sample_of_weight_zero_holds_does_not_matter(solver, seed):
    rng = np.random.default_rng(seed)
    ignored = rng.random(100) < 0.4
    weights = np.where(ignored, 0, WEIGHTS)
    X_other = np.where(ignored[:, None], rng.normal(scale=100, size=X.shape), X)

    assert_identical(fit(X, Y, weights, **SOLVERS[solver]), fit(X_other, Y, weights, **SOLVERS[solver]))


@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("ignored", [slice(0, 25), slice(50, 75), slice(25, 75)])
def test_a_batch_of_weight_zero_is_a_step_without_effect(solver, ignored):
    weights = WEIGHTS.copy()
    weights[ignored] = 0
    kept = np.delete(np.arange(100), ignored)

    with pytest.raises(ZeroDivisionError):
        MLPClassifier(**SETTINGS, shuffle=False, **SOLVERS[solver]).fit(X, Y, weights)
    model = fit(X, Y, weights, shuffle=False, **SOLVERS[solver])

    absent = fit(X[kept], Y[kept], WEIGHTS[kept], shuffle=False, **SOLVERS[solver])
    np.testing.assert_allclose(model.loss_curve_, absent.loss_curve_, rtol=1e-12)
    np.testing.assert_allclose(model.accuracy_curve_, absent.accuracy_curve_, rtol=1e-12)
    for ours, theirs in zip(model.coefs_, absent.coefs_):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)


def test_partial_fit_over_a_batch_of_weight_zero_among_others_keeps_the_optimizer():
    chunks = [slice(0, 50), slice(50, 100)]
    model = LowLevelMLPClassifier(**SETTINGS, shuffle=False)
    reference = LowLevelMLPClassifier(**SETTINGS, shuffle=False)

    for rows in chunks:
        weights = WEIGHTS[rows].copy()
        weights[25:] = 0
        model.partial_fit(X[rows], Y[rows], weights, classes=["no", "yes"])
        kept = slice(rows.start, rows.start + 25)
        reference.partial_fit(X[kept], Y[kept], WEIGHTS[kept], classes=["no", "yes"])

    np.testing.assert_allclose(model.loss_curve_, reference.loss_curve_, rtol=1e-12)
    np.testing.assert_allclose(model.predict_proba(X), reference.predict_proba(X), rtol=0, atol=1e-12)


# --- class weights -----------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", SOLVERS)
def test_class_weight_multiplies_the_sample_weights(solver):
    class_weight = {"no": 0.25, "yes": 2.0}
    by_class = fit(X, Y, WEIGHTS, class_weight=class_weight, **SOLVERS[solver])

    by_sample = fit(X, Y, WEIGHTS * np.where(Y == "yes", 2, 0.25), **SOLVERS[solver])
    assert_identical(by_class, by_sample)


@pytest.mark.parametrize("sparse", [(sp.csr_array, np.asarray), (np.asarray, sp.csr_array)])
def test_balanced_labels_and_those_to_validate_on_may_be_dense_and_sparse(sparse):
    X, y = make_problem("multilabel", 100)
    settings = {"class_weight": "balanced", "max_iter": 2, "random_state": 0}
    dense, other = (LowLevelMLPClassifier((4,), **settings) for _ in range(2))
    dense.fit(X, y, X_val=X[:40], y_val=y[:40])
    other.fit(X, sparse[0](y), X_val=X[:40], y_val=sparse[1](y[:40]))
    assert_identical(dense, other)


def test_a_class_without_weight_is_left_out_of_the_validation_too():
    X, y = make_problem("three classes", 100)
    weights = (y != 1).astype(float)
    settings = {"class_weight": "balanced", "early_stopping": True}

    X_val, y_val = X[:30], y[:30]
    with_it = LowLevelMLPClassifier(**SETTINGS, **settings)
    with_it.fit(X, y, weights, X_val=X_val, y_val=y_val)

    kept = y_val != 1
    without = LowLevelMLPClassifier(**SETTINGS, **settings).fit(
        X, y, weights, X_val=X_val[kept], y_val=y_val[kept]
    )
    assert np.isfinite(with_it.validation_loss_curve_).all()
    np.testing.assert_allclose(with_it.validation_scores_, without.validation_scores_, rtol=1e-12)
    np.testing.assert_allclose(
        with_it.validation_loss_curve_, without.validation_loss_curve_, rtol=1e-12
    )


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("weighted", ["equally", "differently", "without a class"])
def test_balanced_is_scikit_learns_of_samples_that_count_by_their_weights(problem, weighted):
    """A sample of weight 2 is balanced as two samples are, one of weight 0 as none."""
    X, y = make_problem(problem, 30)
    weights = np.random.default_rng(3).integers(0, 3, len(X)) if weighted != "equally" else None
    if weighted == "without a class":
        weights[y == y[0] if y.ndim == 1 else y[:, 0] == 1] = 0

    balanced = fit(X, y, weights, class_weight="balanced", batch_size=len(X), alpha=0)

    weights = np.ones(len(X), int) if weights is None else weights
    factors = compute_sample_weight("balanced", np.repeat(y, weights, axis=0))
    by_sample = np.zeros(len(X))
    by_sample[weights > 0] = factors[np.cumsum(weights)[weights > 0] - 1]
    expected = fit(X, y, weights * by_sample, batch_size=len(X), alpha=0)
    np.testing.assert_allclose(balanced.loss_curve_, expected.loss_curve_, rtol=1e-12)


def test_a_class_that_is_not_named_has_weight_one():
    X, y = make_problem("three classes", 100)

    assert_identical(fit(X, y, class_weight={1: 3.0}), fit(X, y, np.where(y == 1, 3, 1)))
    assert_identical(fit(X, y, class_weight={}), fit(X, y))


def test_partial_fit_takes_a_class_weight_in_every_call():
    X, y = make_problem("three classes", 100)
    by_class = LowLevelMLPClassifier(**SETTINGS, class_weight={0: 0.0, 2: 3.0})
    by_sample = LowLevelMLPClassifier(**SETTINGS)

    for rows in (slice(0, 50), slice(50, 100)):
        by_class.partial_fit(X[rows], y[rows], WEIGHTS[rows], classes=[0, 1, 2])
        weights = WEIGHTS[rows] * np.array([0.0, 1.0, 3.0])[y[rows]]
        by_sample.partial_fit(X[rows], y[rows], weights, classes=[0, 1, 2])

    assert_identical(by_class, by_sample)


# --- what may be passed ------------------------------------------------------------------------------


def test_balanced_leaves_no_partial_fit_and_says_what_would_do():
    clf = LowLevelMLPClassifier(class_weight="balanced")
    assert not hasattr(clf, "partial_fit")
    with pytest.raises(AttributeError) as raised:
        clf.partial_fit(X, Y, classes=["no", "yes"])
    assert "pass a dict" in str(raised.value.__cause__)

    of_all = compute_class_weight("balanced", classes=np.array(["no", "yes"]), y=Y)
    dictionary = dict(zip(["no", "yes"], of_all))
    LowLevelMLPClassifier(**SETTINGS, class_weight=dictionary).partial_fit(X, Y, classes=["no", "yes"])


def test_a_dict_for_several_labels_is_an_error_that_says_what_would_do():
    with pytest.raises(ValueError, match="balanced"):
        fit(*make_problem("multilabel", 100), class_weight={0: 1.0, 1: 2.0})


def test_a_split_whose_samples_all_have_weight_zero_is_refused_as_there():
    y = np.arange(100) % 3  # not stratified
    parameters = {**SETTINGS, "early_stopping": True, "validation_fraction": 0.02, "max_iter": 1}

    def is_refused(fit, *arguments):
        try:
            fit(*arguments)
        except ValueError as error:
            return "zero" in str(error)
        return False

    refused = []
    for seed in range(12):
        weights = (np.random.default_rng(seed).random(100) < 0.3).astype(float)
        refused.append(
            is_refused(prepare, LowLevelMLPClassifier(**parameters), FitInput(X, y, weights))
        )
        assert refused[-1] == is_refused(MLPClassifier(**parameters).fit, X, y, weights)
    assert any(refused)
