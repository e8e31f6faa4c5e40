"""Your own validation set: `fit(X, y, X_val=, y_val=, sample_weight_val=)`.

Without early stopping it only records; with it, it replaces the split. What is recorded is what
scikit-learn's metrics say of the network after each epoch. Nearly all fits share one shape, of 4
features, widths (7, 4), batches of 25 and 9 to 16 rows to validate on.
"""

import numpy as np
import pandas as pd
import pytest
import sklearn
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score, log_loss, make_scorer, r2_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_class_weight

from helpers import PROBLEMS, SETTINGS, assert_same_model, drawn_parameters, make_problem
from skdense import LowLevelMLPClassifier, LowLevelMLPRegressor, fit_many
from skdense.core.host.planning import plan_buckets
from skdense.core.host.train import train
from skdense.ensemble import CrossFitClassifier, CrossFitRegressor
from skdense.fit.inputs import FitInput
from skdense.fit.prepare import prepare
from skdense.fit.results import finish
from skdense.search import PrunedSearchCV

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

SETTINGS = SETTINGS | {"max_iter": 8}


def split_problem(kind="binary", n_train=100, n_val=16, seed=0):
    """X, y, X_val and y_val."""
    X, y = make_problem(kind, n_train + n_val, seed)
    return X[:n_train], y[:n_train], X[n_train:], y[n_train:]


X, Y, X_VAL, Y_VAL = split_problem()


def fit_after(n_epochs, *data, **parameters):
    """The model that ends after `n_epochs`."""
    return LowLevelMLPClassifier(**SETTINGS | parameters | {"max_iter": n_epochs}).fit(*data)


def multilabel_log_loss(y, probabilities, sample_weight=None):
    labels = np.arange(y.shape[1])
    return sum(
        log_loss(y[:, k], probabilities[:, k], sample_weight=sample_weight, labels=[0, 1])
        for k in labels
    )


# --- what is recorded --------------------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("problem", PROBLEMS)
def test_loss_and_score_are_those_of_the_network_after_each_epoch(problem, weighted):
    """Which is trained as without a validation set."""
    X, y, X_val, y_val = split_problem(problem)
    weights_val = np.random.default_rng(1).uniform(0, 3, len(X_val)) if weighted else None

    model = LowLevelMLPClassifier(**SETTINGS | {"max_iter": 4})
    model.fit(X, y, X_val=X_val, y_val=y_val, sample_weight_val=weights_val)

    loss = multilabel_log_loss if problem == "multilabel" else log_loss
    networks = [fit_after(n_epochs, X, y) for n_epochs in (1, 2, 3, 4)]
    losses = [loss(y_val, one.predict_proba(X_val), sample_weight=weights_val) for one in networks]
    scores = [accuracy_score(y_val, one.predict(X_val), sample_weight=weights_val) for one in networks]
    np.testing.assert_allclose(model.validation_loss_curve_, losses, rtol=1e-9)
    np.testing.assert_allclose(model.validation_scores_, scores, rtol=1e-12)
    np.testing.assert_allclose(model.coefs_[0], networks[-1].coefs_[0], rtol=0, atol=1e-12)
    assert model.best_loss_ == min(model.loss_curve_)
    assert model.best_validation_score_ is None


def test_squared_error_is_recorded_where_it_is_the_loss():
    X, y, X_val, y_val = split_problem()
    model = LowLevelMLPClassifier(**SETTINGS, loss="squared_error", activation="tanh")
    model.fit(X, y, X_val=X_val, y_val=y_val)
    # Where an output is clipped to a probability, its error cannot be told from predict_proba.
    probabilities = model.predict_proba(X_val)
    inside = (probabilities > 1e-10).all(axis=1)
    assert inside.mean() > 0.3

    model.fit(X, y, X_val=X_val[inside], y_val=y_val[inside])

    measured = np.mean((probabilities[inside, 1] - (y_val[inside] == "yes")) ** 2)
    np.testing.assert_allclose(model.validation_loss_curve_[-1], measured, rtol=1e-9)


