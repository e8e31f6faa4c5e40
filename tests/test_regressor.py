"""LowLevelMLPRegressor against MLPRegressor, and its losses that scikit-learn's class does not have.

Equal means what it means in the tests of the classifier's parity: within 1e-9, or within 100 times what
MLPRegressor itself changes when X changes by one unit in the last place. Nearly all fits share their
shape with those tests, of 65 to 128 samples, 4 features, widths (7, 4) and batches of 25 to 32.
"""

import inspect
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import approx_fprime, minimize
from scipy.special import huber
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning
from sklearn.linear_model import QuantileRegressor, Ridge
from sklearn.metrics import mean_absolute_error, mean_pinball_loss, mean_squared_error, r2_score
from sklearn.neural_network import MLPRegressor
from sklearn.neural_network._base import poisson_loss

from helpers import REGRESSORS, assert_same_model, covering_rows, parameters_of_both
from skdense import LowLevelMLPClassifier, LowLevelMLPRegressor

pytestmark = [
    pytest.mark.filterwarnings("ignore:Stochastic Optimizer"),
    pytest.mark.filterwarnings("ignore:lbfgs failed to converge"),
]

SHAPE = {"hidden_layer_sizes": (7, 4), "batch_size": 25, "random_state": 0}


def make_problem(n_outputs=1, loss="squared_error", n_samples=120):
    """X `(n_samples, 4)` and noisy numbers of one column or several; counts for "poisson"."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_samples, 4))
    y = np.tanh(X @ rng.normal(size=(4, n_outputs))) + 0.3 * rng.normal(size=(n_samples, n_outputs))
    y = y[:, 0] if n_outputs == 1 else y
    return X, rng.poisson(np.exp(y)) if loss == "poisson" else y


X, Y = make_problem()
TWO = make_problem(2)[1]
WEIGHTS = np.random.default_rng(1).uniform(0.2, 3, len(X))
LOSSES = ("squared_error", "poisson", "absolute_error", "quantile", "huber")


oracles, assert_parity = REGRESSORS.oracles, REGRESSORS.check


# --- the same model as MLPRegressor ------------------------------------------------------------------


def test_the_signature_begins_with_that_of_mlp_regressor():
    ours, theirs, of_classifier = (
        inspect.signature(estimator).parameters
        for estimator in (LowLevelMLPRegressor, MLPRegressor, LowLevelMLPClassifier)
    )
    bare = [parameter.replace(annotation=parameter.empty) for parameter in ours.values()]
    assert bare[: len(theirs)] == list(theirs.values())
    assert ours.keys() - of_classifier.keys() == {"quantile", "delta"}
    assert of_classifier.keys() - ours.keys() == {"class_weight", "label_smoothing"}


FACTORS = {
    "loss": ("squared_error", "poisson"),
    "n_outputs": (1, 2),
    "activation": ("relu", "tanh"),
    "optimizer": ("adam", "nesterov", "adaptive"),
    "early_stopping": (False, True),
    "weighted": (False, True),
}
OPTIMIZERS = {
    "adam": {"solver": "adam"},
    "nesterov": {"solver": "sgd", "momentum": 0.8},
    "adaptive": {"solver": "sgd", "learning_rate": "adaptive", "momentum": 0},
}


PROGRAMS = {
    ("squared_error", 1, "relu", "adam", False),
    ("squared_error", 2, "relu", "sgd", False),
    ("squared_error", 2, "tanh", "sgd", True),
    ("poisson", 1, "relu", "sgd", True),
    ("poisson", 1, "tanh", "adam", False),
    ("poisson", 2, "tanh", "adam", True),
}


def program_of(row):
    loss, n_outputs, activation, optimizer, early_stopping, _ = row
    return loss, n_outputs, activation, OPTIMIZERS[optimizer]["solver"], early_stopping


GRID = [*covering_rows(FACTORS, is_allowed=lambda row: program_of(row) in PROGRAMS)]


def problem_and_parameters(row):
    """X, y, sample weights or None, and parameters for both estimators."""
    X, y = make_problem(row["n_outputs"], row["loss"])
    parameters = {
        "hidden_layer_sizes": (7, 4), "batch_size": 25, "loss": row["loss"], "alpha": 0.01, "tol": 5e-3,
        "activation": row["activation"], "early_stopping": row["early_stopping"], "max_iter": 50,
        "learning_rate_init": 0.05 if row["optimizer"] == "adaptive" else 0.02, "n_iter_no_change": 3,
    }  # fmt: skip
    parameters |= OPTIMIZERS[row["optimizer"]]
    return X, y, WEIGHTS if row["weighted"] else None, parameters


@pytest.mark.parametrize("row", GRID, ids=lambda row: "-".join(map(str, row.values())))
def test_the_same_model_as_mlp_regressor(row):
    X, y, weights, parameters = problem_and_parameters(row)

    assert_parity(X, y, weights, **parameters)


settings_of_both = parameters_of_both(0.05)


@settings(max_examples=10)
@given(st.sampled_from(GRID), settings_of_both, st.booleans())
def test_the_same_model_whatever_the_settings(row, drawn, weighted):
    X, y, weights, parameters = problem_and_parameters(row | {"weighted": weighted})
    parameters |= drawn
    theirs, nearby = fitted = oracles(X, y, weights, **parameters)
    # Where a last bit of X changes MLPRegressor visibly, it is no oracle.
    assume(theirs.n_iter_ == nearby.n_iter_)
    assume(np.allclose(theirs.predict(X), nearby.predict(X), rtol=0, atol=1e-6))

    assert_parity(X, y, weights, fitted=fitted, **parameters)


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["", "weighted"])
@pytest.mark.parametrize(("loss", "n_outputs"), [("squared_error", 1), ("poisson", 2)])
def test_the_same_model_by_lbfgs(loss, n_outputs, weights):
    """But for the squared error of several outputs, whose value and gradient do not fit there."""
    X, y = make_problem(n_outputs, loss)

    assert_parity(X, y, weights, loss=loss, solver="lbfgs", hidden_layer_sizes=(7, 4), max_iter=15)


@pytest.mark.parametrize("n_outputs", [1, 2])
@pytest.mark.parametrize("loss", LOSSES)
def test_lbfgs_is_given_the_slope_of_the_loss_that_it_searches(loss, n_outputs, objective_of):
    X, y = make_problem(n_outputs, loss)
    model = LowLevelMLPRegressor(loss, (7, 4), "tanh", solver="lbfgs", alpha=0.3, random_state=0)
    objective, start = objective_of(model, X, y, WEIGHTS)

    value, gradient = objective(start)

    slope = approx_fprime(start, lambda vector: objective(vector)[0], epsilon=1e-7)
    np.testing.assert_allclose(gradient, slope, rtol=1e-4, atol=1e-5)
    if loss == "squared_error":
        of_outputs = ((y - model.predict(X)) ** 2).reshape(len(X), -1).sum(axis=1)
        penalty = 0.3 / 2 * sum((kernel**2).sum() for kernel in model.coefs_)
        assert value == pytest.approx((WEIGHTS @ of_outputs / 2 + penalty) / WEIGHTS.sum(), rel=1e-12)


@pytest.mark.parametrize("y", [Y, TWO], ids=["one output", "two outputs"])
def test_a_linear_model_by_lbfgs_is_a_ridge(y):
    ridge = Ridge(alpha=20).fit(X, y, sample_weight=WEIGHTS)

    reg = LowLevelMLPRegressor(
        hidden_layer_sizes=(), solver="lbfgs", alpha=20, tol=1e-9, max_iter=500, random_state=0
    ).fit(X, y, WEIGHTS)

    np.testing.assert_allclose(reg.predict(X), ridge.predict(X), rtol=0, atol=1e-4)


def test_the_same_model_by_default():
    assert_parity(X, Y)


@pytest.mark.parametrize(
    ("y", "parameters"), [(Y, {}), (TWO, {"solver": "sgd", "learning_rate": "invscaling"})]
)
def test_the_same_model_from_fit_and_partial_fits(y, parameters):
    models, Xs = REGRESSORS.all_three(X, **SHAPE, **parameters, max_iter=4)
    for model, its_X in zip(models, Xs):
        for rows in (slice(0, 70), slice(50, 120), slice(0, 120)):
            model.partial_fit(its_X[rows], y[rows], sample_weight=WEIGHTS[rows])
    assert_same_model(*models, X)
    for model, its_X in zip(models, Xs):
        model.fit(its_X, y).partial_fit(its_X, y)
    assert_same_model(*models, X)


def test_float32_x_trains_and_predicts_in_float32_as_there():
    models, Xs = REGRESSORS.all_three(X.astype("float32"), **SHAPE, max_iter=5, early_stopping=True)
    for model, its_X in zip(models, Xs):
        model.fit(its_X, Y)

    assert_same_model(*models, Xs[0], floor=1e-4)
    assert models[0].predict(Xs[0]).dtype == np.float32


def test_a_score_that_is_not_a_number_neither_stops_nor_counts_as_there():
    """Training diverges; what is returned is the best epoch before."""
    parameters = {"loss": "poisson", "solver": "sgd", "learning_rate_init": 0.3, "early_stopping": True}
    X, y = make_problem(loss="poisson")
    models = []
    for estimator in (LowLevelMLPRegressor, MLPRegressor):
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            models.append(estimator(**SHAPE, **parameters, max_iter=40).fit(3 * X, y))
    ours, theirs = models
    assert np.isnan(theirs.validation_scores_).sum() == 39
    assert ours.n_iter_ == theirs.n_iter_ == 40
    np.testing.assert_array_equal(
        np.isnan(ours.validation_scores_), np.isnan(theirs.validation_scores_)
    )
    assert ours.best_validation_score_ == pytest.approx(theirs.best_validation_score_)


# --- losses ------------------------------------------------------------------------------------------


def loss_of(loss, y, predicted, weights, quantile=0.3):
    """The loss that is to be reported, without the penalty, by scikit-learn's metrics or scipy."""
    n_outputs = 1 if y.ndim == 1 else y.shape[1]
    if loss == "squared_error":
        return mean_squared_error(y, predicted, sample_weight=weights) / 2
    if loss == "poisson":
        return poisson_loss(y, predicted, weights)
    if loss == "absolute_error":
        return n_outputs * mean_absolute_error(y, predicted, sample_weight=weights)
    if loss == "huber":
        return n_outputs * np.average(huber(0.6, y - predicted).mean(axis=1), weights=weights)
    return n_outputs * mean_pinball_loss(y, predicted, sample_weight=weights, alpha=quantile)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_loss_is_that_of_the_predictions_plus_the_penalty(loss):
    X, y = make_problem(2, loss)
    reg = LowLevelMLPRegressor(
        loss, (7, 4), "tanh", solver="lbfgs", max_iter=10, alpha=0.5, quantile=0.3, delta=0.6,
        random_state=0,
    ).fit(X, y, WEIGHTS)  # fmt: skip

    penalty = 0.5 / 2 * sum((coef**2).sum() for coef in reg.coefs_) / WEIGHTS.sum()
    times = 2 if loss == "squared_error" else 1  # lbfgs minimizes a sum over outputs
    expected = times * loss_of(loss, y, reg.predict(X), WEIGHTS) + penalty
    assert reg.loss_ == pytest.approx(expected, rel=1e-12)
    assert reg.predict(X).shape == (120, 2)


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("loss", LOSSES)
def test_validation_curves_are_those_of_the_predictions(loss, early_stopping):
    """The score is R2 where a mean is predicted; the best R2 would not be the best median.

    Sums of squares of numbers so far from zero would lose digits.
    """
    X, y = make_problem(2, loss)
    if loss == "squared_error":
        y = 1e4 + y
    reg = LowLevelMLPRegressor(
        loss, activation="tanh", solver="sgd" if loss == "squared_error" else "adam", **SHAPE,
        max_iter=8, n_iter_no_change=8, quantile=0.3, delta=0.6, early_stopping=early_stopping,
    )  # fmt: skip
    reg.fit(X[16:], y[16:], X_val=X[:16], y_val=y[:16], sample_weight_val=WEIGHTS[:16])

    value = loss_of(loss, y[:16], reg.predict(X[:16]), WEIGHTS[:16])
    score = r2_score(y[:16], reg.predict(X[:16]), sample_weight=WEIGHTS[:16])
    score = score if loss in ("squared_error", "poisson") else -value
    epoch = np.argmax(reg.validation_scores_) if early_stopping else -1
    assert reg.validation_loss_curve_[epoch] == pytest.approx(value, rel=1e-9)
    assert reg.validation_scores_[epoch] == pytest.approx(score, rel=1e-9)
    if early_stopping:
        assert reg.best_validation_score_ == max(reg.validation_scores_)
    assert not hasattr(reg, "accuracy_curve_")


