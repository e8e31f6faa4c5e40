"""Dropout: which values of hidden units a step of training takes for 0.

A hash of the network's seed, the step, the layer, the sample's place in the minibatch and the unit
decides, and nothing else: the same units are dropped in any stack, with any padding and however the
training is cut into chunks. A generator of random numbers would depend on the shape that it fills.
"""

from skdense.core.machine.runtime import tf


def dropper(numbers, step):
    """A function `drop(layer, values)` of the hidden values `(K, batch, width)` of a layer.

    It takes some for 0 and divides the others by the fraction that is kept (Srivastava et al., 2014).
    numbers are the float64 `(1 + n_hidden, K)` seeds and rates, step `(K,)` is how many precede this.
    """
    seed, *rates = tf.unstack(numbers)
    key = _hash(_hash(_to_uint(seed), 0), _to_uint(step))

    def drop(layer, values):
        _, batch, width = values.shape
        rate = rates[layer][:, None, None]
        of_row = _hash(_hash(key, layer)[:, None], _counts(batch))
        is_kept = _hash(of_row[..., None], _counts(width)) >= _to_uint(rate * 2.0**32)
        return tf.where(is_kept, values / tf.cast(1 - rate, values.dtype), 0)

    return drop


def _hash(key, counter):
    """A number of 32 bits that looks random, from a key that does and a counter.

    The constants are those of Wellons's "lowbias32": each bit of the sum changes half of the others.
    """
    bits = key + counter + 0x9E3779B9  # so that zeros do not hash to zero
    bits = tf.bitwise.bitwise_xor(bits, tf.bitwise.right_shift(bits, 16)) * 0x7FEB352D
    bits = tf.bitwise.bitwise_xor(bits, tf.bitwise.right_shift(bits, 15)) * 0x846CA68B
    return tf.bitwise.bitwise_xor(bits, tf.bitwise.right_shift(bits, 16))


def _to_uint(number):
    return tf.cast(tf.cast(number, tf.int64), tf.uint32)


def _counts(n):
    return tf.cast(tf.range(n), tf.uint32)
