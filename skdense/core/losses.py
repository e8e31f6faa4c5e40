"""Losses from logits, one value per example, with the score of the predictions.

Targets and logits are `(K, batch, n_outputs)`, losses and correctness `(K, batch)`, so that a sample
weight is one multiplication. Multilabel targets have one logistic output a label, and their losses
add up.
"""

from collections.abc import Callable
from typing import NamedTuple

from skdense.core.runtime import tf


class Score(NamedTuple):
    """How good predictions are, made of sums over samples; greater is better.

    Attributes
    ----------
    n_terms : callable
        `n_terms(n_outputs)` is the number of sums.
    terms : callable
        `terms(targets, logits, origin)` is a list of n_terms `(K, batch)`: what to sum up, times the
        samples' weights. `origin`, the targets `(K, 1, n_outputs)` of a network's first row, is for
        sums of squares, which would cancel if they were taken from zero.
    finish : callable
        `finish(sums, weight)` is the score `(K,)`, from the sums `(K, n_terms)` and the sum of the
        weights `(K,)`, all float64.
    """

    n_terms: Callable
    terms: Callable
    finish: Callable


class Loss(NamedTuple):
    """What a network is trained for, from its logits.

    Attributes
    ----------
    per_example : callable
        `per_example(targets, logits)` are the losses. Their gradient may be another than the value's.
    correct : callable or None
        `correct(targets, logits)`, a bool each, where predictions are right or wrong: the accuracy of
        the minibatches is then recorded.
    score : Score
        How a network is judged on validation data.
    """

    per_example: Callable
    correct: Callable | None
    score: Score


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


def _classification(per_example, correct):
    """The record of a loss whose predictions are right or wrong: the score is the accuracy."""
    accuracy = Score(
        n_terms=lambda n_outputs: 1,
        terms=lambda targets, logits, origin: [tf.cast(correct(targets, logits), logits.dtype)],
        finish=lambda sums, weight: sums[:, 0] / weight,
    )
    return Loss(per_example, correct, accuracy)


LOSSES = {
    "logistic_log_loss": _classification(_logistic_log_loss, _all_above(0)),
    "softmax_log_loss": _classification(_softmax_log_loss, _largest),
    "squared_error": _classification(_squared_error, _all_above(0.5)),
    "multiclass_squared_error": _classification(_squared_error, _largest_positive),
    # Where all samples have one class, its targets are 0, and it is predicted whatever the logits are.
    "one_class_log_loss": _classification(_logistic_log_loss, _all_above(float("inf"))),
    "one_class_squared_error": _classification(_squared_error, _all_above(float("inf"))),
}