@pytest.mark.parametrize("n_val", [1, 9, 16, 2100])
def test_all_validation_rows_count_whatever_their_number(n_val):
    """Not more than 2,048 are read at a time."""
    X, y, X_val, y_val = split_problem("three classes", n_val=max(n_val, 16))
    X_val, y_val = X_val[:n_val], y_val[:n_val]
    weights_val = np.random.default_rng(1).uniform(0.1, 3, n_val)

    model = LowLevelMLPClassifier(**SETTINGS)
    model.fit(X, y, X_val=X_val, y_val=y_val, sample_weight_val=weights_val)

    probabilities = model.predict_proba(X_val)
    loss = np.average(-np.log(probabilities[np.arange(n_val), y_val]), weights=weights_val)
    score = model.score(X_val, y_val, weights_val)
    np.testing.assert_allclose(model.validation_loss_curve_[-1], loss, rtol=1e-9)
    np.testing.assert_allclose(model.validation_scores_[-1], score, rtol=1e-12)


@pytest.mark.parametrize("class_weight", [{"no": 0.5}, "balanced"])
@pytest.mark.parametrize("rows", [slice(16), Y_VAL == "yes"], ids=["both classes", "one class"])
def test_class_weight_multiplies_the_weights_of_the_validation_samples(class_weight, rows):
    """If balanced, those of the training samples count."""
    X_val, y_val = X_VAL[rows], Y_VAL[rows]
    given = np.random.default_rng(1).uniform(0, 3, len(y_val))
    model = LowLevelMLPClassifier(**SETTINGS, class_weight=class_weight)

    model.fit(X, Y, X_val=X_val, y_val=y_val, sample_weight_val=given)

    of_no, of_yes = compute_class_weight(class_weight, classes=np.array(["no", "yes"]), y=Y)
    weights = given * np.where(y_val == "no", of_no, of_yes)
    loss = log_loss(y_val, model.predict_proba(X_val), sample_weight=weights, labels=["no", "yes"])
    np.testing.assert_allclose(model.validation_loss_curve_[-1], loss, rtol=1e-9)
    score = model.score(X_val, y_val, weights)
    np.testing.assert_allclose(model.validation_scores_[-1], score, rtol=1e-12)


def test_a_warm_start_appends_to_the_curves_and_a_fit_without_a_validation_set_has_none():
    X, y, X_val, y_val = split_problem()
    model = LowLevelMLPClassifier(**SETTINGS, warm_start=True).fit(X, y, X_val=X_val, y_val=y_val)
    losses, scores = model.validation_loss_curve_, model.validation_scores_

    model.fit(X, y, X_val=X_val, y_val=y_val)

    assert len(model.validation_loss_curve_) == len(model.validation_scores_) == 16
    assert model.validation_loss_curve_[:8] == losses
    assert model.validation_scores_[:8] == scores
    model.set_params(warm_start=False).fit(X, y)
    assert model.validation_loss_curve_ is None
    assert model.validation_scores_ is None


# --- with early stopping -----------------------------------------------------------------------------


@pytest.mark.parametrize("problem", PROBLEMS)
def test_it_replaces_the_split_of_mlp_classifier(problem):
    """Given the samples that MLPClassifier sets aside, and no shuffling, ours is its model."""
    X, y, *_ = split_problem(problem)
    parameters = {**SETTINGS, "max_iter": 40, "early_stopping": True, "n_iter_no_change": 4}
    theirs = MLPClassifier(**parameters, shuffle=False, validation_fraction=0.16).fit(X, y)
    stream = np.random.RandomState(0)
    n_outputs = 1 if problem == "binary" else 3
    drawn_parameters((4, 7, 4, n_outputs), "relu", stream, np.float64)
    X_train, X_val, y_train, y_val = train_test_split(
        X, y, test_size=0.16, random_state=stream, stratify=y if problem == "binary" else None
    )

    ours = LowLevelMLPClassifier(**parameters, shuffle=False)
    ours.fit(X_train, y_train, X_val=X_val, y_val=y_val)

    assert ours.n_iter_ == theirs.n_iter_
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-9)
    np.testing.assert_allclose(ours.validation_scores_, theirs.validation_scores_, rtol=1e-12)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=0, atol=1e-9)


