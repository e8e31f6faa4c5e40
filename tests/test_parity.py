"""LowLevelMLPClassifier against MLPClassifier: the same model from the same data and random state.

Training amplifies rounding, so equal means within 1e-9, or within 100 times what MLPClassifier itself
changes when X changes by one unit in the last place. Nearly all fits here share one shape, of at most
1024 samples, 4 features, widths (5..8, 3..4) and batches of 25 to 32, and one of the few structures of
the grid, so that little is compiled.
"""

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.special import log_expit, log_softmax
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor

from helpers import (
    CLASSIFIERS,
    PROBLEMS,
    assert_close,
    assert_identical,
    assert_same_model,
    covering_rows,
    make_problem,
    one_ulp_away,
    parameters_of_both,
)
from skdense import LowLevelMLPClassifier

pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer")

SHAPE = {"hidden_layer_sizes": (7, 4), "batch_size": 25, "random_state": 0}

oracles, assert_parity = CLASSIFIERS.oracles, CLASSIFIERS.check


# --- the grid of settings, every pair of them together somewhere -------------------------------------

FACTORS = {
    "problem": PROBLEMS,
    "activation": ("identity", "logistic", "tanh", "relu"),
    "optimizer": ("adam", "plain", "momentum", "nesterov"),
    "learning_rate": ("constant", "invscaling", "adaptive"),
    "shuffle": (True, False),
    "early_stopping": (False, True),
    "weighted": (False, True),
    "short_last_batch": (False, True),
}
OPTIMIZERS = {
    "adam": {"solver": "adam"},
    "plain": {"solver": "sgd", "momentum": 0},
    "momentum": {"solver": "sgd", "momentum": 0.8, "nesterovs_momentum": False},
    "nesterov": {"solver": "sgd", "momentum": 0.8, "nesterovs_momentum": True},
}


# Of each problem and activation one program: its solver, and whether it stops early.
STRUCTURES = {
    ("binary", "relu"): ("adam", False),
    ("binary", "logistic"): ("adam", True),
    ("binary", "identity"): ("sgd", False),
    ("binary", "tanh"): ("sgd", True),
    ("three classes", "tanh"): ("adam", False),
    ("three classes", "identity"): ("adam", True),
    ("three classes", "logistic"): ("sgd", False),
    ("three classes", "relu"): ("sgd", True),
    ("multilabel", "identity"): ("adam", False),
    ("multilabel", "tanh"): ("adam", True),
    ("multilabel", "relu"): ("sgd", False),
    ("multilabel", "logistic"): ("sgd", True),
}


def program_of(row):
    problem, activation, optimizer, _, _, early_stopping, *_ = row
    return (problem, activation), (OPTIMIZERS[optimizer]["solver"], early_stopping)


GRID = [*covering_rows(FACTORS, is_allowed=lambda row: program_of(row) in STRUCTURES.items())]


def structure(problem, solver="adam", early_stopping=False):
    """These parameters, with the activation for which the grid has compiled the program."""
    (activation,) = (
        activation
        for (its_problem, activation), its in STRUCTURES.items()
        if its_problem == problem and its == (solver, early_stopping)
    )
    return {"activation": activation, "solver": solver, "early_stopping": early_stopping}


def problem_and_parameters(row):
    """X, y, sample weights or None, and parameters for both estimators."""
    X, y = make_problem(row["problem"])
    weights = np.random.default_rng(1).uniform(0.2, 3, len(X)) if row["weighted"] else None
    n_train = 108 if row["early_stopping"] else 120
    parameters = {
        "hidden_layer_sizes": (7, 4), "alpha": 0.01, "tol": 5e-3, "n_iter_no_change": 3, "max_iter": 50,
        "power_t": 0.3, "learning_rate_init": 0.02 if row["optimizer"] == "adam" else 0.1,
        "batch_size": 25 if row["short_last_batch"] else n_train // 4,
    }  # fmt: skip
    parameters |= OPTIMIZERS[row["optimizer"]]
    for name in ("activation", "learning_rate", "shuffle", "early_stopping"):
        parameters[name] = row[name]
    return X, y, weights, parameters


