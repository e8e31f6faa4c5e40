"""X in memory: if it is large it is used where it lies, but for its last rows, of few sizes."""

from threading import Event, Thread

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import log_loss
from sklearn.neural_network import MLPClassifier

from skdense import LowLevelMLPClassifier
from skdense.core.machine import costs, tensorflow
from skdense.core.machine.lazy_import import is_tested
from skdense.core.machine.tensorflow import ALIGNMENT, aligned, aligned_copy, aligned_zeros, tf
from skdense.core.network import Data
from skdense.core.program import stores

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def dense_chunk(n_rows):
    """Rows of 784 numbers, of which all but one are zeros."""
    X = np.zeros((n_rows, 784))
    X[:, 5] = np.linspace(-1, 1, n_rows)
    return X


def sparse_chunk(n_rows):
    """Rows of 800 non-zeros, and one row of 799."""
    columns = np.tile(np.arange(1, 801, dtype=np.int32), n_rows)
    starts = 800 * np.arange(n_rows + 1, dtype=np.int32)
    starts[-1] -= 1
    values = np.linspace(-1, 1, starts[-1])
    return sp.csr_array((values, columns[: starts[-1]], starts), shape=(n_rows, 1000))


@pytest.mark.parametrize("chunk", [dense_chunk, sparse_chunk])
def test_partial_fit_of_large_chunks_of_nearby_sizes_is_one_program(chunk, compiles):
    settings = {"hidden_layer_sizes": (3,), "batch_size": 1000, "random_state": 0}
    model, reference = LowLevelMLPClassifier(**settings), MLPClassifier(**settings)
    compiles()

    for n_rows in (5351, 5600):
        X = chunk(n_rows)
        assert costs.is_large(X)
        y = np.arange(n_rows) % 3 == 0
        for either in (model, reference):
            either.partial_fit(X, y, classes=[False, True])

    assert compiles() == 1
    for ours, theirs in zip(model.coefs_, reference.coefs_, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)


def test_a_wide_network_is_the_same_in_all_bits_whatever_the_machine_does_meanwhile():
    """The page "Stability" promises it for one number of threads, on which the sums may depend."""
    X = np.random.default_rng(0).normal(size=(200, 40_000))
    model = LowLevelMLPClassifier((8,), max_iter=2, random_state=0, tol=0)
    stop = Event()

    def disturb():
        while not stop.is_set():
            np.sort(X[:20], axis=1)

    def coefs():
        return model.fit(X, X[:, 0] > 0).coefs_[0]

    alone, thread = coefs(), Thread(target=disturb)
    thread.start()
    try:
        for _ in range(3):
            np.testing.assert_array_equal(coefs(), alone)
    finally:
        stop.set()
        thread.join()


def zeros(n_rows, n_features):
    """Zeros that take no memory."""
    return np.broadcast_to(np.zeros(()), (n_rows, n_features))


@given(n_features=st.integers(1, 10**7), copies=st.floats(9.1, 1000), more=st.floats(0, 1))
def test_all_of_a_large_x_is_in_place_but_for_a_bounded_number_of_bytes(n_features, copies, more):
    n_rows = int(copies * costs.COPIED_BYTES / (8 * n_features)) + 5

    def lengths_of(n_rows):
        data = Data(zeros(n_rows, n_features), zeros(n_rows, 1))
        return stores.store_shape([data], n_features).lengths

    in_place, n_last = lengths_of(n_rows)
    assert in_place <= n_rows < in_place + n_last
    assert n_last == 1 or n_last * n_features * 8 <= costs.COPIED_BYTES
    assert lengths_of(in_place + int(more * (n_last - 1))) == (in_place, n_last)


@pytest.fixture
def everything_is_large(monkeypatch):
    monkeypatch.setattr(costs, "LARGE_BYTES", 2**9)
    monkeypatch.setattr(costs, "COPIED_BYTES", 2**7)


@pytest.fixture
def problem():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(101, 8)) * (rng.random((101, 8)) < 0.3)
    return X, X @ rng.normal(size=8) > 0


SETTINGS = {"hidden_layer_sizes": (8,), "learning_rate_init": 0.02, "max_iter": 8, "random_state": 0}


@pytest.mark.usefixtures("everything_is_large")
def test_a_large_x_trains_as_by_mlp_classifier_and_a_large_validation_set_is_scored(problem):
    X, y = problem
    rows, validation = slice(71), slice(71, None)
    X_val, y_val = sp.csr_array(X[validation]), y[validation]
    model = LowLevelMLPClassifier(**SETTINGS, batch_size=20)
    model.fit(X[rows], y[rows], X_val=X_val, y_val=y_val)
    reference = MLPClassifier(**SETTINGS, batch_size=20).fit(X[rows], y[rows])

    for ours, theirs in zip(model.coefs_, reference.coefs_, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)
    last = log_loss(y_val, reference.predict_proba(X_val))
    assert model.validation_loss_curve_[-1] == pytest.approx(last)


@pytest.mark.usefixtures("everything_is_large")
def test_a_large_sparse_x_is_minimized_as_by_mlp_classifier(problem):
    X, y = problem
    model = LowLevelMLPClassifier(**SETTINGS, solver="lbfgs").fit(sp.csr_array(X), y)
    reference = MLPClassifier(**SETTINGS, solver="lbfgs").fit(sp.csr_array(X), y)

    assert model.n_iter_ == reference.n_iter_
    np.testing.assert_allclose(model.predict_proba(X), reference.predict_proba(X), rtol=1e-7)


