"""Memory that compiled programs can use where it lies. No TensorFlow."""

import math

import numpy as np

from skdense.core.machine.shapes import LARGE_BYTES

# What TensorFlow's own tensors have: its operations abort on less, and compiled programs may crash. The
# rows of a large X, of which a program gathers some, may have what NumPy's allocator gives.
_ALIGNMENT, _ALIGNMENT_OF_LARGE = 64, 16


def aligned_zeros(shape, dtype):
    """An array of zeros that programs can use."""
    return _made(np.zeros, shape, np.dtype(dtype))


def aligned_empty(shape, dtype):
    """An array with anything in it that programs can use."""
    return _made(np.empty, shape, np.dtype(dtype))


def aligned_copy(array):
    """A copy that programs can use."""
    copy = aligned_empty(array.shape, array.dtype)
    copy[...] = array
    return copy


def _made(make, shape, dtype):
    """What `make`, one of NumPy's functions, makes, where programs can use it."""
    n_bytes = math.prod(shape) * dtype.itemsize
    buffer = make(n_bytes + _ALIGNMENT, np.uint8)
    start = -_address(buffer) % _ALIGNMENT
    return buffer[start : start + n_bytes].view(dtype).reshape(shape)


def _address(array):
    return array.__array_interface__["data"][0]  # sooner than `array.ctypes.data`


def aligned(array):
    """The array itself if programs can use it, or a copy."""
    alignment = _ALIGNMENT if array.nbytes <= LARGE_BYTES else _ALIGNMENT_OF_LARGE
    if array.flags.c_contiguous and _address(array) % alignment == 0:
        return array
    return aligned_copy(array)