@pytest.mark.parametrize("row", GRID, ids=lambda row: "-".join(map(str, row.values())))
def test_the_same_model_as_mlp_classifier(row):
    X, y, weights, parameters = problem_and_parameters(row)

    assert_parity(X, y, weights, **parameters)


settings_of_both = parameters_of_both(
    0.2,
    beta_1=st.floats(0, 0.99),
    beta_2=st.floats(0, 0.9999),
    epsilon=st.floats(1e-10, 0.1),
    power_t=st.floats(0, 2),
)


@settings(max_examples=15)
@given(st.sampled_from(GRID), settings_of_both, st.booleans())
def test_the_same_model_whatever_the_settings(row, drawn, weighted):
    X, y, weights, parameters = problem_and_parameters(row | {"weighted": weighted})
    parameters |= drawn
    theirs, nearby = fitted = oracles(X, y, weights, **parameters)
    # Where a last bit of X changes MLPClassifier visibly, it is no oracle.
    assume(theirs.n_iter_ == nearby.n_iter_)
    assume(np.allclose(theirs.predict_proba(X), nearby.predict_proba(X), rtol=0, atol=1e-6))

    assert_parity(X, y, weights, fitted=fitted, **parameters)


WIDE = {"hidden_layer_sizes": (128, 8, 256, 64), "batch_size": 40, "max_iter": 4}
"""Kernels that are updated by themselves, and in between and after them some that are not."""


@pytest.mark.parametrize(
    ("problem", "n_copies", "parameters"),
    [
        ("three classes", 1, {"hidden_layer_sizes": (), "max_iter": 30, "batch_size": 25}),
        ("three classes", 32, WIDE | {"early_stopping": True}),
        ("binary", 1, {}),
    ],
    ids=["linear", "wide", "default"],
)
def test_the_same_model_of_other_sizes(problem, n_copies, parameters):
    X, y = make_problem(problem)

    assert_parity(np.repeat(X, n_copies, axis=1), y, **parameters)


def test_the_same_losses_where_probabilities_saturate():
    X, y = make_problem("binary")
    parameters = SHAPE | {"activation": "identity", "solver": "sgd", "momentum": 0.0, "max_iter": 5}
    far = 100 * X  # the first logits are far beyond 36, where a probability rounds to 0 or 1
    ours, theirs, nearby = (
        estimator(**parameters).fit(its_X, y)
        for estimator, its_X in zip(
            (LowLevelMLPClassifier, MLPClassifier, MLPClassifier), (far, far, one_ulp_away(far))
        )
    )

    assert (theirs.predict_proba(far) == 0).any()
    assert_same_model(ours, theirs, nearby, far)


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_float32_x_gives_the_same_first_epochs(solver):
    X, y = make_problem("binary")
    X = X.astype(np.float32)
    parameters = SHAPE | {"solver": solver, "max_iter": 5}

    ours = LowLevelMLPClassifier(**parameters).fit(X, y)
    theirs = MLPClassifier(**parameters).fit(X, y)
    nearby = MLPClassifier(**parameters).fit(one_ulp_away(X), y)

    assert_same_model(ours, theirs, nearby, X, floor=100 * np.finfo(np.float32).eps)
    assert ours.predict_proba(X).dtype == np.float32


def test_the_global_random_state_seeds_as_there():
    X, y = make_problem("binary")
    models, next_draws = [], []
    for estimator, its_X in (
        (LowLevelMLPClassifier, X),
        (MLPClassifier, X),
        (MLPClassifier, one_ulp_away(X)),
    ):
        np.random.seed(3)  # noqa: NPY002
        models.append(estimator((7, 4), max_iter=4, batch_size=25).fit(its_X, y))
        next_draws.append(np.random.uniform())  # noqa: NPY002

    assert_same_model(*models, X)
    assert next_draws[0] == next_draws[1]


