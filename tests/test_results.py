"""A network that gives every sample the same output says so, with cause and cure; no other does."""

import re
import warnings

import numpy as np
import pytest
from joblib import parallel_config
from scipy.optimize import minimize_scalar
from scipy.sparse import csr_matrix
from scipy.special import huber, rel_entr
from sklearn.base import clone
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.model_selection import cross_val_score
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import scale

from helpers import OF_NOTEBOOK
from skdense import LowLevelMLPClassifier, LowLevelMLPRegressor, fit_many
from skdense.core.formulas.losses import LOSSES
from skdense.datasets import make_two_clouds
from skdense.exceptions import CollapseWarning
from skdense.fit.inputs import FitInput
from skdense.fit.prepare import prepare
from skdense.fit.results import find_collapse, likely_cause
from skdense.fit.targets import learn_encoder
from skdense.inspection import dead_unit_masks

X, y = make_two_clouds(100, random_state=0)
NOTEBOOK = LowLevelMLPClassifier((5, 5), **OF_NOTEBOOK, batch_size=10, max_iter=30, random_state=0)


def warnings_of(function):
    """What a call warns of: the instances, in order."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        function()
    return [each.message for each in caught]


def collapses_of(function):
    """The texts of the collapses that a call warns of."""
    return [str(each) for each in warnings_of(function) if isinstance(each, CollapseWarning)]


def with_dead_layer(estimator, layer=0):
    """A fitted copy whose hidden layer of this index is dead, to go on from."""
    fitted = clone(estimator).set_params(max_iter=1, warm_start=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted.fit(X, y)
    fitted.intercepts_[layer][:] = -1e6
    return fitted.set_params(max_iter=estimator.max_iter)


def look(estimator, X, y, loss=np.inf):
    """The texts of the collapses found if the training of `fit` has ended at once, with this loss."""
    job = prepare(estimator, FitInput(X, y))
    finding = find_collapse(job, job.networks[0], loss, ended_by_itself=False)
    return [] if finding is None else [finding]


@pytest.mark.parametrize("shuffle", [False, True])
def test_a_collapsed_network_of_the_notebook_names_its_layer_the_cause_and_the_cure(shuffle):
    """In class order the loss is below that of 1/2, as the output bias follows the classes."""
    network = clone(NOTEBOOK).set_params(shuffle=shuffle)

    (warning,) = warnings_of(lambda: network.fit(X, y))

    assert dead_unit_masks(network, X)[1].all()
    assert network.score(X, y) == 0.5
    assert isinstance(warning, CollapseWarning)
    text = str(warning)
    for part in (
        "5 of the 5 units of hidden layer 2",
        "init='uniform'",
        "init='glorot_uniform'",
        "0.1",
    ):
        assert part in text
    assert "scale" not in text


def test_what_it_names_as_the_cure_is_one():
    assert not collapses_of(lambda: clone(NOTEBOOK).set_params(init="glorot_uniform").fit(X, y))


def test_features_that_are_not_scaled_are_named_as_the_cause():
    network = clone(NOTEBOOK).set_params(init="glorot_uniform", random_state=2)
    (text,) = collapses_of(lambda: network.fit(X * np.float32(1000), y))
    assert "features are not scaled" in text
    assert "StandardScaler" in text
    assert not re.search(r"\binit\b", text)


@pytest.mark.parametrize("activation", ["relu", "logistic"])
def test_a_layer_that_was_dead_before_is_found(activation):
    network = with_dead_layer(NOTEBOOK).set_params(activation=activation)
    (text,) = look(network, X, y)
    assert "5 of the 5 units of hidden layer 1" in text
    assert ("saturated" in text) == (activation == "logistic")
    assert "init='uniform'" not in text  # training went on from other parameters than it draws


def test_units_are_dead_where_a_collapse_is_found_even_if_rounding_differs():
    network = with_dead_layer(NOTEBOOK).set_params(activation="tanh")
    network.coefs_[0] *= 1e-9
    network.intercepts_[0][:] = 0.5
    assert 0 < np.ptp(np.tanh(X @ network.coefs_[0] + 0.5)) < 1e-6
    assert look(network, X, y)
    assert dead_unit_masks(network, X)[0].all()


def curved():
    """A parabola divides the classes. It is the data of scikit-learn's issue 31235."""
    X = np.random.RandomState(1).random_sample((500, 2))
    return X, (X[:, 0] + (2 * (X[:, 1] - 0.5)) ** 2 >= 0.75).astype(int)