@pytest.mark.parametrize(("loss", "quantile"), [("absolute_error", 0.5), ("quantile", 0.8)])
def test_a_linear_quantile_is_that_of_quantile_regressor(loss, quantile):
    X, y = make_problem()
    y = y + X[:, 0] * np.random.default_rng(2).exponential(size=len(X))
    theirs = QuantileRegressor(quantile=quantile, alpha=0).fit(X, y)
    reg = LowLevelMLPRegressor(
        loss, (), quantile=quantile, alpha=0, max_iter=2000, n_iter_no_change=2000, batch_size=25,
        solver="sgd", learning_rate="invscaling", learning_rate_init=0.5, random_state=0,
    ).fit(X, y)  # fmt: skip

    ours, best = (mean_pinball_loss(y, m.predict(X), alpha=quantile) for m in (reg, theirs))
    assert best <= ours < 1.002 * best
    np.testing.assert_allclose(reg.coefs_[0][:, 0], theirs.coef_, atol=0.05)


def test_a_linear_model_by_the_huber_loss_is_where_scipy_finds_the_minimum():
    X, y = make_problem()
    y = y + np.random.default_rng(2).standard_cauchy(len(X))

    def loss(parameters):
        return huber(0.5, y - X @ parameters[1:] - parameters[0]).mean()

    theirs = minimize(loss, np.zeros(5), tol=1e-12)
    reg = LowLevelMLPRegressor(
        "huber", (), delta=0.5, alpha=0, solver="lbfgs", tol=1e-9, max_iter=1000, random_state=0
    ).fit(X, y)

    assert reg.loss_ == pytest.approx(theirs.fun, rel=1e-9)
    np.testing.assert_allclose([*reg.intercepts_[0], *reg.coefs_[0][:, 0]], theirs.x, atol=1e-3)


