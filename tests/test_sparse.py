"""Sparse X: the same results as with the dense X, whatever its format, and never made dense whole.

MLPClassifier fits the dense X, where it can. Nearly all fits share one shape, of 24 features, widths
(8,) and batches of 25; rows of 9 non-zeros or more are multiplied as dense ones, and rows of fewer by
gathering rows of the kernel.
"""

from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import log_loss
from sklearn.neural_network import MLPClassifier

from helpers import OURS, numbers_of
from skdense import LowLevelMLPClassifier
from skdense.core.machine import costs
from skdense.core.machine.tensorflow import tf
from skdense.core.program import stores

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

N_FEATURES = 24
SETTINGS = {
    "hidden_layer_sizes": (8,), "batch_size": 25, "learning_rate_init": 0.01, "max_iter": 4,
    "random_state": 0,
}  # fmt: skip


def make_sparse_problem(n_rows=100, density=0.2, kind="binary", seed=0, dtype=np.float64):
    """A dense X of which most is zero, and labels that depend on it."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, N_FEATURES)) * (rng.random((n_rows, N_FEATURES)) < density)
    scores = X @ rng.normal(size=(N_FEATURES, 3)) + 0.5 * rng.normal(size=(n_rows, 3))
    y = (scores[:, 0] > 0).astype(int) if kind == "binary" else scores.argmax(axis=1)
    return X.astype(dtype), y


def assert_same_model(model, reference, X_sparse, X, rtol=1e-9):
    ours, theirs = numbers_of(model), numbers_of(reference)
    assert ours.keys() - OURS == theirs.keys() - OURS
    for name, number in theirs.items():
        np.testing.assert_allclose(ours[name], number, rtol=rtol, atol=rtol, err_msg=name)
    assert model.coefs_[0].dtype == reference.coefs_[0].dtype
    probabilities = model.predict_proba(X_sparse)
    np.testing.assert_allclose(probabilities, reference.predict_proba(X), rtol=0, atol=10 * rtol)
    np.testing.assert_array_equal(model.predict(X_sparse), reference.predict(X))


# --- formats -----------------------------------------------------------------------------------------


def with_int64_indices(X):
    matrix = sp.csr_array(X)
    matrix.indices, matrix.indptr = matrix.indices.astype(np.int64), matrix.indptr.astype(np.int64)
    return matrix


def with_explicit_zeros(X):
    """Some zeros of each row are stored."""
    rows, columns = np.nonzero((X != 0) | (np.arange(X.size).reshape(X.shape) % 9 == 0))
    return sp.csr_array((X[rows, columns], (rows, columns)), shape=X.shape)


def with_unsorted_indices(X):
    matrix = sp.csr_array(X)
    for start, end in pairwise(matrix.indptr):
        matrix.indices[start:end] = matrix.indices[start:end][::-1].copy()
        matrix.data[start:end] = matrix.data[start:end][::-1].copy()
    matrix.has_sorted_indices = False
    return matrix


def with_duplicates(X):
    """Every entry is stored twice, as halves, which add up exactly."""
    matrix = sp.csr_array(X)
    return sp.csr_array(
        (matrix.data.repeat(2) / 2, matrix.indices.repeat(2), matrix.indptr * 2), shape=X.shape
    )


FORMATS = {
    "CSR array": sp.csr_array,
    "CSC array": sp.csc_array,
    "int64 indices": with_int64_indices,
    "explicit zeros": with_explicit_zeros,
    "unsorted indices": with_unsorted_indices,
    "duplicates": with_duplicates,
}


@pytest.fixture(scope="module")
def dense_fit():
    X, y = make_sparse_problem(density=0.25)
    X[[0, 7, 99]] = 0  # empty rows, the first and the last among them
    return X, y, LowLevelMLPClassifier(**SETTINGS).fit(X, y)


@pytest.mark.parametrize("to_sparse", FORMATS.values(), ids=FORMATS)
def test_every_format_gives_the_model_of_the_dense_x_and_stays_as_it_was(to_sparse, dense_fit):
    X, y, reference = dense_fit
    X_sparse, before = to_sparse(X), to_sparse(X)
    np.testing.assert_array_equal(X_sparse.toarray(), X)

    model = LowLevelMLPClassifier(**SETTINGS).fit(X_sparse, y)

    assert_same_model(model, reference, X_sparse, X)
    for part in ("data", "indices", "indptr"):
        np.testing.assert_array_equal(getattr(X_sparse, part), getattr(before, part))


# --- every density, every way of multiplying ---------------------------------------------------------


# Of each kind of rows those that share a program: without entries, short and long.
DENSITIES = st.one_of(st.just(0.0), st.floats(0.2, 0.25), st.floats(0.97, 1))


@settings(max_examples=12)
@given(n_rows=st.integers(90, 128), density=DENSITIES, seed=st.integers(0, 2**32 - 1))
def test_a_sparse_fit_is_the_dense_fit_whatever_the_density(n_rows, density, seed):
    X, y = make_sparse_problem(n_rows, density, seed=seed)
    X_sparse = sp.csr_array(X)

    model = LowLevelMLPClassifier(**SETTINGS).fit(X_sparse, y)

    assert_same_model(model, MLPClassifier(**SETTINGS).fit(X, y), X_sparse, X)


@pytest.mark.parametrize(("density", "made_dense"), [(0.2, False), (1.0, True)])
def test_only_minibatches_of_long_rows_are_made_dense(density, made_dense, monkeypatch):
    made = []
    real_dense = stores.SparseRows._dense

    def dense(rows):
        made.append(rows)
        return real_dense(rows)

    monkeypatch.setattr(stores.SparseRows, "_dense", dense)
    # Widths that no fit before has had, and no folder, so that the program is made here.
    monkeypatch.setenv("SKDENSE_CACHE_DIR", "")
    width = {"hidden_layer_sizes": (30,)} if made_dense else {"hidden_layer_sizes": ()}
    X, y = make_sparse_problem(density=density)

    model = LowLevelMLPClassifier(**SETTINGS | width).fit(sp.csr_array(X), y)

    assert bool(made) == made_dense
    assert_same_model(model, MLPClassifier(**SETTINGS | width).fit(X, y), sp.csr_array(X), X)


@given(st.integers(1, 5), st.integers(1, 6), st.integers(1, 4), st.integers(0, 99))
def test_both_ways_of_multiplying_are_the_dense_product(batch, row_entries, fan_out, seed):
    rng = np.random.default_rng(seed)
    columns = rng.integers(7, size=(batch, row_entries), dtype=np.int32)
    values = rng.normal(size=(batch, row_entries))
    kernel = rng.normal(size=(7, fan_out))
    expected = np.zeros((batch, fan_out))
    for b, e in np.ndindex(values.shape):
        expected[b] += values[b, e] * kernel[columns[b, e]]

    rows = stores.SparseRows(tf.constant(values), tf.constant(columns), 7)
    for dense_from in (0, np.inf):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(costs, "DENSE_FROM", dense_from)
            np.testing.assert_allclose(rows @ tf.constant(kernel), expected, rtol=0, atol=1e-13)


# --- with everything else a fit can be asked ---------------------------------------------------------

ALTERNATIVES = {
    "early stopping": {"early_stopping": True},
    "lbfgs": {"solver": "lbfgs"},
    "no hidden layer": {"hidden_layer_sizes": ()},
}


@pytest.mark.parametrize("changed", ALTERNATIVES.values(), ids=ALTERNATIVES)
def test_a_sparse_fit_is_the_dense_fit_with(changed):
    """L-BFGS multiplies rounding by far more than a few steps of gradient descent do."""
    X, y = make_sparse_problem(density=0.25)
    X_sparse, parameters = sp.csr_array(X), SETTINGS | changed

    model = LowLevelMLPClassifier(**parameters).fit(X_sparse, y)

    rtol = 1e-7 if model.solver == "lbfgs" else 1e-9
    assert_same_model(model, MLPClassifier(**parameters).fit(X, y), X_sparse, X, rtol)


def test_a_weighted_sparse_fit_of_three_classes_by_sgd_is_the_dense_fit():
    X, y = make_sparse_problem(density=0.25, kind="three classes")
    X_sparse, weights = sp.csr_array(X), np.random.default_rng(1).uniform(0, 3, len(X))
    parameters = SETTINGS | {"solver": "sgd", "learning_rate_init": 0.1}

    model = LowLevelMLPClassifier(**parameters, class_weight={1: 3.0}).fit(X_sparse, y, weights)

    weights[y == 1] *= 3
    assert_same_model(model, MLPClassifier(**parameters).fit(X, y, weights), X_sparse, X)


@pytest.mark.parametrize(
    ("of_X", "of_X_val"), [(sp.csr_array, sp.csc_matrix), (np.asarray, sp.csr_array)]
)
def test_x_and_the_validation_set_may_each_be_sparse(of_X, of_X_val):
    X, y = make_sparse_problem(density=0.25)
    X_val, y_val = make_sparse_problem(n_rows=10, density=0.25, seed=1)

    model = LowLevelMLPClassifier(**SETTINGS).fit(of_X(X), y, X_val=of_X_val(X_val), y_val=y_val)

    assert model.validation_scores_[-1] == model.score(X_val, y_val)
    loss = log_loss(y_val, model.predict_proba(X_val), labels=[0, 1])
    np.testing.assert_allclose(model.validation_loss_curve_[-1], loss, rtol=1e-9)
    reference = MLPClassifier(**SETTINGS).fit(X, y)
    np.testing.assert_allclose(model.loss_curve_, reference.loss_curve_, rtol=1e-9)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_training_that_goes_on_takes_sparse_and_dense_in_turn(method):
    X, y = make_sparse_problem(density=0.25)
    settings = SETTINGS | {"warm_start": True}
    model, reference = (estimator(**settings) for estimator in (LowLevelMLPClassifier, MLPClassifier))
    arguments = {"classes": [0, 1]} if method == "partial_fit" else {}

    for to_X in (sp.csr_array, np.asarray, sp.csc_array, sp.csr_array):
        getattr(model, method)(to_X(X), y, **arguments)
        getattr(reference, method)(X, y, **arguments)

    assert_same_model(model, reference, sp.csr_array(X), X)


def test_float32_stays_float32_and_integers_are_those_of_float64():
    X, y = make_sparse_problem(density=0.25, dtype=np.float32)
    X_sparse = sp.csr_array(X)

    model = LowLevelMLPClassifier(**SETTINGS).fit(X_sparse, y)

    assert model.predict_proba(X_sparse).dtype == np.float32
    assert_same_model(model, MLPClassifier(**SETTINGS).fit(X, y), X_sparse, X, rtol=1e-4)

    X = (4 * X).round().astype(int)
    model = LowLevelMLPClassifier(**SETTINGS).fit(sp.csr_array(X), y)
    assert model.coefs_[0].dtype == np.float64
    assert_same_model(model, MLPClassifier(**SETTINGS).fit(X, y), sp.csr_array(X), X)


@pytest.mark.parametrize("to_sparse", [sp.csr_matrix, sp.coo_array])
def test_prediction_of_many_rows_is_that_of_the_dense_ones(to_sparse, dense_fit):
    _, _, fitted = dense_fit
    X = make_sparse_problem(n_rows=5000)[0]

    for method in (fitted.predict, fitted.predict_proba, fitted.predict_log_proba):
        result = method(to_sparse(X))
        assert isinstance(result, np.ndarray)
        np.testing.assert_allclose(result, method(X), rtol=1e-12)


# --- bad input ---------------------------------------------------------------------------------------


def test_a_non_finite_entry_or_other_features_are_an_error(dense_fit):
    X, y, fitted = dense_fit

    with pytest.raises(ValueError, match="infinity"):
        LowLevelMLPClassifier(**SETTINGS).fit(sp.csr_array(np.where(X > 2, np.inf, X)), y)
    with pytest.raises(ValueError, match="expecting 24 features"):
        fitted.predict(sp.csr_array(X[:, :-1]))