@pytest.mark.parametrize("epsilon", [5e-324, 1e-300])
def test_an_epsilon_near_zero_is_no_zero(epsilon):
    """The first kernel's first row has no gradient, so that only epsilon is below its fraction."""
    X, y = make_problem("binary")
    X[:, 0] = 0
    assert_parity(X, y, **SHAPE, max_iter=5, epsilon=epsilon, alpha=0)


def test_an_epsilon_that_float32_rounds_to_zero_is_its_smallest_normal_number():
    X, y = make_problem("binary")
    X = X.astype("float32")
    X[:, 0] = 0
    fits = [
        LowLevelMLPClassifier(**SHAPE, max_iter=5, epsilon=epsilon, alpha=0).fit(X, y)
        for epsilon in (1e-320, 1e-40, float(np.finfo("float32").tiny))
    ]
    assert np.isfinite(fits[0].loss_)
    assert fits[0].loss_curve_ == fits[1].loss_curve_ == fits[2].loss_curve_


# --- what a user reads ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "parameters",
    [
        {"max_iter": 5},
        {"tol": 0.05, "n_iter_no_change": 2},
        structure("binary", "adam", True) | {"n_iter_no_change": 3, "tol": 0.01},
        {"solver": "sgd", "learning_rate": "adaptive", "tol": 0.1, "n_iter_no_change": 1},
        structure("binary", "sgd", True)
        | {"learning_rate": "adaptive", "tol": 0.1, "n_iter_no_change": 2},
    ],
    ids=["max_iter", "converged", "early-stopping", "adaptive", "adaptive-early-stopping"],
)
def test_verbose_prints_the_same_lines(parameters, capsys):
    X, y = make_problem("binary")
    printed = []
    for estimator in (LowLevelMLPClassifier, MLPClassifier):
        estimator(**SHAPE, verbose=True, learning_rate_init=0.01, **parameters).fit(X, y)
        printed.append(capsys.readouterr())

    assert printed[0].out == printed[1].out
    assert printed[0].err == printed[1].err == ""
    assert len(printed[0].out.splitlines()) >= 5


@pytest.mark.parametrize(
    ("parameters", "categories"),
    [
        ({"max_iter": 3}, [ConvergenceWarning]),
        ({"max_iter": 3, "batch_size": 1000}, [UserWarning, ConvergenceWarning]),
        ({"max_iter": 1000, "tol": 0.1, "n_iter_no_change": 1}, []),
    ],
    ids=["max_iter", "batch_size", "converged"],
)
def test_the_same_warnings(parameters, categories):
    X, y = make_problem("binary", n_samples=30)
    caught = []
    for estimator in (LowLevelMLPClassifier, MLPClassifier):
        with warnings.catch_warnings(record=True) as caught_here:
            warnings.simplefilter("always")
            estimator(**SHAPE | parameters).fit(X, y)
        caught.append([(each.category, str(each.message)) for each in caught_here])
        assert all(each.filename == __file__ for each in caught_here) or estimator is MLPClassifier

    for (category, text), (expected, start) in zip(*caught, strict=True):
        assert category is expected
        assert text.startswith(start)  # ours goes on with what to try
    assert [category for category, _ in caught[0]] == categories


# --- parameters, labels and dtypes ------------------------------------------------------------------


def test_the_signature_begins_with_that_of_mlp_classifier():
    theirs, ours = MLPClassifier().get_params(), LowLevelMLPClassifier().get_params()
    assert {name: ours[name] for name in theirs} == theirs
    assert set(ours) - set(theirs) == {
        "dtype", "loss", "init", "class_weight", "n_init", "dropout", "weight_decay", "warmup_epochs",
        "label_smoothing", "max_grad_norm", "scoring",
    }  # fmt: skip
    with pytest.raises(TypeError, match="positional argument"):
        LowLevelMLPClassifier((3,), "relu", "adam")


