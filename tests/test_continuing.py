"""Trainings that go on, by partial_fit and warm starts: the same models as MLPClassifier's.

Equal means what it does in test_parity.py, and nearly all fits share a shape here, too.
"""

import pickle
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.neural_network import MLPClassifier

from helpers import CLASSIFIERS, PROBLEMS, assert_same_model, make_problem
from skdense import LowLevelMLPClassifier, LowLevelMLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer")

SHAPE = {"hidden_layer_sizes": (7, 4), "batch_size": 25, "random_state": 0}

# --- partial_fit -------------------------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize(
    ("solver", "parameters"),
    [("adam", {}), ("sgd", {"learning_rate": "adaptive", "n_iter_no_change": 1, "tol": 0.1})],
    ids=["adam", "sgd"],
)
def test_the_same_model_from_a_sequence_of_partial_fits(problem, solver, parameters, weighted):
    X, y = make_problem(problem)
    weights = np.random.default_rng(0).uniform(0.2, 2, len(X)) if weighted else None
    models, Xs = CLASSIFIERS.all_three(X, **SHAPE, solver=solver, **parameters)
    classes = None if problem == "multilabel" else np.unique(y)

    for call, rows in enumerate([slice(0, 70), slice(50, 120), slice(20, 115), slice(0, 120)] * 3):
        for model, its_X in zip(models, Xs):
            model.partial_fit(
                its_X[rows],
                y[rows],
                sample_weight=None if weights is None else weights[rows],
                classes=np.arange(3) if classes is None and call == 0 else classes,
            )
        assert_same_model(*models, X)


OTHER_SETTINGS = {
    "solver": ("adam", "sgd"),
    "learning_rate": ("constant", "invscaling", "adaptive"),
    "learning_rate_init": (0.001, 0.01, 0.05),
    "power_t": (0.3, 0.7),
    "momentum": (0.0, 0.5, 0.9),
    "nesterovs_momentum": (True, False),
    "beta_1": (0.5, 0.9),
    "beta_2": (0.9, 0.999),
    "epsilon": (1e-8, 1e-2),
    "alpha": (1e-4, 1.0),
    "batch_size": (30, 25),
    "shuffle": (True, False),
    "tol": (1e-4, 0.5),
    "n_iter_no_change": (1, 10),
    "random_state": (0, 1),
    "warm_start": (False, True),
}


@settings(max_examples=25)
@given(st.data())
def test_any_sequence_of_set_params_fits_and_partial_fits(data):
    """The optimizer keeps the settings it was made with until a fit makes another."""
    X, y = make_problem("binary")
    models, Xs = CLASSIFIERS.all_three(X, **SHAPE, max_iter=3)

    for _ in range(data.draw(st.integers(2, 5))):
        names = data.draw(st.sets(st.sampled_from(list(OTHER_SETTINGS)), max_size=5))
        changed = {name: data.draw(st.sampled_from(OTHER_SETTINGS[name])) for name in sorted(names)}
        method = data.draw(st.sampled_from(["partial_fit", "partial_fit", "fit"]))
        for model, its_X in zip(models, Xs):
            model.set_params(**changed)
            # Where a fit has exhausted the patience, ours has new one on a warm start, by choice.
            model._no_improvement_count = 0
            arguments = {"classes": ["no", "yes"]} if method == "partial_fit" else {}
            getattr(model, method)(its_X, y, **arguments)
        assert_same_model(*models, X)


