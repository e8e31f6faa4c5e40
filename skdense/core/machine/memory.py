"""Memory that compiled programs can use where it lies, as arrays and as tensors."""

import math
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from skdense.core.machine import costs
from skdense.core.machine.lazy_import import is_tested
from skdense.core.machine.tensorflow import tf

ALIGNMENT = 64
"""XLA's minimum, which TensorFlow's tensors have: on less, operations abort and programs may crash."""
# In the tested versions of TensorFlow the loops that gather load single numbers and assume no alignment
# beyond theirs.
_ALIGNMENT_OF_GATHERS = 16
"""The alignment of a large X, of which programs gather rows. It is that of NumPy's memory."""


def aligned_zeros(shape: Sequence[int], dtype: DTypeLike) -> NDArray:
    """An array of zeros that programs can use."""
    dtype = np.dtype(dtype)
    n_bytes = math.prod(shape) * dtype.itemsize
    buffer = np.zeros(n_bytes + ALIGNMENT, np.uint8)
    start = -_address(buffer) % ALIGNMENT
    return buffer[start : start + n_bytes].view(dtype).reshape(shape)


def aligned_copy(array: NDArray) -> NDArray:
    """A copy that programs can use."""
    copy = aligned_zeros(array.shape, array.dtype)
    copy[...] = array
    return copy


def _address(array: NDArray) -> int:
    return array.__array_interface__["data"][0]  # `array.ctypes.data` takes longer


def aligned(array: NDArray, alignment: int = ALIGNMENT) -> NDArray:
    """The array itself if its memory has this alignment, or a copy that programs can use."""
    if array.flags.c_contiguous and _address(array) % alignment == 0:
        return array
    return aligned_copy(array)


def to_tensor(array: NDArray) -> Any:
    """A tensor with a copy of `array`, made faster than by `tf.constant`."""
    return view(aligned_copy(array))


def share(array: NDArray) -> Any:
    """A tensor that uses the memory of `array`, if it can, which must not change meanwhile.

    It is for compiled programs only. Read-only memory, such as a file mapped for reading, is used, too.
    """
    is_gathered = array.nbytes > costs.COPIED_BYTES and is_tested(tf.__version__)
    own = aligned(array, _ALIGNMENT_OF_GATHERS if is_gathered else ALIGNMENT)
    # NumPy refuses to export read-only memory by DLPack. Programs never write to their arguments.
    interface = own.__array_interface__
    interface["data"] = interface["data"][0], False  # whether it is read-only
    return view(np.asarray(SimpleNamespace(__array_interface__=interface, memory=own)))


def view(array: NDArray) -> Any:
    """A tensor on the memory of an array that is aligned, for compiled programs only."""
    return tf.experimental.dlpack.from_dlpack(array.__dlpack__())