def test_nothing_is_drawn_for_a_split_and_the_weights_of_the_best_epoch_come_back():
    X, y, X_val, y_val = split_problem(seed=3)
    weights_val = np.random.default_rng(5).uniform(0, 3, len(X_val))
    streams = [np.random.RandomState(0) for _ in range(2)]
    parameters = {**SETTINGS, "max_iter": 30}

    model = LowLevelMLPClassifier(**parameters | {"random_state": streams[0]}, early_stopping=True)
    model.fit(X, y, X_val=X_val, y_val=y_val, sample_weight_val=weights_val)

    best_epoch = int(np.argmax(model.validation_scores_))
    assert model.best_validation_score_ == model.validation_scores_[best_epoch] > 0.5
    assert best_epoch + 1 < model.n_iter_
    assert model.best_loss_ is None
    best = fit_after(best_epoch + 1, X, y)
    np.testing.assert_allclose(model.predict_proba(X), best.predict_proba(X), rtol=0, atol=1e-10)
    weighted = accuracy_score(y_val, model.predict(X_val), sample_weight=weights_val)
    np.testing.assert_allclose(model.best_validation_score_, weighted, rtol=1e-12)
    # Until it stops, it trains and draws as a fit without early stopping.
    same_length = fit_after(model.n_iter_, X, y, random_state=streams[1])
    np.testing.assert_allclose(model.loss_curve_, same_length.loss_curve_, rtol=1e-10)
    assert streams[0].uniform() == streams[1].uniform()


@pytest.mark.parametrize("changed", ["X_val", "y_val", "sample_weight_val"])
def test_a_warm_start_does_not_compare_scores_of_different_validation_sets(changed):
    X, y, X_val, y_val = split_problem()
    model = LowLevelMLPClassifier(**SETTINGS, early_stopping=True, warm_start=True, dtype="float64")
    validation = {"X_val": X_val, "y_val": y_val, "sample_weight_val": np.arange(1, 17)}
    model.fit(X, y, **validation)
    model.best_validation_score_ = 2.0  # which no later score reaches
    kept = model.coefs_[0]

    # The same values in another container are the same validation set.
    model.fit(X, y, **validation | {"X_val": pd.DataFrame(X_val), "y_val": [*y_val]})
    assert model.best_validation_score_ == 2
    np.testing.assert_array_equal(model.coefs_[0], kept)

    model.fit(X, y, **validation | {changed: np.flip(validation[changed])})
    scores = model.validation_scores_[-model.n_iter_ :]
    assert model.best_validation_score_ == max(scores)
    assert (model.coefs_[0] != kept).any()


@pytest.mark.parametrize(("tol", "n_iter"), [(0.0, 20), (1e-4, 4)])
def test_a_score_equal_to_the_best_counts_as_no_improvement_only_with_tol(tol, n_iter):
    _, y = make_problem()
    X = np.where(y == "yes", 9.0, -9.0)[:, None].repeat(4, axis=1)
    parameters = {"early_stopping": True, "n_iter_no_change": 2, "max_iter": 20, "tol": tol}
    for Model in (MLPClassifier, LowLevelMLPClassifier):
        model = Model(**SETTINGS | parameters).fit(X, y)
        assert set(model.validation_scores_) == {1.0}
        assert model.n_iter_ == n_iter


# --- a scorer that judges ----------------------------------------------------------------------------

ACCURACY = make_scorer(accuracy_score)


def assert_same_training(model, other, X):
    assert model._no_improvement_count == other._no_improvement_count
    assert_same_model(model, other, other, X, floor=1e-12)