def fitted_pair(X, y):
    return [model(**SHAPE, max_iter=5).fit(X, y) for model in (LowLevelMLPClassifier, MLPClassifier)]


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["cold", "hot"]),
        np.array(["cold", "hot"], dtype=object),
        np.array([2, 7], dtype=np.int8),
        np.array([False, True]),
        np.array([0.0, 1.0]),
        np.array([1, 0]) - 1,
        np.array(["setosa", "versicolor", "virginica"]),
        np.array([-5, 10, 300]),
    ],
    ids=["str", "object", "int8", "bool", "float", "unsorted", "three str", "three"],
)
def test_what_classes_are_called_changes_nothing_but_the_names(labels):
    X, y = make_problem("binary" if len(labels) == 2 else "three classes")
    codes = np.unique(y, return_inverse=True)[1]
    ours, theirs = fitted_pair(X, labels[codes])
    plain, _ = fitted_pair(X, np.argsort(np.argsort(labels))[codes])
    assert_identical(ours, plain)
    np.testing.assert_array_equal(ours.classes_, np.sort(labels))
    assert ours.classes_.dtype == theirs.classes_.dtype
    assert ours.predict(X).dtype == theirs.predict(X).dtype
    np.testing.assert_array_equal(ours.predict(X), np.sort(labels)[plain.predict(X)])


def test_labels_may_come_as_list_series_or_column():
    X, y = make_problem("three classes")
    plain, _ = fitted_pair(X, y)
    assert_identical(fitted_pair(X.tolist(), y.tolist())[0], plain)
    assert_identical(fitted_pair(pd.DataFrame(X), pd.Series(y))[0], plain)
    assert_identical(fitted_pair(X, pd.Series(y.astype(str)).astype("category"))[0], plain)
    with pytest.warns(DataConversionWarning, match="column-vector"):
        assert_identical(fitted_pair(X, y[:, None])[0], plain)


@pytest.mark.parametrize("given", [np.int64, np.float16, np.uint8, bool, np.longdouble])
def test_everything_else_becomes_float64(given):
    X, y = make_problem()
    X = np.abs(X).astype(given)
    ours, theirs = fitted_pair(X, y)
    assert ours.coefs_[0].dtype == theirs.coefs_[0].dtype == np.float64
    assert ours.predict_proba(X).dtype == np.float64


@pytest.mark.parametrize(("first", "then"), [("float32", float), (float, "float32")])
def test_training_goes_on_in_the_dtype_it_began_with_as_there(first, then):
    X, y = make_problem()
    for model in fitted_pair(X.astype(first), y):
        assert model.partial_fit(X.astype(then), y).coefs_[0].dtype == np.dtype(first)


@pytest.mark.filterwarnings("ignore:lbfgs failed to converge")
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("dtype", [np.float16, np.longdouble, int])
@pytest.mark.parametrize("dtype_of_x", ["float32", "float64"])
def test_weights_that_were_set_by_hand_in_another_dtype_continue_in_that_of_x(
    dtype, dtype_of_x, solver
):
    X, y = make_problem()
    X = X.astype(dtype_of_x)
    other, same = (
        LowLevelMLPClassifier((7, 4), max_iter=3, random_state=0, warm_start=True).fit(X, y)
        for _ in range(2)
    )
    for model, last in ((other, dtype), (same, dtype_of_x)):
        model.coefs_ = [(3 * kernel).astype(dtype).astype(last) for kernel in model.coefs_]
        model.intercepts_ = [(3 * bias).astype(dtype).astype(last) for bias in model.intercepts_]
        model.set_params(solver=solver).fit(X, y)
        if solver == "adam":
            model.partial_fit(X, y)
    for array, expected in zip(other.coefs_, same.coefs_, strict=True):
        assert array.dtype == expected.dtype
        np.testing.assert_array_equal(array, expected)


