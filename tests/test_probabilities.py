"""Probabilities and their logarithms, from networks whose logits are X itself: laws for all logits.

A linear network with identity kernels and zero biases is set by hand, as a user may, so nothing is
trained but to have a fitted estimator.
"""

from functools import cache

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import expit, logsumexp
from sklearn.neural_network import MLPClassifier

from helpers import with_parameters_of
from skdense import LowLevelMLPClassifier

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

LABELS = {
    "binary": np.array(["no", "yes"] * 6),
    "three classes": np.arange(12) % 3,
    "multilabel": np.arange(36).reshape(12, 3) % 2,
}
N_OUTPUTS = {"binary": 1, "three classes": 3, "multilabel": 3}
DTYPES = ["float32", "float64"]


@cache
def logits_network(problem, dtype="float64", loss="log_loss"):
    """A network whose logits are X."""
    n_outputs = N_OUTPUTS[problem]
    X = np.random.default_rng(0).normal(size=(12, n_outputs))
    parameters = {"hidden_layer_sizes": (), "solver": "lbfgs", "max_iter": 1, "random_state": 0}
    if loss == "log_loss":  # needs no program
        theirs = MLPClassifier(**parameters).fit(X, LABELS[problem])
        network = with_parameters_of(theirs)
    else:
        network = LowLevelMLPClassifier(**parameters, loss=loss).fit(X, LABELS[problem])
    network.coefs_ = [np.eye(n_outputs, dtype=dtype)]
    network.intercepts_ = [np.zeros(n_outputs, dtype=dtype)]
    return network


def logits_of(problem, dtype, largest):
    """Up to 8 rows of logits from small to extreme."""
    sizes = st.one_of(
        st.floats(-10, 10, width=32),
        st.floats(-200, 200, width=32),
        st.floats(-largest, largest, width=32),
    )
    shapes = st.tuples(st.integers(1, 8), st.just(N_OUTPUTS[problem]))
    return shapes.flatmap(lambda shape: arrays(dtype, shape, elements=sizes))


examples = st.tuples(st.sampled_from(list(LABELS)), st.sampled_from(DTYPES)).flatmap(
    lambda which: st.tuples(st.just(which[0]), st.just(which[1]), logits_of(*which, 2.0**100))
)


# --- log-loss ----------------------------------------------------------------------------------------


@given(examples)
def test_probabilities_are_the_logistic_function_or_the_softmax_and_decide_predictions(example):
    problem, dtype, logits = example
    network = logits_network(problem, dtype)
    predictions, probabilities = network.predict(logits), network.predict_proba(logits)

    exact, eps = logits.astype(np.longdouble), np.finfo(dtype).eps
    if problem == "three classes":
        weights = np.exp(exact - exact.max(axis=1, keepdims=True))
        expected = weights / weights.sum(axis=1, keepdims=True)
        np.testing.assert_array_equal(predictions, network.classes_[probabilities.argmax(axis=1)])
    elif problem == "binary":
        expected = expit(np.hstack([-exact, exact]))
        np.testing.assert_array_equal(predictions == "yes", probabilities[:, 1] > 0.5)
    else:
        expected = expit(exact)
        np.testing.assert_array_equal(predictions, probabilities > 0.5)
    assert probabilities.dtype == dtype
    assert ((probabilities >= 0) & (probabilities <= 1)).all()
    np.testing.assert_allclose(probabilities, expected, rtol=0, atol=2 * eps)
    if problem != "multilabel":
        sums = probabilities.sum(axis=1)
        assert sums.dtype == dtype
        # One rounding of 1 - p for two classes; of the quotients and the sum for three.
        assert np.abs(sums - 1).max() <= {2: 1, 3: 2}[probabilities.shape[1]] * eps


@given(examples)
def test_no_logarithm_is_infinite_and_all_are_those_of_the_probabilities_in_their_order(example):
    problem, dtype, logits = example
    network, eps = logits_network(problem, dtype), np.finfo(dtype).eps
    probabilities, logarithms = network.predict_proba(logits), network.predict_log_proba(logits)

    assert logarithms.dtype == dtype
    assert logarithms.shape == probabilities.shape
    assert np.isfinite(logarithms).all()
    assert (logarithms <= 0).all()
    np.testing.assert_allclose(np.exp(logarithms), probabilities, rtol=0, atol=3 * eps)
    for p, log_p in zip(probabilities, logarithms):
        clearly = p[:, None] > p + 4 * eps
        assert (log_p[:, None] > log_p)[clearly].all()


