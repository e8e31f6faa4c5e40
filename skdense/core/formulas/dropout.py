"""Dropout: which values of hidden units a step of training sets to 0.

A hash of the network's seed, the step, the layer, the sample's position in the minibatch and the unit
decides. So the result is the same with any padding and however training is cut into chunks. A random
generator's numbers would depend on the shape of the array to fill.
"""

import numpy as np

from skdense.core.formulas.layers import Drop
from skdense.core.machine.tensorflow import tf
from skdense.core.numbers import Tensor


def dropper(numbers: Tensor, step: Tensor) -> Drop:
    """A function `drop(index, values)` of the hidden values `(batch, width)` before a `Dropout` layer.

    It sets some to 0 and divides the others by the fraction that is kept (Srivastava et al., 2014).
    numbers `(1 + n_dropouts,)` are the seed, then the rate of each dropout, in float64; step counts the
    steps before this one.
    """
    seed, *rates = tf.unstack(numbers)
    key = _hash(_hash(_to_uint(seed), 0), _to_uint(step))

    def drop(index: int, values: Tensor) -> Tensor:
        batch, width = values.shape
        rate = rates[index]
        row_key = _hash(_hash(key, index), _counts(batch))
        is_kept = _hash(row_key[:, None], _counts(width)) >= _to_uint(rate * 2.0**32)
        return tf.where(is_kept, values / tf.cast(1 - rate, values.dtype), 0)

    return drop


def _hash(key: Tensor, counter: Tensor) -> Tensor:
    """A pseudorandom 32-bit number from another one, the key, and a counter.

    It is Wellons's "lowbias32": flipping one bit of the sum flips about half of the result's bits.
    """
    bits = key + counter + np.uint32(0x9E3779B9)  # without the constant, zeros would hash to zero
    bits = tf.bitwise.bitwise_xor(bits, tf.bitwise.right_shift(bits, 16)) * np.uint32(0x7FEB352D)
    bits = tf.bitwise.bitwise_xor(bits, tf.bitwise.right_shift(bits, 15)) * np.uint32(0x846CA68B)
    return tf.bitwise.bitwise_xor(bits, tf.bitwise.right_shift(bits, 16))


def _to_uint(number: Tensor) -> Tensor:
    return tf.cast(tf.cast(number, tf.int64), tf.uint32)


def _counts(n: int) -> Tensor:
    return tf.cast(tf.range(n), tf.uint32)
