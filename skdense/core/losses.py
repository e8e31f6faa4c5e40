"""Losses from logits, one value per example, and which predictions are correct.

Targets and logits are `(K, batch, n_outputs)`, losses and correctness `(K, batch)`, so that a sample
weight is one multiplication. Multilabel targets have one logistic output a label, and their losses
add up.
"""

from collections.abc import Callable
from typing import NamedTuple

from skdense.core.runtime import tf


class Loss(NamedTuple):
    """`per_example(targets, logits)`, a float, and `correct(targets, logits)`, a bool."""

    per_example: Callable
    correct: Callable


def _eps(tensor):
    """The spacing of the dtype's numbers at 1."""
    return {tf.float32: 2.0**-23, tf.float64: 2.0**-52}[tensor.dtype]


def _negative_log(probabilities):
    eps = _eps(probabilities)
    return -tf.math.log(tf.clip_by_value(probabilities, eps, 1 - eps))


# The value of a log-loss is that of clipped probabilities, its gradient that of the unclipped loss:
# a confidently wrong network reports a finite loss and goes on learning.


@tf.custom_gradient
def _logistic_log_loss(targets, logits):
    probabilities = tf.sigmoid(logits)
    of_target = tf.where(targets > 0.5, probabilities, 1 - probabilities)

    def gradient(upstream):
        return None, upstream[..., None] * (probabilities - targets)

    return tf.reduce_sum(_negative_log(of_target), axis=-1), gradient


@tf.custom_gradient
def _softmax_log_loss(targets, logits):
    probabilities = tf.nn.softmax(logits)
    of_target = tf.reduce_sum(targets * probabilities, axis=-1)

    def gradient(upstream):
        return None, upstream[..., None] * (probabilities - targets)

    return _negative_log(of_target), gradient


def _squared_error(targets, logits):
    return tf.reduce_sum((logits - targets) ** 2, axis=-1)


def _all_above(threshold):
    def correct(targets, logits):
        return tf.reduce_all((logits > threshold) == (targets > 0.5), axis=-1)

    return correct


def _largest(targets, logits):
    return tf.argmax(logits, axis=-1) == tf.argmax(targets, axis=-1)


def _largest_positive(targets, logits):
    return _largest(targets, tf.maximum(logits, _eps(logits)))


LOSSES = {
    "logistic_log_loss": Loss(_logistic_log_loss, _all_above(0)),
    "softmax_log_loss": Loss(_softmax_log_loss, _largest),
    "squared_error": Loss(_squared_error, _all_above(0.5)),
    "multiclass_squared_error": Loss(_squared_error, _largest_positive),
    # Where all samples have one class, its targets are 0, and it is predicted whatever the logits are.
    "one_class_log_loss": Loss(_logistic_log_loss, _all_above(float("inf"))),
    "one_class_squared_error": Loss(_squared_error, _all_above(float("inf"))),
}
