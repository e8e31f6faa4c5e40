"""Memory that programs use: wherever an X lies, it is the same X."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skdense import LowLevelMLPClassifier
from skdense.core.machine.memory import aligned, aligned_copy, aligned_zeros


def at_offset(X, offset):
    """A copy of X, so many bytes behind a multiple of 64."""
    buffer = np.zeros(X.nbytes + 128, np.uint8)
    start = -buffer.ctypes.data % 64 + offset
    copy = buffer[start : start + X.nbytes].view(X.dtype).reshape(X.shape)
    copy[...] = X
    return copy


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