@pytest.mark.filterwarnings("ignore:lbfgs failed to converge")
def test_the_optimizer_that_lbfgs_left_out_is_made_anew():
    X, y = make_problem("binary")
    model = LowLevelMLPClassifier(**SHAPE, max_iter=3, learning_rate_init=0.1).fit(X, y)
    model.set_params(solver="lbfgs").fit(X, y)
    new = LowLevelMLPClassifier(**SHAPE, warm_start=True, solver="lbfgs", max_iter=3).fit(X, y)

    model.set_params(solver="adam", learning_rate_init=0.01).partial_fit(X, y)
    new.set_params(solver="adam", learning_rate_init=0.01, max_iter=1).fit(X, y)

    np.testing.assert_array_equal(model.coefs_[0], new.coefs_[0])


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_partial_fit_is_refused_after_units_were_removed_and_a_warm_start_continues_as_there(solver):
    X, y = make_problem("binary")
    models, Xs = CLASSIFIERS.all_three(X, **SHAPE, solver=solver, learning_rate_init=0.05, max_iter=5)
    kept = [1, 4, 6]
    for model, model_X in zip(models, Xs):
        model.fit(model_X, y)
        model.coefs_ = [model.coefs_[0][:, kept], model.coefs_[1][kept], model.coefs_[2]]
        model.intercepts_ = [model.intercepts_[0][kept], *model.intercepts_[1:]]
        model.set_params(hidden_layer_sizes=(3, 4))
        before = pickle.dumps(vars(model))
        message = "arrays of other shapes" if model is models[0] else "could not be broadcast"
        with pytest.raises(ValueError, match=message):
            model.partial_fit(model_X, y)
        if model is models[0]:
            assert pickle.dumps(vars(model)) == before
        model.set_params(warm_start=True).fit(model_X, y)
        model.partial_fit(model_X, y)

    assert_same_model(*models, X)


def test_units_that_were_removed_from_one_layer_only_are_an_error():
    X, y = make_problem("binary")
    model = LowLevelMLPClassifier(**SHAPE, max_iter=3).fit(X, y)
    model.coefs_[0], model.intercepts_[0] = model.coefs_[0][:, 1:], model.intercepts_[0][1:]
    model.set_params(hidden_layer_sizes=(6, 4), warm_start=True)
    for method in (model.fit, model.partial_fit):
        with pytest.raises(ValueError, match=r"coefs_ must have the shapes .*\(6, 4\).*\(7, 4\)"):
            method(X, y)


def test_verbose_prints_the_same_line_for_partial_fit_which_does_not_warn(capsys):
    X, y = make_problem("binary")
    printed = []
    for estimator in (LowLevelMLPClassifier, MLPClassifier):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            model = estimator(**SHAPE, verbose=True, max_iter=1)
            model.partial_fit(X, y, classes=["no", "yes"]).partial_fit(X, y)
        printed.append(capsys.readouterr().out)

    assert printed[0] == printed[1]


def test_partial_fit_goes_on_after_an_early_stopped_fit():
    X, y = make_problem("binary")
    ours, theirs = (
        estimator(**SHAPE, early_stopping=True, max_iter=5).fit(X, y).set_params(early_stopping=False)
        for estimator in (LowLevelMLPClassifier, MLPClassifier)
    )
    before = [coef.copy() for coef in ours.coefs_]

    with pytest.raises(TypeError):
        theirs.partial_fit(X, y)
    ours.partial_fit(X, y)

    assert ours.n_iter_ == 1
    assert ours.best_loss_ == ours.loss_
    assert all((old != new).any() for old, new in zip(before, ours.coefs_))


def test_partial_fit_goes_on_with_the_schedule_whatever_the_sizes_of_its_calls():
    """All features are 0 and all targets 1, so a step multiplies the error by 1 minus its rate."""
    warmup, max_iter, rate = 1.5, 8, 0.1
    model = LowLevelMLPRegressor(
        hidden_layer_sizes=(), solver="sgd", momentum=0, alpha=0, batch_size=25, max_iter=max_iter,
        learning_rate="cosine", learning_rate_init=rate, warmup_epochs=warmup, random_state=0,
    )  # fmt: skip
    errors, expected = [], []
    for epoch, n_steps in enumerate((4, 2, 5, 5, 1, 3)):
        n_samples = 25 * n_steps - (n_steps > 1)
        model.partial_fit(np.zeros((n_samples, 4)), np.ones(n_samples))
        errors.append(1 - model.intercepts_[0][0])

        done = epoch + np.arange(n_steps) / n_steps  # in epochs
        rising = np.minimum(1, (done + 1 / n_steps) / warmup)
        cosine = (1 + np.cos(np.pi * (done - warmup) / (max_iter - warmup))) / 2
        expected.append(np.prod(1 - rate * np.where(done < warmup, rising, cosine)))

    # The bias is drawn in the first call.
    np.testing.assert_allclose(np.divide(errors[1:], errors[:-1]), expected[1:], rtol=1e-9)


