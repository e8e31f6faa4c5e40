"""Tests of the out-of-fold ensembles."""

import pickle
import re
import warnings
from functools import partial
from itertools import product
from unittest import mock

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joblib import parallel_config
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import huber, log_softmax, softmax
from scipy.stats import norm
from sklearn import config_context
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.datasets import load_diabetes, load_iris, make_friedman1
from sklearn.ensemble import (
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, RidgeCV
from sklearn.metrics import (
    accuracy_score,
    log_loss,
    mean_absolute_error,
    mean_pinball_loss,
    mean_poisson_deviance,
    mean_squared_error,
    r2_score,
)
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    PredefinedSplit,
    RepeatedStratifiedKFold,
    ShuffleSplit,
    TimeSeriesSplit,
    cross_val_predict,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler, scale
from sklearn.svm import LinearSVC
from sklearn.utils._param_validation import InvalidParameterError
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks
from threadpoolctl import threadpool_limits

from helpers import blas_threads, openmp_threads
from skdense import LowLevelMLPClassifier, LowLevelMLPRegressor
from skdense.ensemble import BlendClassifier, BlendRegressor, CrossFitClassifier, CrossFitRegressor
from skdense.ensemble.progress import Forecast, Progress, Stop

SETTINGS = {"max_iter": 40, "early_stopping": True, "learning_rate_init": 0.03}
CLASSIFIER = LowLevelMLPClassifier((8,), **SETTINGS)
LINEAR = CrossFitClassifier(LogisticRegression(), cv=3, random_state=0)
BAYES = CrossFitClassifier(GaussianNB(), cv=3, random_state=0)
REGRESSOR = LowLevelMLPRegressor(hidden_layer_sizes=(8,), **SETTINGS)


def in_float64(network):
    """The same without a hidden layer, whatever the dtype of X is: few programs, compiled soon."""
    return clone(network).set_params(
        dtype="float64", hidden_layer_sizes=(), learning_rate_init=0.3, max_iter=20
    )


@pytest.mark.usefixtures("coarse_buckets")
@parametrize_with_checks([CrossFitClassifier(in_float64(CLASSIFIER), cv=2, n_jobs=1)])
def test_every_check_of_scikit_learn_passes(estimator, check):
    check(estimator)


def checks_of_regressors():
    """What is different for regressors; the rest of their code is that of the classifier."""
    ensemble = CrossFitRegressor(in_float64(REGRESSOR), cv=2, n_jobs=1)
    for estimator, check in estimator_checks_generator(ensemble):
        name = check.func.__name__
        if any(part in name for part in ("regress", "fit2d", "weights_", "supervised_y", "pickle")):
            yield pytest.param(estimator, check, id=name)


@pytest.mark.usefixtures("coarse_buckets")
@pytest.mark.parametrize(("estimator", "check"), list(checks_of_regressors()))
def test_the_checks_of_regressors_pass(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def iris():
    X, y = load_iris(return_X_y=True)
    return scale(X), np.array(["setosa", "versicolor", "virginica"])[y]


@pytest.fixture(scope="module")
def ensemble(iris):
    return CrossFitClassifier(CLASSIFIER, KFold(3, shuffle=True, random_state=1), random_state=0).fit(
        *iris
    )


def folds(X):
    return list(KFold(3, shuffle=True, random_state=1).split(X))


@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_each_network_is_the_one_that_its_fold_alone_would_stop(iris, class_weight):
    X, y = (part[:120] for part in iris)
    network = clone(CLASSIFIER).set_params(class_weight=class_weight)
    ensemble = CrossFitClassifier(network, folds(X), random_state=0).fit(X, y)
    for member, (train, held_out) in zip(ensemble.estimators_, folds(X), strict=True):
        alone = clone(member).fit(X[train], y[train], X_val=X[held_out], y_val=y[held_out])
        for ours, its in zip(member.coefs_, alone.coefs_, strict=True):
            assert_allclose(ours, its, rtol=1e-6, atol=1e-9)


class OfLogarithms(LowLevelMLPRegressor):
    """Its network sees the logarithm of X, and predicts how far a row is above the others."""

    def fit(self, X, y, sample_weight=None):
        return super().fit(np.log(X), y, sample_weight)

    def predict(self, X):
        predicted = super().predict(np.log(X))
        return predicted - predicted.mean()


@pytest.mark.usefixtures("coarse_buckets")
def test_a_subclass_that_overrides_fit_and_predict_is_fitted_and_asked_by_them():
    X = np.random.default_rng(0).lognormal(size=(9000, 2))  # more rows than a block has
    y, rows = np.log(X[:, 0]), np.arange(200)
    ensemble = CrossFitRegressor(
        OfLogarithms(hidden_layer_sizes=(8,), max_iter=5), cv=[(rows, rows + 200)]
    ).fit(X, y)
    [member] = ensemble.estimators_
    alone = clone(member).fit(X[rows], y[rows])
    assert_array_equal(member.coefs_[0], alone.coefs_[0])
    assert_array_equal(ensemble.predict(X), alone.predict(X).astype(float))
    assert_array_equal(ensemble.oof_prediction_[rows + 200], alone.predict(X[rows + 200]))


class Doubtful(LowLevelMLPClassifier):
    """Its probabilities are equal."""

    def predict_proba(self, X):
        return np.full((len(X), 3), 1 / 3)


def test_probabilities_that_a_subclass_overrides_are_averaged(iris):
    ensemble = CrossFitClassifier(Doubtful((8,), **SETTINGS), cv=3, random_state=0).fit(*iris)
    assert_allclose(ensemble.predict_proba(iris[0]), 1 / 3)


@pytest.mark.parametrize("n_rows", [150, 4096 * 2 + 1])
def test_the_probabilities_are_the_mean_over_the_networks_at_the_temperature(ensemble, n_rows):
    X, before = np.random.default_rng(0).normal(size=(n_rows, 4)), blas_threads()
    probabilities = ensemble.predict_proba(X)
    assert blas_threads() == before
    each = [
        softmax(network.predict_log_proba(X) / ensemble.temperature_, axis=1)
        for network in ensemble.estimators_
    ]
    assert_allclose(probabilities, np.mean(each, axis=0), rtol=1e-10)
    assert_array_equal(ensemble.predict(X), ensemble.classes_[probabilities.argmax(axis=1)])
    assert_allclose(np.exp(ensemble.predict_log_proba(X)), probabilities, atol=1e-15)


def test_the_temperature_is_the_most_probable_of_the_out_of_fold_log_loss_and_a_prior(iris, ensemble):
    X, y = iris
    log_probabilities = np.empty((len(y), 3))
    for network, (_, held_out) in zip(ensemble.estimators_, folds(X), strict=True):
        log_probabilities[held_out] = network.predict_log_proba(X[held_out])
    rows, columns = np.arange(len(y)), np.unique(y, return_inverse=True)[1]
    improbable = {
        T: -log_softmax(log_probabilities / T, axis=1)[rows, columns].sum()
        - norm(scale=0.3).logpdf(np.log(T))
        for T in np.geomspace(0.1, 10, 2001)
    }
    best = min(improbable, key=improbable.get)
    assert_allclose(ensemble.temperature_, best, rtol=0.005)
    assert_allclose(ensemble.oof_proba_, softmax(log_probabilities / ensemble.temperature_, axis=1))
    predicted = ensemble.classes_[ensemble.oof_proba_.argmax(axis=1)]
    assert ensemble.oof_score_ == accuracy_score(y, predicted)


def test_no_member_warns_of_max_iter_whether_verbose_or_not(iris):
    network = clone(CLASSIFIER).set_params(max_iter=3, learning_rate_init=0.001)
    for verbose in (False, True):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            CrossFitClassifier(network.set_params(verbose=verbose), cv=3).fit(*iris)


@pytest.mark.parametrize(
    "model", [HistGradientBoostingClassifier(max_iter=5), LogisticRegression()], ids=["trees", "linear"]
)
def test_a_model_whose_fold_has_one_class_knows_only_that(iris, model):
    X, y = iris
    halves = CrossFitClassifier(model, cv=KFold(2))
    probabilities = halves.fit(X[:100], y[:100]).predict_proba(X)
    assert_allclose(probabilities, 0.5, atol=1e-3)


def test_an_unknown_loss_is_the_usual_error_with_a_scaled_target():
    X, y = load_diabetes(return_X_y=True)
    with pytest.raises(InvalidParameterError, match="'loss' parameter of LowLevelMLPRegressor"):
        CrossFitRegressor(LowLevelMLPRegressor(loss="mse"), scale_y=True).fit(X, y)


def test_a_sample_held_out_twice_has_the_mean_and_one_never_held_out_has_none(iris):
    X, y = iris
    twice = RepeatedStratifiedKFold(n_splits=3, n_repeats=2, random_state=0)
    repeated = CrossFitClassifier(LogisticRegression(), twice).fit(X, y)
    assert len(repeated.estimators_) == 6
    assert_allclose(repeated.oof_proba_.sum(axis=1), 1)
    once = ShuffleSplit(n_splits=1, test_size=50, random_state=0)
    single = CrossFitClassifier(LogisticRegression(), once).fit(X, y)
    ((_, held_out),) = once.split(X)
    assert_array_equal(np.flatnonzero(~np.isnan(single.oof_proba_[:, 0])), np.sort(held_out))
    assert 0 < single.oof_score_ <= 1


def test_of_a_class_that_a_fold_lacks_a_network_knows_and_another_model_gives_no_probability(iris):
    X, y = iris
    thirds = [(np.flatnonzero(y != name), np.flatnonzero(y == name)) for name in np.unique(y)]
    networks = CrossFitClassifier(CLASSIFIER, thirds, random_state=0).fit(X, y)
    assert all(len(network.classes_) == 3 for network in networks.estimators_)
    ensemble = CrossFitClassifier(LogisticRegression(), thirds).fit(X, y)
    assert [len(member.classes_) for member in ensemble.estimators_] == [2, 2, 2]
    assert_allclose(ensemble.predict_proba(X).sum(axis=1), 1)
    assert ensemble.oof_score_ == 0


def test_members_that_lack_a_class_are_fitted_to_the_labels_of_the_user(iris):
    X, y = iris
    y = np.array([10, 20, 30])[np.unique(y, return_inverse=True)[1]]
    weights = {10: 1, 20: 1, 30: 30}
    search = GridSearchCV(LogisticRegression(), {"class_weight": [weights]}, cv=2)
    split = np.flatnonzero(y != 10), np.flatnonzero(y == 10)
    for model in (LogisticRegression(), LogisticRegression(class_weight=weights), search):
        [member] = CrossFitClassifier(model, [split]).fit(X, y).estimators_
        alone = clone(model).fit(X[split[0]], y[split[0]])
        assert_array_equal(member.classes_, [20, 30])
        assert_array_equal(member.predict_proba(X), alone.predict_proba(X))


@pytest.mark.parametrize("wrap", [clone, make_pipeline, partial(GridSearchCV, param_grid={}, cv=2)])
@pytest.mark.parametrize("name", ["XGBClassifier", "XGBRFClassifier"])
def test_xgboost_is_fitted_to_the_numbers_of_the_classes_that_a_member_knows(iris, name, wrap):
    """It takes no other labels than 0 to n_classes - 1."""
    xgboost = pytest.importorskip("xgboost")
    X, y = iris
    numbers = np.unique(y, return_inverse=True)[1]
    thirds = [(np.flatnonzero(numbers != i), np.flatnonzero(numbers == i)) for i in range(3)]
    model = wrap(getattr(xgboost, name)(n_estimators=5))
    ensemble = CrossFitClassifier(model, thirds).fit(X, numbers)
    assert_array_equal(ensemble.oof_proba_.argmin(axis=1), numbers)
    first, (rows, _) = ensemble.estimators_[0], thirds[0]
    alone = clone(first).fit(X[rows], numbers[rows] - 1)
    assert_array_equal(first.predict_proba(X), alone.predict_proba(X))


def test_classes_that_folds_of_the_user_leave_out_are_told(iris):
    X, y = iris
    with pytest.warns(UserWarning, match="3 of 3 members are trained without the classes"):
        CrossFitClassifier(LogisticRegression(), cv=KFold(3)).fit(X, y)


def test_groups_are_the_same_whatever_their_type_is():
    X, y = load_diabetes(return_X_y=True)
    groups = np.arange(len(y)) % 9
    mixed = np.array([float(g) if i % 2 else g for i, g in enumerate(groups)], dtype=object)
    of_each = [
        CrossFitRegressor(Ridge(), cv=3, random_state=0).fit(X, y, groups=g).oof_prediction_
        for g in (groups.astype(str), mixed)
    ]
    assert_array_equal(*of_each)


def test_a_user_may_switch_the_checks_of_parameters_off():
    X, y = load_diabetes(return_X_y=True)
    model = CrossFitRegressor(Ridge(), cv=2, scale_y=None)
    with pytest.raises(InvalidParameterError, match="scale_y"):
        model.fit(X, y)
    with config_context(skip_parameter_validation=True):
        model.fit(X, y)


def test_the_stop_of_a_part_ends_no_other_part():
    whole = Stop()
    first, second = Stop(whole), Stop(whole)
    first.set()
    assert [stop.is_set() for stop in (first, second, whole)] == [True, False, False]
    whole.set()
    assert second.is_set()
    assert Stop(whole).is_set()


def test_lines_of_a_fit_in_another_process_are_printed_by_the_outermost_one(capsys):
    whole = Progress(verbose=True)
    elsewhere = pickle.loads(pickle.dumps(Progress(True, whole, "trees")))
    elsewhere.print_member(0, 3, "score 1")
    assert capsys.readouterr().out == ""
    whole.print_kept_lines(elsewhere.lines)
    assert re.fullmatch(r"\[0\.\d s\] trees, fold 1 of 3: score 1\n", capsys.readouterr().out)


def test_a_few_samples_that_are_all_right_do_not_make_the_ensemble_sure(iris):
    X, y = iris
    few = np.arange(0, 100, 10)  # of two classes that a line separates
    ensemble = CrossFitClassifier(LogisticRegression(), cv=5, random_state=0).fit(X[few], y[few])
    assert ensemble.oof_score_ == 1
    assert 0.6 < ensemble.temperature_ < 1


def test_any_classifier_or_regressor_is_fitted_outside_of_each_fold(iris):
    X, y = iris
    ensemble = CrossFitClassifier(LogisticRegression(), folds(X)).fit(X, y)
    alone = [LogisticRegression().fit(X[train], y[train]) for train, _ in folds(X)]
    T = ensemble.temperature_
    each = [softmax(model.predict_log_proba(X) / T, axis=1) for model in alone]
    assert_allclose(ensemble.predict_proba(X), np.mean(each, axis=0))
    for (_, held_out), probabilities in zip(folds(X), each, strict=True):
        assert_allclose(ensemble.oof_proba_[held_out], probabilities[held_out])
    regressor = CrossFitRegressor(Ridge(), folds(X)).fit(X, X[:, 0])
    expected = cross_val_predict(Ridge(), X, X[:, 0], cv=folds(X))
    assert_allclose(regressor.oof_prediction_, expected)


X_OF_BOOSTING, Y_OF_BOOSTING = make_friedman1(240, random_state=0)


def boosting(name, of_classes=False, **parameters):
    """A boosted model, the parameters that let it stop early, and a function of its rounds."""
    kind = "Classifier" if of_classes else "Regressor"
    fast = {"learning_rate": 0.5, "random_state": 0}
    if name == "scikit-learn":
        cls = HistGradientBoostingClassifier if of_classes else HistGradientBoostingRegressor
        stops = {"early_stopping": True, "n_iter_no_change": 2}
        return cls(max_iter=60, max_leaf_nodes=8, **fast), stops, lambda model: model.n_iter_
    library = pytest.importorskip(name)
    if name == "lightgbm":
        model = getattr(library, f"LGBM{kind}")(
            n_estimators=60, num_leaves=8, verbose=-1, n_jobs=1, **fast
        )
        return model, {"early_stopping_round": 2}, lambda model: model.n_iter_
    if name == "xgboost":
        model = getattr(library, f"XGB{kind}")(n_estimators=60, max_depth=3, n_jobs=1, **fast)
        return (
            model,
            {"early_stopping_rounds": 2},
            lambda model: model.get_booster().num_boosted_rounds(),
        )
    model = getattr(library, f"CatBoost{kind}")(
        iterations=60, depth=4, verbose=False, thread_count=1, allow_writing_files=False, **fast
    )
    return model, {"early_stopping_rounds": 2}, lambda model: model.tree_count_


BOOSTING = "scikit-learn", "lightgbm", "xgboost", "catboost"


@pytest.mark.parametrize("name", BOOSTING)
def test_trees_are_stopped_by_their_fold_only_if_their_own_setting_is_on(name):
    model, stops, rounds = boosting(name)
    cv = folds(X_OF_BOOSTING)
    ensemble = CrossFitRegressor(model, cv).fit(X_OF_BOOSTING, Y_OF_BOOSTING)
    assert [rounds(member) for member in ensemble.estimators_] == [60] * 3
    ensemble.set_params(estimator=clone(model).set_params(**stops))
    for weight in (None, np.random.default_rng(0).uniform(0.5, 2, 240)):
        ensemble.fit(X_OF_BOOSTING, Y_OF_BOOSTING, sample_weight=weight)
        assert max(rounds(member) for member in ensemble.estimators_) < 60


@pytest.mark.parametrize("name", ["xgboost", "catboost"])
def test_boosting_that_is_stopped_by_its_fold_prints_what_its_own_setting_says(name, capfd):
    model, stops, _ = boosting(name)
    cv = folds(X_OF_BOOSTING)
    CrossFitRegressor(model.set_params(**stops), cv).fit(X_OF_BOOSTING, Y_OF_BOOSTING)
    assert capfd.readouterr().out == ""
    if name == "catboost":
        CrossFitRegressor(model.set_params(verbose=1), cv).fit(X_OF_BOOSTING, Y_OF_BOOSTING)
        assert "learn:" in capfd.readouterr().out


def test_trees_are_stopped_as_by_a_validation_set_of_the_user():
    """With the weights of the fold, and by whichever way a library has."""
    X, y, weight = X_OF_BOOSTING, Y_OF_BOOSTING, np.random.default_rng(0).uniform(0.5, 2, 240)
    (train, fold), *_ = cv = folds(X)
    of_sklearn = {"X_val": X[fold], "y_val": y[fold], "sample_weight_val": weight[fold]}
    of_lightgbm = {"eval_set": [(X[fold], y[fold])], "eval_sample_weight": [weight[fold]]}
    for name, validation in (("scikit-learn", of_sklearn), ("lightgbm", of_lightgbm)):
        model, stops, _ = boosting(name)
        ensemble = CrossFitRegressor(model.set_params(**stops), cv).fit(X, y, sample_weight=weight)
        alone = clone(ensemble.estimators_[0]).fit(X[train], y[train], weight[train], **validation)
        assert_allclose(ensemble.estimators_[0].predict(X), alone.predict(X))


@pytest.mark.parametrize("name", BOOSTING)
def test_trees_without_a_fold_to_stop_by_are_not_stopped(name):
    """It has no weight, or only classes that they do not know: some raise an error without one."""
    X, y, weight = X_OF_BOOSTING, Y_OF_BOOSTING, np.repeat([0.0, 1.0], [80, 160])
    model, stops, rounds = boosting(name)
    cv = [*KFold(3).split(X)]
    ensemble = CrossFitRegressor(model.set_params(**stops), cv).fit(X, y, sample_weight=weight)
    assert rounds(ensemble.estimators_[0]) == 60
    assert max(rounds(member) for member in ensemble.estimators_[1:]) < 60
    model, stops, rounds = boosting(name, of_classes=True)
    labels = np.digitize(y, np.quantile(y, [1 / 3, 2 / 3]))
    known = [(np.flatnonzero(labels < 2), np.flatnonzero(labels == 2)), cv[1]]
    first, second = CrossFitClassifier(model.set_params(**stops), known).fit(X, labels).estimators_
    assert_array_equal(first.classes_, [0, 1])
    assert rounds(first) == 60
    assert rounds(second) < 60


@pytest.mark.parametrize("model", [LinearRegression(), Ridge(), RidgeCV()], ids=str)
def test_the_mean_of_linear_members_is_theirs_and_a_row_does_not_depend_on_others(model):
    X, y = X_OF_BOOSTING.astype(np.float32), np.c_[Y_OF_BOOSTING, -Y_OF_BOOSTING]
    for target in (y, y[:, 0]):
        ensemble = CrossFitRegressor(model, folds(X)).fit(X, target)
        expected = np.mean([member.predict(X) for member in ensemble.estimators_], axis=0)
        assert_allclose(ensemble.predict(X), expected, rtol=1e-4)
        alone = np.concatenate([ensemble.predict(row[None]) for row in X])
        assert_allclose(ensemble.predict(X), alone, rtol=1e-14)
        many = np.tile(X, (40, 1))  # more rows than a block has
        assert_allclose(ensemble.predict(many)[: len(X)], alone, rtol=1e-14)


def test_lightgbm_predicts_as_by_its_own_methods():
    """Which take ten times as long for a row."""
    X, y = X_OF_BOOSTING, Y_OF_BOOSTING
    names = np.array(["a", "b", "c"])[np.digitize(y, [12, 17])]
    skips_trees = {"pred_early_stop": True, "pred_early_stop_freq": 1, "pred_early_stop_margin": 0.1}
    for labels, params in product((names, names == "a"), ({}, skips_trees)):
        model, stops, _ = boosting("lightgbm", of_classes=True)
        ensemble = CrossFitClassifier(model.set_params(**stops, **params), folds(X)).fit(X, labels)
        T = ensemble.temperature_
        each = [softmax(np.log(member.predict_proba(X)) / T, axis=1) for member in ensemble.estimators_]
        assert_allclose(ensemble.predict_proba(X), np.mean(each, axis=0))
    model, stops, _ = boosting("lightgbm")
    ensemble = CrossFitRegressor(model.set_params(**stops), folds(X)).fit(X, y)
    expected = np.mean([member.predict(X) for member in ensemble.estimators_], axis=0)
    assert_allclose(ensemble.predict(X), expected)


def test_a_function_as_objective_of_lightgbm_is_refused_before_anything_is_fitted():
    """LightGBM predicts raw scores then, which are no probabilities; of a regressor they are right."""
    lightgbm = pytest.importorskip("lightgbm")
    X, y = X_OF_BOOSTING, Y_OF_BOOSTING

    def squared_error(y, predictions):
        return predictions - y, np.ones(len(y))

    for name in ("objective", "application"):
        trees = lightgbm.LGBMClassifier(verbose=-1, **{name: squared_error})
        ensemble = CrossFitClassifier(make_pipeline(StandardScaler(), trees), cv=2)
        for model in (ensemble, BlendClassifier([("trees", ensemble)])):
            with pytest.raises(TypeError, match=r"objective must be a name: .* no probabilities"):
                model.fit(X, y > 14)
    trees = boosting("lightgbm")[0].set_params(objective=squared_error)
    assert CrossFitRegressor(trees, cv=2, random_state=0).fit(X, y).oof_score_ > 0.5


@pytest.mark.parametrize("limit", [1, 2])
def test_lightgbm_predicts_blocks_of_rows_on_one_thread_each(limit, monkeypatch):
    lightgbm = pytest.importorskip("lightgbm")
    X, y = X_OF_BOOSTING, Y_OF_BOOSTING
    trees = boosting("lightgbm")[0].set_params(n_estimators=3)
    ensemble = CrossFitRegressor(trees, cv=2, random_state=0).fit(X, y)
    rows = np.random.default_rng(0).random((4096 * 2 + 1, X.shape[1]))
    expected = np.mean([model.predict(rows) for model in ensemble.estimators_], axis=0)
    seen, predict = [], lightgbm.Booster.predict

    def predict_and_note(booster, X, **settings):
        seen.append((settings["num_threads"], len(X)))
        return predict(booster, X, **settings)

    monkeypatch.setattr(lightgbm.Booster, "predict", predict_and_note)
    with threadpool_limits(limit, user_api="openmp"):
        assert_array_equal(ensemble.predict(rows), expected)
        assert openmp_threads() == {limit}
    assert sorted(seen) == [(1, n_rows) for n_rows in (1, 1, 4096, 4096, 4096, 4096)]
    with pytest.raises(ValueError, match="0 sample"):
        ensemble.predict(rows[:0])


def test_a_pipeline_in_an_ensemble_takes_a_data_frame(iris):
    X, y = iris
    table = pd.DataFrame(X, columns=list("abcd")).assign(name=y)
    columns = make_column_transformer((StandardScaler(), list("abcd")), (OneHotEncoder(), ["name"]))
    model = make_pipeline(columns, clone(CLASSIFIER).set_params(early_stopping=False))
    weight = np.ones(len(y))
    ensemble = CrossFitClassifier(model, cv=3, random_state=0).fit(table, y, sample_weight=weight)
    seeds = {
        member.get_params()["lowlevelmlpclassifier__random_state"] for member in ensemble.estimators_
    }
    assert len(seeds) == 3
    assert ensemble.score(table, y) > 0.9
    assert list(ensemble.feature_names_in_) == [*"abcd", "name"]


def test_nothing_is_trained_on_what_a_splitter_leaves_out(iris):
    X, y = iris
    order = np.random.default_rng(0).permutation(len(y))
    X, y = X[order], y[order]
    splitter = TimeSeriesSplit(n_splits=3, gap=5)
    ensemble = CrossFitClassifier(CLASSIFIER, splitter, random_state=0).fit(X, y)
    for network, (train, _) in zip(ensemble.estimators_, splitter.split(X), strict=True):
        assert network.t_ == len(train) * network.n_iter_  # the samples that it has seen
    first = next(splitter.split(X))[1][0]
    assert np.isnan(ensemble.oof_proba_[:first]).all()
    assert not np.isnan(ensemble.oof_proba_[first:]).any()


def test_no_group_is_in_two_folds(iris):
    X, y = iris
    groups = np.arange(len(y)) // 10
    ensemble = CrossFitClassifier(LogisticRegression(), cv=3, random_state=0)
    copies = np.repeat(X[::10], 10, axis=0)
    labels = np.random.default_rng(0).permutation(15).repeat(10) % 2
    neighbour = ensemble.set_params(estimator=KNeighborsClassifier(1))
    assert neighbour.fit(copies, labels).oof_score_ == 1  # each sample has a copy in another fold
    assert neighbour.fit(copies, labels, groups=groups).oof_score_ < 0.9
    regressor = CrossFitRegressor(KNeighborsRegressor(1), cv=3, random_state=0)
    assert regressor.fit(copies, labels, groups=groups).oof_score_ < 0.9


@pytest.mark.usefixtures("coarse_buckets")
def test_lbfgs_is_given_the_training_rows_alone_and_its_lines_have_its_iterations(iris, capsys):
    X, y = iris
    network = clone(CLASSIFIER).set_params(early_stopping=False, solver="lbfgs", max_iter=300)
    ensemble = CrossFitClassifier(network, folds(X), random_state=0, verbose=True).fit(X, y)
    lines = sorted(without_times(capsys.readouterr().out)[:-1])
    for i, (member, (train, _)) in enumerate(zip(ensemble.estimators_, folds(X), strict=True)):
        assert_allclose(member.coefs_[0], clone(member).fit(X[train], y[train]).coefs_[0], rtol=1e-6)
        outcome = f"{member.n_iter_} iterations, loss = {member.loss_:.8f}"
        assert lines[i] == f"fold {i + 1} of 3: {outcome}"


def test_lengths_are_those_of_all_rows_also_beside_weights_of_zero():
    X, y = load_diabetes(return_X_y=True)
    for short in ({"y": y[9:]}, {"y": y, "groups": y[9:]}):
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            CrossFitRegressor(Ridge(), cv=3).fit(X, **short, sample_weight=np.arange(len(y)) > 8)


def test_groups_are_as_many_as_samples_whatever_cv_is():
    X, y = load_diabetes(return_X_y=True)
    splits = [*KFold(3).split(X)]
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        CrossFitRegressor(Ridge(), cv=splits).fit(X, y, groups=np.arange(2 * len(y)))


def test_weights_count_in_the_out_of_fold_score():
    X, y = (scale(part) for part in load_diabetes(return_X_y=True))
    weight = np.random.default_rng(0).uniform(size=len(y))
    ensemble = CrossFitRegressor(REGRESSOR, cv=3, random_state=0).fit(X, y, sample_weight=weight)
    assert ensemble.oof_score_ == r2_score(y, ensemble.oof_prediction_, sample_weight=weight)
    above = (y > 0).astype(int)
    linear = CrossFitClassifier(LogisticRegression(), cv=3).fit(X, above, sample_weight=weight)
    expected = log_loss(above, linear.oof_proba_, sample_weight=weight)
    assert linear.oof_loss_ == pytest.approx(expected)
    expected = mean_squared_error(y, ensemble.oof_prediction_, sample_weight=weight)
    assert ensemble.oof_loss_ == pytest.approx(expected)
    assert ensemble.oof_score_ > 0.35
    each = [network.predict(X) for network in ensemble.estimators_]
    assert_allclose(ensemble.predict(X), np.mean(each, axis=0))


def test_the_out_of_fold_loss_is_that_which_the_parameter_names_or_the_squared_error():
    X, y = make_friedman1(100, random_state=0)
    trees = HistGradientBoostingRegressor(max_iter=5)
    for estimator, metric in {
        clone(trees).set_params(loss="quantile", quantile=0.9): partial(mean_pinball_loss, alpha=0.9),
        clone(trees).set_params(loss="absolute_error"): mean_absolute_error,
        clone(trees).set_params(loss="poisson"): mean_poisson_deviance,
        GradientBoostingRegressor(loss="quantile", alpha=0.9, n_estimators=5): mean_squared_error,
        Ridge(): mean_squared_error,
    }.items():
        model = CrossFitRegressor(estimator, cv=2, random_state=0).fit(X, y)
        assert model.oof_loss_ == pytest.approx(metric(y, model.oof_prediction_))


@pytest.mark.parametrize("scale_y", [False, True])
def test_hubers_out_of_fold_loss_is_that_of_the_y_that_networks_see(scale_y):
    X, y = make_friedman1(100, random_state=0)
    network = LowLevelMLPRegressor("huber", (), delta=0.5, solver="lbfgs", max_iter=20)
    model = CrossFitRegressor(network, cv=2, random_state=0, scale_y=scale_y).fit(X, y)
    unit = y.std() if scale_y else 1
    expected = huber(0.5, (y - model.oof_prediction_) / unit).mean()
    assert model.oof_loss_ == pytest.approx(expected)


def test_a_random_state_repeats_folds_and_networks(iris):
    X, y = iris
    first, again, other = (
        CrossFitClassifier(CLASSIFIER, cv=3, random_state=seed).fit(X, y).predict_proba(X)
        for seed in (0, 0, 1)
    )
    assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_what_cannot_be_an_ensemble_is_refused(iris):
    X, y = iris
    with pytest.raises(TypeError, match="a classifier that has predict_proba, got LinearSVC"):
        CrossFitClassifier(LinearSVC()).fit(X, y)
    with pytest.raises(TypeError, match="estimator must be a regressor, got LogisticRegression"):
        CrossFitRegressor(LogisticRegression()).fit(X, y)
    with pytest.raises(ValueError, match="samples that are held out, got none in fold 1"):
        CrossFitClassifier(CLASSIFIER, [(np.arange(100), [])]).fit(X, y)
    with pytest.raises(ValueError, match=r"at least two classes, got one class: \['setosa'\]"):
        CrossFitClassifier(CLASSIFIER).fit(X[:50], y[:50])
    missing = np.array([np.nan, *y[1:]], dtype=object)
    with pytest.raises(ValueError, match="Input y contains NaN"):
        CrossFitClassifier(LogisticRegression()).fit(pd.DataFrame(X), missing)
    with pytest.raises(ValueError, match="one label for each sample"):
        CrossFitClassifier(CLASSIFIER).fit(
            X, np.eye(3, dtype=int)[np.unique(y, return_inverse=True)[1]]
        )


def test_a_fit_that_fails_leaves_the_last_one(iris, ensemble):
    X, _ = iris
    before = ensemble.predict_proba(X)
    with pytest.raises(ValueError, match="n_splits=3"):
        ensemble.fit(X[:2, :1], ["a", "b"])
    assert_array_equal(ensemble.predict_proba(X), before)


def test_an_ensemble_that_is_fitted_again_predicts_as_before_until_it_is_over(iris):
    """Here with other classes. A member sees meanwhile what another thread would see."""
    X, y = iris
    ensemble = CrossFitClassifier(GaussianNB(), cv=2, random_state=0).fit(X, y)
    before, seen = ensemble.predict_proba(X), []

    class Looks(GaussianNB):
        def fit(self, *data):
            seen.append(ensemble.predict_proba(X))
            return super().fit(*data)

    ensemble.set_params(estimator=Looks()).fit(X, y == "setosa")
    assert len(seen) == 2
    assert_array_equal(seen, [before, before])
    assert ensemble.predict_proba(X).shape == (len(X), 2)


def without_times(out):
    """The printed lines without what stands in brackets before each."""
    return [line.partition("] ")[2] for line in out.splitlines()]


def test_a_line_is_printed_for_each_member_and_one_for_the_ensemble(iris, capsys):
    CrossFitClassifier(CLASSIFIER, folds(iris[0]), random_state=0, verbose=True).fit(*iris)
    *lines, last = capsys.readouterr().out.splitlines()
    outcome = r"\d+ iterations, loss = [\d.]+, best validation score: [\d.]+"
    for i, line in enumerate(sorted(lines, key=lambda line: line.partition("] ")[2])):
        assert re.fullmatch(rf"\[[\d.]+ s\] fold {i + 1} of 3: {outcome}", line)
    assert len(lines) == 3
    pattern = r"\[[\d.]+ s\] all 3 folds: out-of-fold loss [\d.]+, accuracy [\d.]+, temperature [\d.]+"
    assert re.fullmatch(pattern, last)


def test_the_line_of_a_member_that_is_no_network_has_the_score_on_its_fold(iris, capsys):
    X, _ = iris
    with parallel_config("sequential"):
        ensemble = CrossFitRegressor(Ridge(), folds(X), verbose=True).fit(X, X[:, 0])
    *members, last = without_times(capsys.readouterr().out)
    scores = [
        model.score(X[held_out], X[held_out, 0])
        for model, (_, held_out) in zip(ensemble.estimators_, folds(X), strict=True)
    ]
    assert members == [f"fold {i} of 3: score {score:f}" for i, score in enumerate(scores, 1)]
    loss = f"{ensemble.oof_loss_:.6g}"
    assert last == f"all 3 folds: out-of-fold loss {loss}, R2 {ensemble.oof_score_:f}"


def test_trees_are_not_stopped_by_classes_that_they_do_not_know(iris):
    X, y = iris
    trees = HistGradientBoostingClassifier(max_iter=5, early_stopping=True, random_state=0)
    lacking = np.flatnonzero((y != "setosa") & (np.arange(150) % 5 > 0))
    cv = [(lacking, np.setdiff1d(np.arange(150), lacking))]
    (member,) = CrossFitClassifier(trees, cv).fit(X, y).estimators_
    known = np.setdiff1d(np.flatnonzero(y != "setosa"), lacking)
    alone = clone(member).fit(X[lacking], y[lacking], X_val=X[known], y_val=y[known])
    assert_array_equal(member.predict_proba(X), alone.predict_proba(X))
    unknown = [(np.flatnonzero(y != "setosa"), np.flatnonzero(y == "setosa"))]
    assert_array_equal(
        CrossFitClassifier(trees, unknown).fit(X, y).estimators_[0].classes_, list(np.unique(y)[1:])
    )


def test_a_rare_class_has_one_warning_and_folds_as_before_for_the_others(iris):
    X, y = iris
    X, y = X[:102], np.append(y[:100], ["rare", "rare"])
    models = [
        (name, CrossFitClassifier(GaussianNB(), cv=3, random_state=i)) for i, name in enumerate("abc")
    ]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        blend = BlendClassifier(models).fit(X, y)
    (warning,) = caught
    message = "the classes ['rare'] have fewer samples than the 3 folds: "
    assert str(warning.message).startswith(message)
    assert warning.filename == __file__
    assert_allclose(blend.predict_proba(X).sum(axis=1), 1)
    with pytest.raises(ValueError, match="n_splits=3 cannot be greater than the number of members"):
        CrossFitClassifier(GaussianNB(), cv=3).fit(X[98:], y[98:])


def test_folds_without_rows_of_positive_weight_are_named():
    X = np.random.default_rng(0).normal(size=(80, 2))
    y, weight = X[:, 0] > 0, (np.arange(80) >= 30) * 1.0
    folds = [*TimeSeriesSplit(3).split(X)]
    with pytest.raises(ValueError, match="to train on, got none in fold 1; samples of weight zero are"):
        CrossFitClassifier(LogisticRegression(), folds).fit(X, y, sample_weight=weight)
    with pytest.raises(ValueError, match="must hold out samples of positive weight"):
        CrossFitClassifier(LogisticRegression(), folds).fit(X, y, sample_weight=np.arange(80) < 20)


def test_rows_that_are_held_out_and_trained_on_are_told():
    X, y = np.arange(40.0)[:, None], np.arange(40.0)
    rows, ensemble = np.arange(40), CrossFitRegressor(Ridge())
    halves = [(rows[:21], rows[20:]), (rows[20:], rows[:20])]
    with pytest.raises(ValueError, match="in fold 1 both have 1 of them, such as sample 20"):
        clone(ensemble).set_params(cv=halves).fit(X, y)
    for cv in ([(slice(None), slice(None))], [(rows, rows[-5:] - 40)]):
        with pytest.raises(ValueError, match="cv must hold out other samples than those to train on"):
            clone(ensemble).set_params(cv=cv).fit(X, y)
    clone(ensemble).set_params(cv=halves).fit(X, y, sample_weight=rows != 20)


def test_numbers_of_rows_are_read_as_by_scikit_learn():
    X, y = np.arange(40.0)[:, None], np.arange(40.0) ** 2
    rows = np.arange(40)
    halves = [(rows[:20], rows[20:]), (rows[20:], rows[:20])]
    expected = cross_val_predict(Ridge(), X, y, cv=halves)
    counted_from_the_end = [(train - 40, fold - 40) for train, fold in halves]
    masks = [(np.isin(rows, train), np.isin(rows, fold)) for train, fold in halves]
    for cv in (halves, counted_from_the_end, masks):
        assert_allclose(CrossFitRegressor(Ridge(), cv).fit(X, y).oof_prediction_, expected)
    with pytest.raises(ValueError, match="cv must give numbers of the 40 samples: index 40 is out of"):
        CrossFitRegressor(Ridge(), [(rows, rows + 40)]).fit(X, y)


def folds_of_others(cv, left):
    """The folds of `cv` in the numbers of the rows that are left."""
    if isinstance(cv, PredefinedSplit):
        return PredefinedSplit(cv.test_fold[left])
    if not isinstance(cv, list):
        return cv
    return [tuple(np.flatnonzero(np.isin(np.flatnonzero(left), part)) for part in fold) for fold in cv]


@pytest.mark.parametrize(
    "cv",
    [
        3,
        KFold(3),
        GroupKFold(3),
        PredefinedSplit(np.arange(90) // 3 % 3),
        [*KFold(3, shuffle=True, random_state=0).split(np.zeros(90))],
    ],
    ids=lambda cv: type(cv).__name__,
)
@pytest.mark.parametrize("in_blends", [False, True])
@pytest.mark.filterwarnings("ignore:The groups parameter is ignored")
def test_rows_of_weight_zero_are_absent(cv, in_blends):
    X, y = make_friedman1(90, random_state=0)
    groups, weight = np.arange(90) // 2, np.random.default_rng(0).integers(0, 3, 90) * 1.0
    left = weight > 0
    X[~left], y[~left] = 1e6, 1e6

    def model(cv):
        ensemble = CrossFitRegressor(Ridge(), cv, random_state=0)
        if not in_blends:
            return ensemble
        root = TransformedTargetRegressor(Ridge(), func=np.sqrt, inverse_func=np.square)
        target = CrossFitRegressor(root, cv, random_state=0)
        flat = CrossFitRegressor(Ridge(1e3), cv, random_state=0)
        inner = BlendRegressor(
            [("line", make_pipeline(FunctionTransformer(), ensemble)), ("flat", flat)]
        )
        return BlendRegressor([("inner", inner), ("target", target)])

    found = model(cv).fit(X, y, weight, groups)
    expected = model(folds_of_others(cv, left)).fit(X[left], y[left], weight[left], groups[left])

    X, _ = make_friedman1(50, random_state=1)
    quantiles = [0.05, 0.95]
    assert_array_equal(found.predict(X), expected.predict(X))
    assert_array_equal(found.predict_quantiles(X, quantiles), expected.predict_quantiles(X, quantiles))
    assert found.oof_score_ == expected.oof_score_
    if in_blends:
        found, expected = (each.estimators_[0].estimators_[0][-1] for each in (found, expected))
    assert_array_equal(np.isnan(found.oof_prediction_), ~left)
    assert_array_equal(found.oof_prediction_[left], expected.oof_prediction_)


def test_labels_of_rows_of_weight_zero_are_no_classes(iris):
    X, y = iris
    left = np.arange(len(y)) % 5 > 0
    weight, odd = left * 1.0, np.where(left, y, "not known")
    for model in (LINEAR, BlendClassifier([("line", LINEAR), ("bayes", BAYES)])):
        found = clone(model).fit(X, odd, sample_weight=weight)
        expected = clone(model).fit(X, y, sample_weight=weight)
        assert_array_equal(found.classes_, np.unique(y))
        assert_array_equal(found.predict_proba(X), expected.predict_proba(X))
        assert_array_equal(np.isnan(found.oof_proba_[:, 0]), ~left)


@pytest.mark.parametrize("name", ["setosa", "virginica"])
def test_a_class_of_weight_zero_is_absent_from_the_members_and_has_no_probability(iris, name):
    X, y = iris
    folds = PredefinedSplit(np.arange(len(y)) % 3)
    models = [("line", CrossFitClassifier(LogisticRegression(), folds))]
    found = BlendClassifier(models, class_weight={name: 0.0}).fit(X, y)
    left = y != name
    models = [("line", CrossFitClassifier(LogisticRegression(), folds_of_others(folds, left)))]
    expected = BlendClassifier(models).fit(X[left], y[left])
    known = np.isin(found.classes_, expected.classes_)
    assert_allclose(found.predict_proba(X)[:, known], expected.predict_proba(X), atol=1e-9)
    assert found.predict_proba(X)[:, ~known].max() < 1e-9
    assert_array_equal(found.predict(X), expected.predict(X))
    assert_array_equal(np.isnan(found.oof_proba_[:, 0]), ~left)


def test_a_fold_of_a_class_without_weight_stops_no_network(iris):
    X, y = iris
    network = clone(CLASSIFIER).set_params(early_stopping=True, class_weight="balanced", max_iter=60)
    ensemble = CrossFitClassifier(network, KFold(3), random_state=0).fit(X, y)
    for i, member in enumerate(ensemble.estimators_):  # of two of the three sorted classes
        others = np.arange(len(y)) // 50 != i
        assert member.score(X[others], y[others]) > 0.8


def test_a_transformed_target_has_the_default_regressor_of_scikit_learn():
    X, y = make_friedman1(60, random_state=0)
    scores = [
        CrossFitRegressor(TransformedTargetRegressor(root, func=np.sqrt, inverse_func=np.square), 3)
        .set_params(random_state=0)
        .fit(X, y, np.arange(60) % 4 + 1.0)
        .oof_prediction_
        for root in (None, LinearRegression())
    ]
    assert_array_equal(*scores)


def test_rows_to_train_on_without_weight_are_told():
    X, y, rows = np.eye(40), np.repeat([1, 0], 20), np.arange(40)
    halves = [(rows[:20], rows[20:]), (rows[20:], rows[:20])]
    network = clone(CLASSIFIER).set_params(class_weight={1: 0})
    with pytest.raises(ValueError, match="the samples to train on have no weight"):
        CrossFitClassifier(network, halves).fit(X, y)


def test_a_class_of_one_group_has_a_word():
    X = np.random.default_rng(0).normal(size=(90, 2))
    groups = np.arange(90) // 10
    ensemble = CrossFitClassifier(LogisticRegression(), cv=3, random_state=0)
    y = np.where(groups == 8, "rare", np.where(X[:, 0] > 0, "a", "b"))
    with pytest.warns(UserWarning, match=r"1 of 3 members are trained without the classes \['rare'\]"):
        clone(ensemble).fit(X, y, groups=groups)
    with pytest.warns(UserWarning, match="3 of 3 members .* the groups must not be y"):
        clone(ensemble).fit(X, groups // 3, groups=groups // 3)
    blend = BlendClassifier([("linear", ensemble)], class_weight={"rare": 0})
    with warnings.catch_warnings(action="error"):  # nobody wants to be trained with it
        blend.fit(X, y, groups=groups)


@pytest.mark.usefixtures("coarse_buckets")
def test_a_held_out_fold_without_weight_judges_nobody():
    X = np.random.default_rng(0).normal(size=(60, 2))
    y, weight = X[:, 0], (np.arange(60) >= 20) * 1.0
    folds = [(np.arange(20, 60), np.arange(20)), (np.arange(40), np.arange(40, 60))]
    for model in (REGRESSOR, HistGradientBoostingRegressor(early_stopping=True, random_state=0)):
        members = CrossFitRegressor(model, folds, random_state=0).fit(X, y, sample_weight=weight)
        first = members.estimators_[0]
        assert_allclose(first.predict(X), clone(first).fit(X[20:], y[20:]).predict(X), rtol=1e-5)


@pytest.mark.parametrize(
    "model",
    [LogisticRegression(C=0.3), HistGradientBoostingClassifier(max_iter=20, l2_regularization=1.0)],
)
@given(share=st.floats(1e-6, 1))
@settings(max_examples=3)
def test_weights_that_are_shares_are_as_good_as_none(iris, model, share):
    X, y = iris
    ensemble = CrossFitClassifier(model, KFold(2, shuffle=True, random_state=0), random_state=0)
    weighted = clone(ensemble).fit(X, y, sample_weight=np.full(len(y), share))
    expected = ensemble.fit(X, y).predict_proba(X)
    assert_allclose(weighted.predict_proba(X), expected, rtol=1e-3)


def test_a_y_of_few_bits_is_scaled_as_its_numbers():
    X = np.linspace(0, 1, 60)[:, None]
    y = np.linspace(0, 1000, 60).astype(np.float16)
    models = [CrossFitRegressor(Ridge(), cv=2, random_state=0, scale_y=True) for _ in range(2)]
    ours, expected = (model.fit(X, each) for model, each in zip(models, (y, y.astype(float))))
    assert_allclose(ours.predict(X), expected.predict(X))
    unchanged = ours.predict(X)
    assert_allclose(ours.set_params(scale_y=False).predict(X), unchanged)


# --- the time that is left ---------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.floats(0.1, 9)), min_size=1, max_size=20),
    st.integers(1, 8),
)
def test_the_forecast_of_members_one_after_the_other_is_the_time_that_they_take(drawn, n_members):
    """If each takes its cost. Of those in parallel none is told to take less than nothing."""
    costs = dict(drawn)
    with mock.patch("skdense.ensemble.progress.perf_counter", return_value=0.0) as clock:
        forecast, parallel = Forecast(costs, n_members, 1), Forecast(costs, n_members, 4)
        left = sum(costs.values()) * n_members
        for name, cost in costs.items():
            for _ in range(n_members):
                clock.return_value, left = clock.return_value + cost, left - cost
                assert forecast.seconds_left(name) == pytest.approx(left, abs=1e-9)
                assert 0 <= parallel.seconds_left(name) <= left + 1e-9