@given(st.sampled_from(["binary", "three classes"]).flatmap(
    lambda problem: st.tuples(st.just(problem), logits_of(problem, np.float64, 2.0**100))
))  # fmt: skip
def test_logarithms_are_exact_where_probabilities_round_to_zero_or_one(example):
    problem, logits = example

    logarithms = logits_network(problem).predict_log_proba(logits)

    if problem == "binary":
        logits = np.hstack([np.zeros_like(logits), logits])
    # log p of a class is minus the log of the sum of exp of every class's lead over it.
    leads = logits[:, None, :] - logits[:, :, None]
    rest = np.where(np.eye(logits.shape[1], dtype=bool), -np.inf, leads)
    expected = -np.logaddexp(0, logsumexp(rest, axis=2))
    np.testing.assert_allclose(logarithms, expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_probability_of_either_of_two_classes_is_not_0_but_that_of_three_or_a_label_may_be(dtype):
    for problem, lowest in {
        "binary": np.finfo(dtype).tiny,
        "three classes": 0,
        "multilabel": 0,
    }.items():
        X = np.full((2, N_OUTPUTS[problem]), 1e6, dtype)
        X[:, 0] *= [1, -1]
        probabilities = logits_network(problem, dtype).predict_proba(X)
        assert probabilities.dtype == dtype
        assert probabilities.min() == lowest


def test_an_undecided_network_predicts_the_first_class_and_no_label():
    zeros = np.zeros((2, 3))

    np.testing.assert_array_equal(logits_network("binary").predict(zeros[:, :1]), ["no", "no"])
    np.testing.assert_array_equal(logits_network("three classes").predict(zeros), [0, 0])
    np.testing.assert_array_equal(logits_network("multilabel").predict(zeros), zeros)


def test_sparse_labels_give_the_same_network_and_sparse_predictions():
    X, y = np.random.default_rng(0).normal(size=(12, 3)), LABELS["multilabel"]
    parameters = {"hidden_layer_sizes": (), "solver": "lbfgs", "max_iter": 1, "random_state": 0}

    dense, sparse = (LowLevelMLPClassifier(**parameters).fit(X, its) for its in (y, sp.csr_array(y)))

    np.testing.assert_array_equal(sparse.predict_proba(X), dense.predict_proba(X))
    assert sp.issparse(sparse.predict(X))
    np.testing.assert_array_equal(sparse.predict(X).toarray(), dense.predict(X))


# --- squared error -----------------------------------------------------------------------------------

squared_error_examples = st.tuples(st.sampled_from(list(LABELS)), st.sampled_from(DTYPES)).flatmap(
    lambda which: st.tuples(
        st.just(which[0]),
        st.just(which[1]),
        st.integers(1, 8).flatmap(
            lambda n: arrays(which[1], (n, N_OUTPUTS[which[0]]), elements=st.floats(-3, 3, width=32))
        ),
    )
)


@given(squared_error_examples)
def test_outputs_of_a_squared_error_are_clipped_to_probabilities(example):
    problem, dtype, outputs = example
    network = logits_network(problem, dtype, "squared_error")
    eps = np.finfo(dtype).eps
    assert network.out_activation_ == "identity"

    probabilities = network.predict_proba(outputs)

    if problem == "three classes":
        positive = np.maximum(outputs, eps)
        expected = positive / positive.sum(axis=1, keepdims=True)
        np.testing.assert_array_equal(network.predict(outputs), expected.argmax(axis=1))
    else:
        expected = np.clip(outputs, eps, 1 - eps)
        np.testing.assert_array_equal(
            network.predict(outputs) == ("yes" if problem == "binary" else 1),
            outputs.ravel() > 0.5 if problem == "binary" else outputs > 0.5,
        )
        if problem == "binary":
            expected = np.hstack([1 - expected, expected])
    assert probabilities.dtype == dtype
    np.testing.assert_allclose(probabilities, expected, rtol=2 * eps)
    if problem != "multilabel":
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=0, atol=2 * eps)
    logarithms = network.predict_log_proba(outputs)
    assert logarithms.dtype == dtype
    assert np.isfinite(logarithms).all()
    np.testing.assert_array_equal(logarithms, np.log(probabilities))