def test_quantiles_share_one_program(compiles):
    def fitted(quantile):
        return LowLevelMLPRegressor("quantile", **SHAPE, max_iter=200, quantile=quantile).fit(X, Y)

    shares = [(Y <= fitted(0.2).predict(X)).mean()]
    compiles()
    shares += [(Y <= fitted(quantile).predict(X)).mean() for quantile in (0.5, 0.9)]

    assert compiles() == 0
    np.testing.assert_allclose(shares, [0.2, 0.5, 0.9], atol=0.1)


def test_what_set_params_changes_counts_from_the_next_fit_on():
    reg = LowLevelMLPRegressor(**SHAPE, activation="tanh", solver="lbfgs", max_iter=5).fit(X, Y)
    before = reg.predict(X)

    reg.set_params(loss="poisson")

    np.testing.assert_array_equal(reg.predict(X), before)
    assert (reg.fit(X, np.abs(Y)).predict(X) > 0).all()


# --- the ways through the library that it shares with the classifier ---------------------------------


@pytest.mark.parametrize("kind", [int, "float32", object, bool, ">f8"])
def test_numbers_of_any_kind_are_understood(kind):
    y = np.round(3 * Y).astype(kind)
    reg = LowLevelMLPRegressor(**SHAPE, max_iter=3).fit(X, y)

    same = clone(reg).fit(X, y.astype(float))
    assert reg.loss_curve_ == same.loss_curve_
    assert reg.predict(X).dtype == np.float64


