"""Rows in blocks: each once, on no more threads than BLAS may use, and nothing changed afterwards."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

from helpers import blas_threads
from skdense import LowLevelMLPClassifier
from skdense.core.machine.threads import BLOCK_ROWS, for_each_block

MANY = 20 * BLOCK_ROWS + 3


@settings(deadline=None)
@given(st.integers(0, 25 * BLOCK_ROWS))
def test_every_row_is_in_one_block(n_rows):
    seen = np.zeros(n_rows, int)

    def count(rows):
        assert len(seen[rows]) <= BLOCK_ROWS
        seen[rows] += 1

    for_each_block(count, n_rows)
    assert (seen == 1).all()


@pytest.mark.parametrize("limit", [1, 2])
def test_threads_are_those_that_blas_may_use(limit):
    threads, limits = set(), set()

    def note(rows):
        threads.add(threading.get_ident())
        limits.update(blas_threads())

    with threadpool_limits(limit, user_api="blas"):
        allowed = min(blas_threads())
        before = blas_threads()
        for_each_block(note, MANY)
        assert blas_threads() == before
    assert len(threads) * max(limits) <= allowed


def test_an_error_ends_the_work_and_leaves_blas_as_it_was():
    before = blas_threads()
    begun = []

    def fail(rows):
        begun.append(rows)
        raise OverflowError("of a block")

    with pytest.raises(OverflowError, match="of a block"):
        for_each_block(fail, MANY)
    assert len(begun) <= max(before)
    assert blas_threads() == before


def test_the_callers_errstate_holds_in_every_block():
    states = set()
    with np.errstate(over="raise"):
        for_each_block(lambda rows: states.add(np.geterr()["over"]), MANY)
    assert states == {"raise"}


def test_work_within_work_does_without_threads():
    """What MLPClassifier's users may do at once: predict in several threads."""
    before = blas_threads()
    inner = []

    def outer(rows):
        if rows.start == 0:
            for_each_block(lambda rows: inner.append(threading.get_ident()), MANY)

    for_each_block(outer, MANY)
    assert len(inner) == 21
    assert len(set(inner)) == 1
    assert blas_threads() == before


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("n_samples", [1, BLOCK_ROWS, BLOCK_ROWS + 1, MANY])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_predictions_are_those_of_mlp_classifier(n_samples, dtype):
    rng = np.random.RandomState(0)
    X = rng.normal(size=(n_samples, 5)).astype(dtype)
    X_train, y_train = rng.normal(size=(60, 5)).astype(dtype), np.arange(60) % 3
    parameters = {"hidden_layer_sizes": (8, 8), "solver": "lbfgs", "max_iter": 10, "random_state": 0}
    theirs = MLPClassifier(**parameters).fit(X_train, y_train)
    ours = LowLevelMLPClassifier(**parameters).fit(X_train, y_train)
    ours.coefs_, ours.intercepts_ = theirs.coefs_, theirs.intercepts_

    expected = theirs.predict_proba(X)
    before = blas_threads()
    with ThreadPoolExecutor(2) as executor:  # two at once: the second has no threads of its own
        for probabilities in executor.map(ours.predict_proba, [X, X]):
            assert_allclose(probabilities, expected, rtol=1e-4 if dtype == "float32" else 1e-11)
            assert probabilities.dtype == expected.dtype
    assert blas_threads() == before