# --- dtypes, rows and blocks -------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["predict_proba", "predict_log_proba"])
@pytest.mark.parametrize("loss", ["log_loss", "squared_error"])
@pytest.mark.parametrize("problem", LABELS)
def test_the_dtype_is_numpys_promotion_of_x_and_the_kernels(problem, loss, method):
    X = np.ones((2, N_OUTPUTS[problem]))
    for of_X in ("float16", "float32", "float64", "int8", "uint8", "int16", "int32", "int64", "bool"):
        for of_kernels in DTYPES:
            network = logits_network(problem, of_kernels, loss)
            dtype = getattr(network, method)(X.astype(of_X)).dtype
            assert dtype == np.result_type(of_X, of_kernels)


@pytest.mark.parametrize("of_fit", DTYPES)
def test_whatever_numbers_x_has_probabilities_are_those_of_mlp_classifier(of_fit):
    """Also in the dtype, and for more rows than are predicted at once."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 2, (3000, 3))
    parameters = {"hidden_layer_sizes": (4,), "max_iter": 2, "random_state": 0}
    train, y = rng.normal(size=(60, 3)).astype(of_fit), np.arange(60) % 3
    ours = LowLevelMLPClassifier(**parameters).fit(train, y)
    theirs = MLPClassifier(**parameters).fit(train, y)

    for of_X in ("float16", "uint8", "int16", "int64", "bool", "object"):
        rows = X.astype(of_X)
        sparse = [] if of_X in ("float16", "object") else [sp.csr_array(rows)]
        for few_or_many in (rows[:7], rows, *sparse):
            probabilities = ours.predict_proba(few_or_many)
            expected = theirs.predict_proba(few_or_many)
            assert probabilities.dtype == expected.dtype
            np.testing.assert_allclose(probabilities, expected, rtol=0, atol=1e-5)


def test_no_rows_are_an_error():
    with pytest.raises(ValueError, match="0 sample"):
        logits_network("three classes").predict_proba(np.empty((0, 3)))


# --- the smallest fits -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n_samples", "y"),
    [
        (5, ["only"] * 5),
        (1, ["only"]),
        (1, [3]),
        (1, [[1, 0, 1]]),
        (5, [[0, 0, 0]] * 5),
        (2, ["no", "yes"]),
    ],
    ids=["one class", "one sample", "one integer", "one multilabel sample", "no labels", "two samples"],
)
def test_one_class_or_one_sample_fits_as_in_mlp_classifier(n_samples, y):
    X = np.random.default_rng(0).normal(size=(n_samples, 4))
    parameters = {"hidden_layer_sizes": (5,), "max_iter": 20, "learning_rate_init": 0.1}
    parameters["random_state"] = 0

    ours = LowLevelMLPClassifier(**parameters).fit(X, y)
    theirs = MLPClassifier(**parameters).fit(X, y)

    np.testing.assert_array_equal(ours.classes_, theirs.classes_)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
    assert ours.predict_proba(X).shape == theirs.predict_proba(X).shape
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=0, atol=1e-9)
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=0, atol=1e-9)
    assert np.isfinite(ours.predict_log_proba(X)).all()


@pytest.mark.parametrize("loss", ["log_loss", "squared_error"])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_the_only_class_is_always_right_as_in_mlp_classifier(early_stopping, loss):
    X = np.random.default_rng(0).normal(size=(60, 6))
    y = np.full(60, 7)
    parameters = {
        "hidden_layer_sizes": (5,), "n_iter_no_change": 3, "learning_rate_init": 0.1, "max_iter": 60,
        "random_state": 3, "early_stopping": early_stopping,
    }  # fmt: skip

    ours = LowLevelMLPClassifier(**parameters, loss=loss).fit(X, y)

    assert set(ours.accuracy_curve_) == {1.0}
    assert ours.score(1e6 * X, y) == 1
    if early_stopping:
        assert set(ours.validation_scores_) == {1.0}
    if loss == "log_loss":
        theirs = MLPClassifier(**parameters).fit(X, y)
        assert ours.n_iter_ == theirs.n_iter_
        assert ours.validation_scores_ == theirs.validation_scores_
        np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-9)
        np.testing.assert_allclose(ours.coefs_[0], theirs.coefs_[0], rtol=0, atol=1e-9)


def test_the_only_class_of_partial_fit_and_of_a_validation_set_is_right_too():
    X = np.random.default_rng(0).normal(size=(60, 6))
    y = np.full(60, "only")
    first = LowLevelMLPClassifier((5,), random_state=0).partial_fit(X, y, classes=["only"])
    validated = LowLevelMLPClassifier((5,), max_iter=3, random_state=0)
    validated.fit(X, y, X_val=X[:6], y_val=y[:6])

    assert first.accuracy_curve_ == [1.0]
    assert validated.validation_scores_ == [1.0] * 3