@given(
    n=st.integers(2, 20), n_first=st.integers(1, 19), sizes=st.sampled_from([(), (3,)]),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_two_arrays_give_what_one_array_gives(n, n_first, sizes, seed):
    rng = np.random.default_rng(seed)
    array, indices = rng.normal(size=(n, *sizes)), rng.integers(n, size=5, dtype=np.int32)
    cut = stores._cut(array, (min(n_first, n), 20), sizes)

    taken = stores._take(tuple(map(tf.constant, cut)), indices)

    np.testing.assert_array_equal(taken, array[indices])


@given(left=st.integers(0, 40), row_entries=st.integers(2, 16), seed=st.integers(0, 99))
def test_entries_near_the_limit_of_int32_are_counted(left, row_entries, seed):
    n_entries = 2**31 - left
    lengths = np.random.default_rng(seed).integers(row_entries + 1, size=6)
    starts = n_entries - np.cumsum([0, *lengths])[::-1]
    shape = stores.StoreShape((n_entries,), 8, 8, 1, row_entries=row_entries)

    taken = []
    with pytest.MonkeyPatch.context() as patch:  # no array has so many values
        patch.setattr(stores, "_take", lambda _, entries: taken.append(entries) or entries)
        features = None, None, tf.constant(starts, shape.index_dtype)
        rows = stores._sparse_rows(features, tf.range(6), shape)

    assert np.min(taken) >= 0
    assert np.max(taken) < n_entries
    for start, stop, entries in zip(starts, starts[1:], np.asarray(rows.values), strict=False):
        assert entries[entries > 0].tolist() == [*range(start, stop)]


def at_offset(X, offset):
    """A copy of X, so many bytes behind a multiple of 64."""
    buffer = np.zeros(X.nbytes + 128, np.uint8)
    start = -buffer.ctypes.data % 64 + offset
    copy = buffer[start : start + X.nbytes].view(X.dtype).reshape(X.shape)
    copy[...] = X
    return copy


def test_new_memory_has_the_alignment_that_xla_requires():
    # What XLA's header alignment.h calls MinAlign.
    assert f"-DEIGEN_MAX_ALIGN_BYTES={ALIGNMENT}" in tf.sysconfig.get_compile_flags()


@given(
    shape=st.lists(st.integers(0, 9), min_size=1, max_size=3),
    dtype=st.sampled_from(["float32", "float64", "int32"]),
)
def test_new_memory_is_aligned_and_zero(shape, dtype):
    array = aligned_zeros(tuple(shape), dtype)
    assert array.ctypes.data % 64 == 0 or array.size == 0
    assert array.shape == tuple(shape)
    assert array.dtype == dtype
    assert not array.any()


@pytest.mark.parametrize("offset", range(0, 64, 8))
def test_an_array_is_copied_only_if_it_is_not_aligned(offset):
    X = at_offset(np.arange(24.0).reshape(6, 4), offset)
    for usable in (aligned(X), aligned_copy(X)):
        np.testing.assert_array_equal(usable, X)
        assert usable.ctypes.data % 64 == 0
    assert (aligned(X) is X) == (offset == 0)
    columns = np.asfortranarray(X)
    np.testing.assert_array_equal(aligned(columns), X)
    assert aligned(columns).flags.c_contiguous


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_a_fit_does_not_depend_on_where_x_lies(solver):
    X = np.random.default_rng(0).normal(size=(1024, 8))  # its table needs no padding
    y = X[:, 0] > 0
    model = LowLevelMLPClassifier((8,), solver=solver, max_iter=3, random_state=0)
    losses = {model.fit(at_offset(X, offset), y).loss_ for offset in range(0, 64, 8)}
    assert len(losses) == 1


@pytest.fixture
def x_is_large(monkeypatch):
    monkeypatch.setattr(costs, "LARGE_BYTES", 2**14)
    monkeypatch.setattr(costs, "COPIED_BYTES", 2**13)


@pytest.mark.skipif(not is_tested(tf.__version__), reason="other versions were not tried")
@pytest.mark.usefixtures("x_is_large")
def test_a_large_x_is_used_where_numpy_puts_it_with_a_tested_tensorflow():
    """Its rows have 64 bytes each: if kernels assumed that X lies as the rows do, they would crash."""
    X = np.random.default_rng(0).normal(size=(1024, 8))
    y = X[:, 0] > 0
    model = LowLevelMLPClassifier((8,), max_iter=3, random_state=0)
    losses = set()
    for offset in (0, 16, 32, 48):
        its_X = at_offset(X, offset)
        assert np.shares_memory(np.asarray(tensorflow.share(its_X)), its_X)
        losses.add(model.fit(its_X, y).loss_)
    assert len(losses) == 1


@pytest.mark.usefixtures("x_is_large")
def test_a_large_x_is_copied_where_programs_may_assume_more(monkeypatch):
    monkeypatch.setattr(tensorflow, "_ALIGNMENT_OF_GATHERS", ALIGNMENT)
    X = at_offset(np.ones((1024, 8)), 16)
    assert not np.shares_memory(np.asarray(tensorflow.share(X)), X)