def test_a_training_that_stopped_before_its_logistic_units_differ_names_cures_that_are_some():
    X, y = curved()
    settings = {"hidden_layer_sizes": (20, 20), "activation": "logistic", "random_state": 42}
    network, theirs = LowLevelMLPClassifier(**settings), MLPClassifier(**settings)

    (warning,) = warnings_of(lambda: network.fit(X, y))

    assert len(set(network.predict(X))) == len(set(theirs.fit(X, y).predict(X))) == 1
    assert isinstance(warning, CollapseWarning)
    for cure, changed in {
        "activation='relu'": {"activation": "relu"},
        "learning_rate_init above 0.001": {"learning_rate_init": 0.01},
        "tol below 0.0001": {"tol": 1e-5},
        "StandardScaler": {},
    }.items():
        assert cure in str(warning)
        its_X = X if changed else scale(X)
        cured = clone(network).set_params(**changed)
        assert not collapses_of(lambda net=cured, X=its_X: net.fit(X, y))
        assert cured.score(its_X, y) > 0.7


def test_nearly_constant_units_after_few_epochs_are_no_collapse():
    X, y = curved()
    network = LowLevelMLPClassifier((20, 20), activation="logistic", max_iter=3, random_state=42)
    (warning,) = warnings_of(lambda: network.fit(X, y))
    assert type(warning) is ConvergenceWarning


def test_a_network_that_finds_nothing_to_learn_is_no_collapse():
    X, y = curved()
    noise = np.random.default_rng(0).permutation(y)
    assert not collapses_of(lambda: LowLevelMLPClassifier((20, 20), random_state=42).fit(X, noise))


def test_most_units_are_enough_where_nothing_was_learned():
    network = with_dead_layer(clone(NOTEBOOK).set_params(init="glorot_uniform", shuffle=True))
    network.intercepts_[0][0] = 1
    network.coefs_[0][:, 0] = 0.01
    noise = np.random.default_rng(0).permutation(y)

    texts = collapses_of(lambda: network.fit(X, noise))

    assert len(texts) == (network.loss_ >= 0.25)
    assert all("4 of the 5 units of hidden layer 1" in text for text in texts)
    assert not collapses_of(lambda: network.fit(X, y))


def test_data_without_information_are_no_collapse():
    dead = with_dead_layer(NOTEBOOK)
    assert look(dead, X, y)
    assert not look(dead, np.ones_like(X), y)
    assert not look(clone(NOTEBOOK), X, np.zeros_like(y))


def test_only_a_loss_near_that_of_a_constant_makes_it_look():
    dead = with_dead_layer(NOTEBOOK)
    assert look(dead, X, y, loss=0.13)
    assert not look(dead, X, y, loss=0.12)


def test_sparse_features_and_many_rows_are_looked_at():
    dead = with_dead_layer(NOTEBOOK)
    assert look(dead, csr_matrix(X), y)
    many = np.tile(X, (30, 1)), np.tile(y, 30)
    assert look(dead, *many)
    # A single sample among thousands wakes the network up.
    for kernel in dead.coefs_:
        kernel[:] = 1
    dead.intercepts_[1][:] = 0
    assert look(dead, *many)
    many[0][4321] = 1e9
    assert not look(dead, *many)


def test_partial_fit_does_not_look():
    assert not warnings_of(lambda: with_dead_layer(NOTEBOOK).partial_fit(X, y))


def test_every_way_to_fit_warns():
    """And where a collapse is known, nothing is said of too few epochs."""
    alone = warnings_of(lambda: clone(NOTEBOOK).fit(X, y))
    assert list(map(str, warnings_of(lambda: fit_many([clone(NOTEBOOK)], X, y)))) == list(
        map(str, alone)
    )
    several = [clone(NOTEBOOK) for _ in range(3)]
    assert len(collapses_of(lambda: fit_many(several, X, y))) == 3
    with parallel_config("threading", n_jobs=2):
        assert len(collapses_of(lambda: cross_val_score(NOTEBOOK, X, y, cv=3))) == 3


def test_of_several_draws_only_the_best_counts():
    network = clone(NOTEBOOK).set_params(init="he_uniform", learning_rate_init=0.01, n_init=2)
    assert not collapses_of(lambda: network.fit(X, y))


def test_a_regressor_that_failed_says_that_y_is_not_scaled():
    job = prepare(LowLevelMLPRegressor(), FitInput(X, 1000 * X[:, 0]))
    text = likely_cause(job, job.networks[0])
    assert "y is not scaled" in text
    assert "TransformedTargetRegressor" in text