@pytest.mark.parametrize(
    ("problem", "parameters"),
    [
        ("binary", {}),
        ("multilabel", {}),
        ("multilabel", {"n_init": 3}),
        ("three classes", {"early_stopping": False}),
        ("three classes", {"n_init": 3}),
        ("three classes", {"class_weight": "balanced"}),
        ("three classes", {"solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 0.1}),
        ("binary", {"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.1}),
    ],
    ids=str,
)
def test_accuracy_as_a_scorer_gives_the_numbers_of_its_name(problem, parameters, limit_calls):
    X, y, X_val, y_val = split_problem(problem)
    weights = np.random.default_rng(1).uniform(0, 3, len(X_val)).round()
    parameters = {"early_stopping": True, "n_iter_no_change": 2, "max_iter": 15} | parameters
    model, own = (
        LowLevelMLPClassifier(**SETTINGS | parameters, warm_start=True, scoring=metric)
        for metric in ("accuracy", ACCURACY)
    )

    for _ in range(2):  # the second goes on from the first
        for one in (model, own):
            one.fit(X, y, X_val=X_val, y_val=y_val, sample_weight_val=weights)
        assert_same_training(own, model, X)


@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
def test_r2_as_a_scorer_gives_the_numbers_of_its_name(loss, monkeypatch):
    X, y = make_problem("binary", 116)
    y = np.c_[np.abs(X[:, 0] - X[:, 1]), X[:, 2] ** 2]
    by_default, model, own = (
        LowLevelMLPRegressor(loss, **SETTINGS, early_stopping=True, scoring=metric)
        for metric in (None, "r2", make_scorer(r2_score))
    )
    assert_same_training(own.fit(X, y), by_default.fit(X, y), X)
    with monkeypatch.context() as without_scorers:
        without_scorers.delattr("sklearn.metrics.get_scorer")  # the program computes this score
        model.fit(X, y)
    np.testing.assert_array_equal(model.validation_scores_, by_default.validation_scores_)
    np.testing.assert_array_equal(model.coefs_[0], by_default.coefs_[0])
    own.set_params(loss="absolute_error", scoring="neg_mean_absolute_error").fit(X, y[:, 0])
    np.testing.assert_allclose(own.validation_scores_, -np.array(own.validation_loss_curve_))


def test_early_stopping_keeps_the_epoch_that_the_scorer_finds_best():
    X, y, X_val, y_val = split_problem("three classes", seed=3)
    frame, frame_val = pd.DataFrame(X).add_prefix("x"), pd.DataFrame(X_val).add_prefix("x")
    parameters = {"scoring": "roc_auc_ovr", "early_stopping": True, "n_iter_no_change": 20}

    model = LowLevelMLPClassifier(**SETTINGS | {"max_iter": 20}, **parameters)
    model.fit(frame, y, X_val=frame_val, y_val=y_val)

    epochs = [fit_after(n + 1, X, y) for n in range(20)]
    scores = [roc_auc_score(y_val, one.predict_proba(X_val), multi_class="ovr") for one in epochs]
    np.testing.assert_allclose(model.validation_scores_, scores, rtol=1e-12)
    best = epochs[np.argmax(scores)]
    np.testing.assert_allclose(model.predict_proba(frame), best.predict_proba(X), rtol=0, atol=1e-12)


def test_training_ends_once_scores_do_not_rise_by_tol_but_scores_that_are_nan_are_no_end():
    X, y, X_val, y_val = split_problem()
    scores = iter([0.5, np.nan, 0.6, 0.6001, 0.6002, 0.7, 0.7, 0.7, 0.7, 0.8])

    model = LowLevelMLPClassifier(
        **SETTINGS | {"max_iter": 20, "tol": 0.01, "n_iter_no_change": 2},
        early_stopping=True,
        scoring=lambda model, X, y: next(scores),
    )
    with pytest.warns(ConvergenceWarning, match="NaN in 1 of 9 epochs.* samples that it can judge"):
        model.fit(X, y, X_val=X_val, y_val=y_val)

    assert [*scores] == [0.8]
    assert model.best_validation_score_ == 0.7
    best = fit_after(6, X, y)
    np.testing.assert_allclose(model.predict_proba(X), best.predict_proba(X), rtol=0, atol=1e-12)


def test_an_error_of_a_scorer_says_what_would_do():
    def refuses(*_):
        raise ValueError("refused")

    X, y, *_ = split_problem()
    settings = {**SETTINGS, "early_stopping": True, "scoring": refuses}
    for model, targets, match in (
        (LowLevelMLPClassifier(**settings), y, "If these lack a class"),
        (LowLevelMLPRegressor(**settings), X[:, 0], "scale y or use scoring='loss'"),
    ):
        with pytest.raises(ValueError, match="refused") as caught:
            model.fit(X, targets)
        assert match in caught.value.__notes__[0]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
@pytest.mark.parametrize("score", [np.nan, -np.inf])
def test_without_any_score_early_stopping_has_no_network_to_keep(score):
    """What it would keep is the network before training."""
    X, y, X_val, y_val = split_problem()
    model = LowLevelMLPClassifier(**SETTINGS, early_stopping=True, n_init=2)
    for scorer in ("roc_auc", lambda *_: score):  # the area under the curve needs both classes
        of_one_class = {"X_val": X_val[y_val == "no"], "y_val": y_val[y_val == "no"]}
        with pytest.raises(ValueError, match=r"not a finite number in any epoch.* of all classes"):
            model.set_params(scoring=scorer).fit(X, y, **of_one_class)
        assert not hasattr(model, "coefs_")
    model.set_params(early_stopping=False).fit(X, y, **of_one_class)  # no score is needed
    assert model.loss_ < model.loss_curve_[0]


ONE_WEIGHT = np.arange(16) == 5
NUMBERS, NUMBERS_VAL = np.exp(X[:, 0]), np.exp(X_VAL[:, 0])


@pytest.mark.parametrize("scoring", [None, "r2"])
@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
def test_early_stopping_by_r2_refuses_a_single_validation_sample(loss, scoring):
    one = {"X_val": X_VAL[:1], "y_val": NUMBERS_VAL[:1]}
    one_weight = {"X_val": X_VAL, "y_val": NUMBERS_VAL, "sample_weight_val": ONE_WEIGHT}
    reg = LowLevelMLPRegressor(loss, **SETTINGS, scoring=scoring, early_stopping=True)
    for validation in (one, one_weight):
        with pytest.raises(ValueError, match=r"R2, which needs at least two .* scoring='loss'"):
            reg.fit(X, NUMBERS, **validation)
        assert not hasattr(reg, "coefs_")
    reg.fit(X, NUMBERS, X_val=X_VAL[:2], y_val=NUMBERS_VAL[:2])


@pytest.mark.parametrize(
    "parameters",
    [
        {"scoring": "loss", "early_stopping": True},
        {"scoring": "neg_mean_absolute_error", "early_stopping": True},
        {"loss": "absolute_error", "early_stopping": True},
        {"early_stopping": False},
    ],
)
def test_a_single_validation_sample_suffices_where_r2_does_not_decide(parameters):
    reg = LowLevelMLPRegressor(**SETTINGS, **parameters)
    reg.fit(X, NUMBERS, X_val=X_VAL[:1], y_val=NUMBERS_VAL[:1])
    weighted = clone(reg).fit(
        X, NUMBERS, X_val=X_VAL[:1], y_val=NUMBERS_VAL[:1], sample_weight_val=[2.0]
    )
    np.testing.assert_allclose(reg.validation_loss_curve_, weighted.validation_loss_curve_)
    assert len(set(reg.validation_loss_curve_)) > 1


def test_a_split_with_one_weighted_sample_is_refused_where_mlp_regressor_keeps_the_first_epoch():
    parameters = SETTINGS | {"early_stopping": True, "validation_fraction": 0.04}
    weights = (np.random.default_rng(3).random(100) < 0.6).astype(float)
    were_fitted = []
    for seed in range(8):
        parameters["random_state"] = seed
        theirs = MLPRegressor(**parameters).fit(X, NUMBERS, weights)
        ours = LowLevelMLPRegressor(**parameters)
        if set(theirs.validation_scores_) == {0.0}:
            with pytest.raises(ValueError, match="validation_fraction"):
                ours.fit(X, NUMBERS, weights)
        else:
            ours.fit(X, NUMBERS, weights)
            np.testing.assert_allclose(ours.validation_scores_, theirs.validation_scores_)
        were_fitted.append(hasattr(ours, "coefs_"))
    assert {*were_fitted} == {True, False}


def diverging(**parameters):
    """A regressor that diverges in the first epoch, and what it is fitted to."""
    X = np.random.default_rng(0).normal(size=(1000, 5))
    parameters = {"solver": "sgd", "learning_rate_init": 0.1, "batch_size": 10} | parameters
    reg = LowLevelMLPRegressor(hidden_layer_sizes=(20,), random_state=0, max_iter=3, **parameters)
    return reg, X, 1e5 * X[:, 0]


@pytest.mark.usefixtures("coarse_buckets")
@pytest.mark.parametrize("metric", ["r2", "loss", "neg_mean_absolute_error"])
def test_divergence_in_the_first_epoch_is_the_same_error_with_early_stopping(metric):
    reg, X, y = diverging()
    with pytest.raises(ValueError, match="non-finite"):
        reg.fit(X, y)
    reg.set_params(early_stopping=True, scoring=metric)
    for model in (reg, clone(reg).set_params(n_init=3), CrossFitRegressor(reg, cv=3)):
        with pytest.raises(ValueError, match=r"not finite from epoch 1 on.*y is not scaled"):
            model.fit(X, y)
    search = PrunedSearchCV(reg, {"alpha": [0.1, 1.0, 10.0]}, cv=2, rung_epochs=[2])
    with pytest.raises(ValueError, match="All the 6 fits failed"):
        search.fit(X, y)


def test_of_several_draws_one_that_has_diverged_in_the_first_epoch_is_not_kept():
    X, y = make_problem()
    job = prepare(LowLevelMLPClassifier(**SETTINGS, early_stopping=True, n_init=2), FitInput(X, y))
    [(kernel, bias), *others] = job.networks[0].parameters
    job.networks[0].parameters = [(kernel * np.nan, bias), *others]
    train(plan_buckets([(job.spec, network) for network in job.networks]))

    finish(job)

    expected = job.networks[1]
    assert job.estimator.best_validation_score_ == expected.progress.best_value > 0.5
    np.testing.assert_array_equal(job.estimator.coefs_[0], expected.best_parameters[0][0])


def test_scorers_see_the_callers_configuration_of_scikit_learn_in_every_thread():
    seen = []

    def scorer(model, X, y):
        seen.append(sklearn.get_config()["assume_finite"])
        return 0.5

    nets = [LowLevelMLPClassifier(**SETTINGS, scoring=scorer) for _ in range(4)]
    for net in nets:
        net.set_params(early_stopping=True)
    with sklearn.config_context(assume_finite=True):
        fit_many(nets, *make_problem(), n_jobs=2)
    assert seen == [True] * sum(net.n_iter_ for net in nets)


def test_networks_that_train_together_have_their_scorers():
    X, y = make_problem("binary", 120)
    model, own = (
        LowLevelMLPClassifier(**SETTINGS, early_stopping=True, scoring=metric)
        for metric in ("accuracy", ACCURACY)
    )
    folds, own_folds = (
        CrossFitClassifier(each, cv=3, random_state=0).fit(X, y) for each in (model, own)
    )
    for one, other in zip(folds.estimators_, own_folds.estimators_):
        assert_same_training(one, other, X)
    grid = {"alpha": [0.1, 1.0, 10.0]}
    search, own_search = (
        PrunedSearchCV(each, grid, cv=2, rung_epochs=[4]).fit(X, y) for each in (model, own)
    )
    assert_same_training(search.best_estimator_, own_search.best_estimator_, X)
    for name in ("param_alpha", "mean_test_score"):
        np.testing.assert_array_equal(search.cv_results_[name], own_search.cv_results_[name])


def test_a_scorer_whose_metric_takes_no_weights_is_asked_without_them():
    X, y = make_problem("binary", 60)
    settings = SETTINGS | {"early_stopping": True, "class_weight": "balanced"}
    scorers = make_scorer(lambda y, found: np.mean(y == found)), lambda m, X, y: m.score(X, y)
    one, other = (LowLevelMLPClassifier(**settings, scoring=scorer).fit(X, y) for scorer in scorers)
    assert_same_training(one, other, X)


@pytest.mark.parametrize("found", [None, "high", np.ones(2)])
def test_a_scorer_that_gives_no_number_is_refused(found):
    model = LowLevelMLPClassifier(**SETTINGS, early_stopping=True, scoring=lambda *_: found)
    with pytest.raises(ValueError, match="scoring must give a number, got"):
        model.fit(*make_problem("binary", 60))


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_a_scorer_that_is_interrupted_leaves_the_epochs_before_and_one_that_fails_no_fit(error):
    X, y, X_val, y_val = split_problem()
    scores = iter([0.5, 0.4])

    def scorer(model, X, y):
        for score in scores:
            return score
        raise error

    model = LowLevelMLPClassifier(**SETTINGS, early_stopping=True, scoring=scorer)
    if error is KeyboardInterrupt:
        with pytest.warns(UserWarning, match="interrupted"):
            model.fit(X, y, X_val=X_val, y_val=y_val)
        assert model.validation_scores_ == [0.5, 0.4]
        assert model.best_validation_score_ == 0.5
        best = fit_after(1, X, y)
        np.testing.assert_allclose(model.predict_proba(X), best.predict_proba(X), atol=1e-12)
    else:
        with pytest.raises(error):
            model.fit(X, y, X_val=X_val, y_val=y_val)
        assert not hasattr(model, "coefs_")


def test_an_error_of_a_scorer_says_what_helps_if_the_split_lacks_a_class():
    X = np.random.default_rng(0).normal(size=(60, 4))
    y = np.where(np.arange(60) < 1, 2, X[:, 0] > 0)  # a class of one sample
    clf = LowLevelMLPClassifier((7, 4), early_stopping=True, scoring="neg_log_loss", random_state=0)
    with pytest.raises(ValueError, match="number of classes") as caught:
        clf.fit(X, y)
    assert "scoring='neg_log_loss' for the validation samples" in caught.value.__notes__[0]


def test_a_training_that_diverges_is_the_same_error_with_any_scorer():
    X, y, X_val, y_val = split_problem()
    model = LowLevelMLPClassifier(**SETTINGS | {"solver": "sgd", "learning_rate_init": 1e300})
    model.set_params(scoring="neg_log_loss")
    with pytest.raises(ValueError, match="non-finite"):
        model.fit(X, y, X_val=X_val, y_val=y_val)


# --- what may be passed ------------------------------------------------------------------------------


def test_a_pipeline_transforms_it_like_x():
    X, y, X_val, y_val = split_problem()
    X, X_val = 100 * X + 7, 100 * X_val + 7
    with sklearn.config_context(enable_metadata_routing=True):
        network = LowLevelMLPClassifier(**SETTINGS)
        network.set_fit_request(X_val=True, y_val=True, sample_weight=True, sample_weight_val=True)
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        pipeline = Pipeline([("scale", scaler), ("network", network)], transform_input=["X_val"])
        weights, weights_val = np.linspace(0, 2, len(X)), np.linspace(2, 1, len(X_val))
        pipeline.fit(
            X, y, sample_weight=weights, X_val=X_val, y_val=y_val, sample_weight_val=weights_val
        )

    scaler = StandardScaler().fit(X)
    by_hand = LowLevelMLPClassifier(**SETTINGS).fit(
        scaler.transform(X), y, weights,
        X_val=scaler.transform(X_val), y_val=y_val, sample_weight_val=weights_val,
    )  # fmt: skip
    assert pipeline[-1].validation_loss_curve_ == by_hand.validation_loss_curve_
    assert pipeline[-1].loss_curve_ == by_hand.loss_curve_


@pytest.mark.usefixtures("coarse_buckets")
@pytest.mark.parametrize("data", [load_iris, load_breast_cancer])
def test_a_validation_set_that_a_pipeline_does_not_transform_warns(data):
    X, y = data(return_X_y=True)
    X, X_val, y, y_val = train_test_split(100 + 10 * X, y > y.mean(), test_size=16, random_state=0)
    pipeline = make_pipeline(StandardScaler(), LowLevelMLPClassifier((7, 4), max_iter=1))
    name = "lowlevelmlpclassifier"

    with pytest.warns(UserWarning, match=r"transform_input=\['X_val'\]") as caught:
        pipeline.fit(X, y, **{f"{name}__X_val": X_val, f"{name}__y_val": y_val})

    assert "outside the range" in str(caught[0].message)


@pytest.mark.filterwarnings("error")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("n_val", [1, 2, 30])
@pytest.mark.parametrize("case", ["heavy tails", "a later time", "constant", "sparse"])
def test_a_validation_set_of_other_ranges_does_not_warn(case, n_val):
    X, y, X_val, y_val = split_problem(n_val=30)
    X, X_val = (np.tan(part) if case == "heavy tails" else part.copy() for part in (X, X_val))
    if case == "a later time":
        X[:, 0], X_val[:, 0] = np.arange(100), 100 + np.arange(30)
    if case == "constant":
        X[:, :3] = X_val[:, :3] = 7
    if case == "sparse":
        X, X_val = csr_matrix(X > 0.5, dtype=float), csr_matrix((X_val > -0.5) * 9.0)
    inputs = FitInput(X, y, X_val=X_val[:n_val], y_val=y_val[:n_val])
    prepare(LowLevelMLPClassifier(**SETTINGS), inputs)


# --- bad input ---------------------------------------------------------------------------------------

MULTILABEL = split_problem("multilabel")


BAD = {
    "samples without labels": ({"y_val": None, "sample_weight_val": None}, "passed together"),
    "labels without samples": ({"X_val": None, "sample_weight_val": None}, "passed together"),
    "weights without samples": ({"X_val": None, "y_val": None}, "sample_weight_val"),
    "another number of features": ({"X_val": X_VAL[:, :3]}, r"X_val.*features"),
    "another number of labels": ({"y_val": Y_VAL[:-1]}, "inconsistent"),
    "no samples": ({"X_val": X_VAL[:0], "y_val": Y_VAL[:0]}, "0 sample"),
    "NaN": ({"X_val": X_VAL * np.nan}, "NaN"),
    "an unseen label": ({"y_val": np.where(Y_VAL == "no", "maybe", Y_VAL)}, "y_val"),
    "labels of another type": ({"y_val": (Y_VAL == "yes").astype(int)}, "y_val|label"),
    "several labels": ({"y_val": MULTILABEL[3]}, "y_val|label"),
    "negative weights": ({"sample_weight_val": -np.ones(16)}, "Negative"),
    "NaN weights": ({"sample_weight_val": np.full(16, np.nan)}, "NaN"),
    "weights of zero": ({"sample_weight_val": np.zeros(16)}, "sample_weight_val|zero"),
    "another number of weights": ({"sample_weight_val": np.ones(17)}, "inconsistent|shape"),
}


@pytest.mark.parametrize(("given", "message"), BAD.values(), ids=BAD)
def test_a_bad_validation_set_is_a_clear_error_and_the_fitted_model_stays(given, message):
    fitted = LowLevelMLPClassifier(**SETTINGS).fit(X, Y)
    before = dict(vars(fitted))
    given = {"X_val": X_VAL, "y_val": Y_VAL, "sample_weight_val": np.ones(16)} | given

    for early_stopping in (False, True):
        fitted.set_params(early_stopping=early_stopping)
        with pytest.raises(ValueError, match=message):
            fitted.fit(X, Y, **given)

        assert vars(fitted) == before | {"early_stopping": early_stopping}


def test_columns_of_another_name_are_an_error():
    names = list("abcd")
    frame, frame_val = pd.DataFrame(X, columns=names), pd.DataFrame(X_VAL, columns=names)
    LowLevelMLPClassifier(**SETTINGS).fit(frame, Y, X_val=frame_val, y_val=Y_VAL)

    with pytest.raises(ValueError, match="feature names"):
        LowLevelMLPClassifier(**SETTINGS).fit(frame, Y, X_val=frame_val[list("bacd")], y_val=Y_VAL)


def test_a_class_weight_that_leaves_the_validation_set_without_weight_is_an_error():
    only_no = Y_VAL == "no"

    with pytest.raises(ValueError, match=r"weight"):
        LowLevelMLPClassifier(**SETTINGS, class_weight={"no": 0.0}).fit(
            X, Y, X_val=X_VAL[only_no], y_val=Y_VAL[only_no]
        )
