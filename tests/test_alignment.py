"""Memory that programs use: wherever an X lies, it is the same X."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skdense import LowLevelMLPClassifier
from skdense.core.host import tables
from skdense.core.machine import costs, memory
from skdense.core.machine.memory import ALIGNMENT, aligned, aligned_copy, aligned_zeros
from skdense.core.machine.tensorflow import tf


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


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
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
    for module in (tables, memory):
        monkeypatch.setattr(module, "COPIED_BYTES", 2**13)


@pytest.mark.skipif(not tf.__version__.startswith("2.21."), reason="other versions were not tried")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.usefixtures("x_is_large")
def test_a_large_x_of_tensorflow_2_21_is_used_where_numpy_puts_it():
    """Its rows have 64 bytes each: if kernels assumed that X lies as the rows do, they would crash."""
    X = np.random.default_rng(0).normal(size=(1024, 8))
    y = X[:, 0] > 0
    model = LowLevelMLPClassifier((8,), max_iter=3, random_state=0)
    losses = set()
    for offset in (0, 16, 32, 48):
        its_X = at_offset(X, offset)
        assert np.shares_memory(np.asarray(memory.share(its_X)), its_X)
        losses.add(model.fit(its_X, y).loss_)
    assert len(losses) == 1


@pytest.mark.usefixtures("x_is_large")
def test_a_large_x_is_copied_where_programs_may_assume_more(monkeypatch):
    monkeypatch.setattr(memory, "_ALIGNMENT_OF_GATHERS", ALIGNMENT)
    X = at_offset(np.ones((1024, 8)), 16)
    assert not np.shares_memory(np.asarray(memory.share(X)), X)