def test_a_column_and_max_iter_warn_where_fit_is_called():
    with pytest.warns((DataConversionWarning, ConvergenceWarning)) as caught:
        reg = LowLevelMLPRegressor(**SHAPE, max_iter=3).fit(X, Y[:, None])
    assert [w.category for w in caught] == [DataConversionWarning, ConvergenceWarning]
    assert "column-vector y" in str(caught[0].message)
    assert {w.filename for w in caught} == {__file__}
    assert reg.predict(X).shape == (120,)


# --- bad input ---------------------------------------------------------------------------------------

BAD_INPUT = {
    "NaN in y": ({}, X, np.where(Y > 1, np.nan, Y), "Input y contains NaN"),
    "None in y": ({}, X, np.where(Y > 1, None, Y), "Input y contains NaN"),
    "None in a column of y": ({}, X, np.where(TWO > 1, None, TWO), "Input y contains NaN"),
    "text": ({}, X, Y.astype(str), "y must be numeric, got dtype <U"),
    "text objects": ({}, X, np.array(["a"] * 120, object), "y must be numeric: could not convert"),
    "complex": ({}, X, Y + 1j, "Complex data not supported"),
    "sparse": ({}, X, sp.csr_array(TWO), r"y must be dense.*y\.toarray"),
    "too few": ({}, X, Y[:-1], "inconsistent numbers of samples"),
    "negative": ({"loss": "poisson"}, X, Y, "out of the valid range of loss='poisson'.* got -"),
    "an unknown loss": ({"loss": "log_loss"}, X, Y, "The 'loss' parameter"),
    "widths as a loss": ({"loss": (32,)}, X, Y, "pass hidden_layer_sizes by keyword.*Got \\(32,\\)"),
    "a quantile of 1": ({"loss": "quantile", "quantile": 1.0}, X, Y, "The 'quantile' parameter"),
    "a delta of 0": ({"loss": "huber", "delta": 0}, X, Y, "The 'delta' parameter"),
    "a quantile in percent": ({"loss": "quantile", "quantile": 90}, X, Y, "The 'quantile' parameter"),
}