# --- squared error ----------------------------------------------------------------------------------


def test_squared_error_is_twice_the_half_that_mlp_regressor_minimizes():
    X, y = make_problem("binary")
    target = (y == "yes").astype(float)
    shared = {
        "hidden_layer_sizes": (7, 4), "activation": "logistic", "solver": "sgd", "batch_size": 25,
        "max_iter": 15, "tol": 0, "n_iter_no_change": np.inf, "random_state": 0,
    }  # fmt: skip

    ours = LowLevelMLPClassifier(
        loss="squared_error", learning_rate_init=0.01, alpha=0.2, **shared
    ).fit(X, y)
    theirs, nearby = (
        MLPRegressor(learning_rate_init=0.02, alpha=0.1, **shared).fit(its_X, target)
        for its_X in (X, one_ulp_away(X))
    )

    assert_close(ours.loss_curve_, *(2 * np.array(m.loss_curve_) for m in (theirs, nearby)))
    for coef, *others in zip(ours.coefs_, theirs.coefs_, nearby.coefs_, strict=True):
        assert_close(coef, *others)
    raw = theirs.predict(X)
    eps = np.finfo(float).eps
    np.testing.assert_allclose(ours.predict_proba(X)[:, 1], np.clip(raw, eps, 1 - eps), atol=1e-9)
    np.testing.assert_array_equal(ours.predict(X) == "yes", raw > 0.5)


# --- where ours is different on purpose --------------------------------------------------------------


@pytest.mark.parametrize("problem", PROBLEMS)
def test_log_probabilities_are_finite_where_a_probability_rounds_to_zero(problem):
    X, y = make_problem(problem)
    solver, early_stopping = STRUCTURES[problem, "relu"]
    ours, theirs = (
        estimator(**SHAPE, solver=solver, early_stopping=early_stopping, max_iter=5).fit(X, y)
        for estimator in (LowLevelMLPClassifier, MLPClassifier)
    )
    np.testing.assert_allclose(ours.predict_log_proba(X), theirs.predict_log_proba(X), atol=1e-9)

    for model in (ours, theirs):
        model.coefs_[-1] *= 1e5
    log_probabilities = ours.predict_log_proba(X)

    with np.errstate(divide="ignore"):
        assert np.isneginf(theirs.predict_log_proba(X)).any()
    assert np.isfinite(log_probabilities).all()
    hidden = X
    for coef, intercept in zip(ours.coefs_[:-1], ours.intercepts_[:-1]):
        hidden = np.maximum(hidden @ coef + intercept, 0)
    logits = hidden @ ours.coefs_[-1] + ours.intercepts_[-1]
    expected = {
        "binary": log_expit(np.hstack([-logits, logits])),
        "three classes": log_softmax(logits, axis=1),
        "multilabel": log_expit(logits),
    }[problem]
    np.testing.assert_allclose(log_probabilities, expected, rtol=1e-9, atol=1e-15)


def test_an_early_stopped_fit_that_diverges_keeps_its_finite_best_weights():
    X, y = make_problem("three classes")
    # The penalty of so large an alpha makes the weights grow with every step, till they overflow.
    parameters = SHAPE | {
        "solver": "sgd", "activation": "relu", "early_stopping": True, "alpha": 6.25e4,
        "learning_rate_init": 1e-3, "momentum": 0, "max_iter": 8, "n_iter_no_change": np.inf,
    }  # fmt: skip
    ours = LowLevelMLPClassifier(**parameters).fit(X, y)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = MLPClassifier(**parameters).fit(X, y)

    assert np.isnan(ours.loss_)
    assert ours.best_validation_score_ == theirs.best_validation_score_
    for coef, expected in zip(ours.coefs_, theirs.coefs_, strict=True):
        assert np.isfinite(coef).all()
        np.testing.assert_allclose(coef, expected, rtol=1e-9)
