"""Tests of the out-of-fold ensembles."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import softmax
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss, r2_score
from sklearn.model_selection import KFold, RepeatedStratifiedKFold, ShuffleSplit
from sklearn.preprocessing import scale
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

from skdense import LowLevelMLPClassifier, LowLevelMLPRegressor
from skdense.ensemble import CrossFitClassifier, CrossFitRegressor

SETTINGS = {"max_iter": 60, "early_stopping": True, "learning_rate_init": 0.03}
CLASSIFIER = LowLevelMLPClassifier((8,), **SETTINGS)
REGRESSOR = LowLevelMLPRegressor(hidden_layer_sizes=(8,), **SETTINGS)


def in_float64(network):
    """The same, whatever the dtype of X is: fewer programs to compile."""
    return clone(network).set_params(dtype="float64")


@parametrize_with_checks([CrossFitClassifier(in_float64(CLASSIFIER), cv=2)])
def test_every_check_of_scikit_learn_passes(estimator, check):
    check(estimator)


def checks_of_regressors():
    """What is different for regressors; the rest of their code is that of the classifier."""
    ensemble = CrossFitRegressor(in_float64(REGRESSOR), cv=2)
    for estimator, check in estimator_checks_generator(ensemble):
        name = check.func.__name__
        if any(part in name for part in ("regress", "fit2d", "weights_", "supervised_y", "pickle")):
            yield pytest.param(estimator, check, id=name)


@pytest.mark.parametrize(("estimator", "check"), checks_of_regressors())
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


def test_each_network_is_the_one_that_its_fold_alone_would_stop(iris, ensemble):
    X, y = iris
    for network, (train, held_out) in zip(ensemble.estimators_, folds(X), strict=True):
        alone = clone(network).fit(X[train], y[train], X_val=X[held_out], y_val=y[held_out])
        for ours, its in zip(network.coefs_, alone.coefs_, strict=True):
            assert_allclose(ours, its, rtol=1e-6, atol=1e-9)


def test_the_probabilities_are_the_mean_over_the_networks_at_the_temperature(iris, ensemble):
    X, _ = iris
    each = [
        softmax(network.predict_log_proba(X) / ensemble.temperature_, axis=1)
        for network in ensemble.estimators_
    ]
    assert_allclose(ensemble.predict_proba(X), np.mean(each, axis=0))
    assert_array_equal(ensemble.predict(X), ensemble.classes_[np.mean(each, axis=0).argmax(axis=1)])


def test_the_temperature_has_the_lowest_out_of_fold_log_loss(iris, ensemble):
    X, y = iris
    log_probabilities = np.empty((len(y), 3))
    for network, (_, held_out) in zip(ensemble.estimators_, folds(X), strict=True):
        log_probabilities[held_out] = network.predict_log_proba(X[held_out])
    losses = {
        T: log_loss(y, softmax(log_probabilities / T, axis=1)) for T in np.geomspace(0.1, 10, 401)
    }
    best = min(losses, key=losses.get)
    assert_allclose(ensemble.temperature_, best, rtol=0.02)
    assert_allclose(
        ensemble.oof_probabilities_, softmax(log_probabilities / ensemble.temperature_, axis=1)
    )
    predicted = ensemble.classes_[ensemble.oof_probabilities_.argmax(axis=1)]
    assert ensemble.oof_score_ == accuracy_score(y, predicted)


def test_a_sample_held_out_twice_has_the_mean_and_one_never_held_out_has_none(iris):
    X, y = iris
    twice = RepeatedStratifiedKFold(n_splits=3, n_repeats=2, random_state=0)
    repeated = CrossFitClassifier(CLASSIFIER, twice, random_state=0).fit(X, y)
    assert len(repeated.estimators_) == 6
    assert_allclose(repeated.oof_probabilities_.sum(axis=1), 1)
    once = ShuffleSplit(n_splits=1, test_size=50, random_state=0)
    single = CrossFitClassifier(CLASSIFIER, once, random_state=0).fit(X, y)
    ((_, held_out),) = once.split(X)
    assert_array_equal(np.flatnonzero(~np.isnan(single.oof_probabilities_[:, 0])), np.sort(held_out))
    assert 0 < single.oof_score_ <= 1


def test_a_network_knows_a_class_of_which_its_fold_has_all_samples(iris):
    X, y = iris
    thirds = [(np.flatnonzero(y != name), np.flatnonzero(y == name)) for name in np.unique(y)]
    ensemble = CrossFitClassifier(CLASSIFIER, thirds, random_state=0).fit(X, y)
    assert all(len(network.classes_) == 3 for network in ensemble.estimators_)


def test_weights_count_in_the_out_of_fold_score():
    X, y = (scale(part) for part in load_diabetes(return_X_y=True))
    weight = np.random.default_rng(0).uniform(size=len(y))
    ensemble = CrossFitRegressor(REGRESSOR, cv=3, random_state=0).fit(X, y, sample_weight=weight)
    assert ensemble.oof_score_ == r2_score(y, ensemble.oof_prediction_, sample_weight=weight)
    assert ensemble.oof_score_ > 0.35
    each = [network.predict(X) for network in ensemble.estimators_]
    assert_allclose(ensemble.predict(X), np.mean(each, axis=0))


def test_a_random_state_repeats_folds_and_networks(iris):
    X, y = iris
    first, again, other = (
        CrossFitClassifier(CLASSIFIER, cv=3, random_state=seed).fit(X, y).predict_proba(X)
        for seed in (0, 0, 1)
    )
    assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_without_early_stopping_no_fold_is_validated_on(iris):
    network = clone(CLASSIFIER).set_params(early_stopping=False, solver="lbfgs", max_iter=5)
    with pytest.warns(UserWarning, match="lbfgs failed to converge"):
        ensemble = CrossFitClassifier(network, cv=3, random_state=0).fit(*iris)
    assert ensemble.oof_score_ > 0.8


def test_what_cannot_be_an_ensemble_is_refused(iris):
    X, y = iris
    with pytest.raises(TypeError, match="estimator must be a LowLevelMLPClassifier, got LogisticReg"):
        CrossFitClassifier(LogisticRegression()).fit(X, y)
    with pytest.raises(ValueError, match=r"at least two classes, got one class: \['setosa'\]"):
        CrossFitClassifier(CLASSIFIER).fit(X[:50], y[:50])
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