# --- warm_start --------------------------------------------------------------------------------------


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_the_same_model_from_a_sequence_of_warm_starts(solver, early_stopping):
    X, y = make_problem("binary")
    models, Xs = CLASSIFIERS.all_three(
        X, **SHAPE, solver=solver, early_stopping=early_stopping, warm_start=True,
        n_iter_no_change=np.inf, learning_rate="invscaling",
    )  # fmt: skip

    n_epochs = 0
    for rate, max_iter in ((0.01, 6), (0.1, 7), (0.001, 5)):
        for model, its_X in zip(models, Xs):
            if hasattr(model, "coefs_"):
                # After early stopping MLPClassifier would train its best weights in place.
                model.coefs_ = [coef.copy() for coef in model.coefs_]
                model.intercepts_ = [intercept.copy() for intercept in model.intercepts_]
            model.set_params(learning_rate_init=rate, max_iter=max_iter).fit(its_X, y)
        n_epochs += max_iter
        assert_same_model(*models, X)
        assert len(models[0].loss_curve_) == n_epochs
        assert models[0].n_iter_ == max_iter


def test_a_warm_start_after_convergence_trains_again():
    X, y = make_problem("binary")
    parameters = SHAPE | {"warm_start": True, "tol": 0.1, "n_iter_no_change": 2, "max_iter": 100}
    ours, theirs = LowLevelMLPClassifier(**parameters), MLPClassifier(**parameters)

    for model in (ours, theirs):
        model.fit(X, y)
        assert model.n_iter_ < 100
        model.fit(X, y)

    assert theirs.n_iter_ == 1
    assert ours.n_iter_ > 2  # its patience


@pytest.mark.parametrize("patience", [2, 10])
def test_a_warm_start_goes_on_with_a_patience_of_which_nothing_is_left(patience):
    """Two epochs without improvement are all that the warm start allows, so one more ends it."""
    X, y = make_problem("binary")
    models, Xs = CLASSIFIERS.all_three(
        X, **SHAPE, warm_start=True, tol=10, n_iter_no_change=patience, max_iter=3
    )

    for model, its_X in zip(models, Xs):
        model.fit(its_X, y)
        assert model.n_iter_ == 3
        model.set_params(n_iter_no_change=2).fit(its_X, y)

    assert models[0].n_iter_ == models[1].n_iter_ == 1
    assert_same_model(*models, X)


def test_a_warm_start_without_an_improvement_keeps_the_best_weights():
    X, y = make_problem("binary")
    parameters = SHAPE | {"early_stopping": True, "warm_start": True, "max_iter": 30}
    models = LowLevelMLPClassifier(**parameters), MLPClassifier(**parameters)

    kept = []
    for model in models:
        model.fit(X, y)
        best, score = [coef.copy() for coef in model.coefs_], model.best_validation_score_
        # The rate is so large that the network gets only worse.
        model.set_params(learning_rate_init=100.0, max_iter=5).fit(X, y)
        assert model.best_validation_score_ == score
        kept.append(all(np.array_equal(*pair) for pair in zip(best, model.coefs_)))

    assert kept == [True, False]


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("Model", [LowLevelMLPClassifier, LowLevelMLPRegressor])
def test_a_warm_start_may_begin_with_weights_that_were_set_by_hand(Model, solver):
    X, y = make_problem("binary")
    y = y if Model is LowLevelMLPClassifier else (y == y[0]) * 1.0
    fitted = Model(**SHAPE | {"solver": solver}, max_iter=3, warm_start=True).fit(X, y)
    by_hand = clone(fitted)
    by_hand.coefs_, by_hand.intercepts_ = fitted.coefs_, fitted.intercepts_
    by_hand.fit(X, y)
    for array, same in zip(by_hand.coefs_, fitted.fit(X, y).coefs_, strict=True):
        np.testing.assert_allclose(array, same, rtol=1e-9)