@pytest.mark.parametrize(("parameters", "X", "y", "message"), BAD_INPUT.values(), ids=BAD_INPUT)
def test_bad_input_is_told(parameters, X, y, message):
    with pytest.raises(TypeError if sp.issparse(y) else ValueError, match=message):
        LowLevelMLPRegressor(**parameters).fit(X, y)


def test_validation_targets_are_checked_too():
    positive = np.abs(Y)
    with pytest.raises(ValueError, match="y_val are out of the valid range"):
        LowLevelMLPRegressor("poisson").fit(X, positive, X_val=X, y_val=-positive)
    with pytest.raises(ValueError, match="Input y_val contains NaN"):
        LowLevelMLPRegressor().fit(X, Y, X_val=X, y_val=np.where(Y > 1, None, Y))
    with pytest.raises(ValueError, match="y_val must have the columns of y"):
        LowLevelMLPRegressor().fit(X, Y, X_val=X, y_val=TWO)


def test_training_does_not_go_on_with_other_outputs():
    reg = LowLevelMLPRegressor(**SHAPE, max_iter=3).fit(X, Y)
    with pytest.raises(
        ValueError, match="y has 2 outputs, but training continues from a network with 1"
    ):
        reg.partial_fit(X, TWO)


@pytest.mark.parametrize("y", [Y, TWO], ids=["one column", "two columns"])
def test_a_classifier_that_is_given_numbers_names_the_regressor(y):
    message = "^Unknown label type: continuous.*LowLevelMLPRegressor"
    with pytest.raises(ValueError, match=message):
        LowLevelMLPClassifier().fit(X, y)
    with pytest.raises(ValueError, match=message):
        LowLevelMLPClassifier().partial_fit(X, y, classes=[0, 1])
