"""Memory that compiled programs can use where it lies. No TensorFlow."""

import math

import numpy as np

from skdense.core.shapes import LARGE_BYTES

# What TensorFlow's own tensors have: its operations abort on less, and compiled programs may crash. The
# rows of a large X, of which a program gathers some, may have what NumPy's allocator gives.
_ALIGNMENT, _ALIGNMENT_OF_LARGE = 64, 16


def aligned_zeros(shape, dtype):
    """An array of zeros that programs can use."""
    dtype = np.dtype(dtype)
    n_bytes = math.prod(shape) * dtype.itemsize
    buffer = np.zeros(n_bytes + _ALIGNMENT, np.uint8)
    start = -buffer.ctypes.data % _ALIGNMENT
    return buffer[start : start + n_bytes].view(dtype).reshape(shape)


def aligned_copy(array):
    """A copy that programs can use."""
    copy = aligned_zeros(array.shape, array.dtype)
    copy[...] = array
    return copy


def aligned(array):
    """The array itself if programs can use it, or a copy."""
    alignment = _ALIGNMENT if array.nbytes <= LARGE_BYTES else _ALIGNMENT_OF_LARGE
    if array.flags.c_contiguous and array.ctypes.data % alignment == 0:
        return array
    return aligned_copy(array)
