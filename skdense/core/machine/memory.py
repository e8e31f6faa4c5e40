"""Memory that compiled programs can use where it lies. No TensorFlow."""

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import DTypeLike, NDArray

ALIGNMENT = 64
"""XLA's minimum, which TensorFlow's tensors have: on less, operations abort and programs may crash."""


def aligned_zeros(shape: Sequence[int], dtype: DTypeLike) -> NDArray:
    """An array of zeros that programs can use."""
    return _made(np.zeros, shape, np.dtype(dtype))


def aligned_empty(shape: Sequence[int], dtype: DTypeLike) -> NDArray:
    """An uninitialized array that programs can use."""
    return _made(np.empty, shape, np.dtype(dtype))


def aligned_copy(array: NDArray) -> NDArray:
    """A copy that programs can use."""
    copy = aligned_empty(array.shape, array.dtype)
    copy[...] = array
    return copy


def _made(make: Callable[..., NDArray], shape: Sequence[int], dtype: np.dtype) -> NDArray:
    """An array in memory that NumPy's function `make` allocates, aligned for programs."""
    n_bytes = math.prod(shape) * dtype.itemsize
    buffer = make(n_bytes + ALIGNMENT, np.uint8)
    start = -_address(buffer) % ALIGNMENT
    return buffer[start : start + n_bytes].view(dtype).reshape(shape)


def _address(array: NDArray) -> int:
    return array.__array_interface__["data"][0]  # `array.ctypes.data` takes longer


def aligned(array: NDArray, alignment: int = ALIGNMENT) -> NDArray:
    """The array itself if its memory has this alignment, or a copy that programs can use."""
    if array.flags.c_contiguous and _address(array) % alignment == 0:
        return array
    return aligned_copy(array)