def test_lbfgs_has_no_learning_rate_to_blame():
    job = prepare(LowLevelMLPRegressor(solver="lbfgs", n_init=2), FitInput(X, X[:, 0]))
    assert likely_cause(job, job.networks[0]) == "Try another random_state."


# --- the loss of the best constant output, against scikit-learn's dummies ----------------------------

WEIGHTS = np.random.default_rng(0).uniform(0, 2, len(y))
COUNTS = np.random.default_rng(1).poisson(3.0, (len(y), 2)).astype(float)


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["equal", "weighted"])
@pytest.mark.parametrize("labels", [y > 0, COUNTS[:, 0] % 3], ids=["binary", "multiclass"])
def test_the_log_loss_of_a_constant_is_that_of_the_class_frequencies(labels, weights):
    clf = LowLevelMLPClassifier()
    targets = learn_encoder(clf, labels, FitInput(X, labels), continues=False)
    dummy = DummyClassifier(strategy="prior").fit(X, labels, weights)
    expected = log_loss(labels, dummy.predict_proba(X), sample_weight=weights)
    baseline_loss = targets.loss.baseline_loss(targets.encode(labels), weights)
    assert baseline_loss == pytest.approx(expected)
    # Smoothed labels are as many others of each class: those of a constant's frequencies.
    shares = 0.9 * dummy.class_prior_ + 0.1 / len(dummy.class_prior_)
    smoothed = targets.loss.baseline_loss(targets.encode(labels), weights, 0.1)
    assert smoothed == pytest.approx(-shares @ np.log(shares))


def test_a_good_network_with_dead_units_has_not_collapsed_where_labels_are_smoothed():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1000, 2)).astype(np.float32)
    labels = X[:, 0] > 2
    assert 0 < labels.mean() < 0.04
    clf = LowLevelMLPClassifier((8,), label_smoothing=0.05, learning_rate_init=0.01, random_state=0)
    clf.fit(X, labels)
    assert clf.score(X, labels) > 0.99
    clf.coefs_[0][:, :5], clf.intercepts_[0][:5] = 0, -1  # most units are dead
    clf.set_params(warm_start=True, max_iter=30)
    with warnings.catch_warnings():
        warnings.simplefilter("error", CollapseWarning)
        clf.fit(X, labels)
    assert np.mean(dead_unit_masks(clf, X)[0]) > 0.5


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["equal", "weighted"])
@pytest.mark.parametrize("loss", ["squared_error", "poisson", "absolute_error", "quantile"])
def test_the_loss_of_a_constant_is_that_of_a_dummy_regressor(loss, weights):
    strategy = {"absolute_error": "median", "quantile": "quantile"}.get(loss, "mean")
    dummy = DummyRegressor(strategy=strategy, quantile=0.8 if loss == "quantile" else None)
    constant = dummy.fit(X, COUNTS, weights).predict(X)
    losses = {
        "squared_error": lambda: (COUNTS - constant) ** 2 / 4,
        "poisson": lambda: rel_entr(COUNTS, constant),
        "absolute_error": lambda: np.abs(COUNTS - constant),
        "quantile": lambda: np.maximum(0.8 * (COUNTS - constant), 0.2 * (constant - COUNTS)),
    }[loss]()
    expected = np.average(losses.sum(axis=1), weights=weights)
    parameter = [0.8] if loss == "quantile" else []
    baseline_loss = LOSSES["regression"][loss].baseline_loss(COUNTS, weights, *parameter)
    assert baseline_loss == pytest.approx(expected)


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["equal", "weighted"])
@pytest.mark.parametrize("delta", [0.01, 1.0, 100.0])
def test_the_huber_loss_of_a_constant_is_the_lowest_that_scipy_finds(delta, weights):
    def loss_of(constant, column):
        return np.average(huber(delta, column - constant), weights=weights)

    minima = [
        minimize_scalar(loss_of, args=(column,), bounds=(0, 10), options={"xatol": 1e-10}).fun
        for column in COUNTS.T
    ]
    baseline_loss = LOSSES["regression"]["huber"].baseline_loss(COUNTS, weights, delta)
    assert baseline_loss == pytest.approx(sum(minima), rel=1e-9)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int8])
@pytest.mark.parametrize("loss", ["absolute_error", "quantile", "huber"])
def test_the_loss_of_a_constant_does_not_depend_on_the_type_of_y(loss, dtype):
    y = np.array([[0], [1], [1], [0], [1]], dtype)
    number = [0.5] if loss != "absolute_error" else []
    baseline = LOSSES["regression"][loss].baseline_loss
    assert baseline(y, None, *number) == baseline(y.astype(float), None, *number)
